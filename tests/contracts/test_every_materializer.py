"""Every materializer: saving A, then B, loads A, then B, in any working directory; nothing is pickled."""

from __future__ import annotations

import importlib
import pickletools
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from zenml.artifact_stores import LocalArtifactStore, LocalArtifactStoreConfig
from zenml.enums import StackComponentType
from zenml.materializers.base_materializer import BaseMaterializer

import materializers
from inspection.errors import PlumblineError
from inspection.evaluation.gate import gate
from materializers.folder import FolderMaterializer
from materializers.refusing import RefusingMaterializer
from tests.contracts.artifact_material import EXAMPLES, Equal, made_bundle, made_evaluation


def _found() -> Iterator[type[FolderMaterializer]]:
    for module in pkgutil.iter_modules(materializers.__path__):
        loaded = importlib.import_module(f"materializers.{module.name}")
        for thing in vars(loaded).values():
            if (
                isinstance(thing, type)
                and issubclass(thing, BaseMaterializer)
                and thing.__module__ == loaded.__name__
                and thing not in (FolderMaterializer, RefusingMaterializer)
            ):
                yield thing


ALL = sorted(_found(), key=lambda found: found.__name__)
each = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    (tmp_path / "store").mkdir()
    now = datetime.now(UTC)
    return LocalArtifactStore(
        name="local",
        id=uuid4(),
        config=LocalArtifactStoreConfig(path=str(tmp_path / "store")),
        flavor="local",
        type=StackComponentType.ARTIFACT_STORE,
        user=None,
        created=now,
        updated=now,
    )


def _place(store: LocalArtifactStore, name: str) -> str:
    place = Path(store.path) / name
    place.mkdir()
    return str(place)


def _values(kind: type[FolderMaterializer], tmp: Path) -> tuple[Any, Any, Equal]:
    make, (a, b), equal = EXAMPLES[kind.__name__]
    return make(a, tmp), make(b, tmp), equal


@each
def test_a_then_b_loads_a_then_b(
    kind: type[FolderMaterializer],
    store: LocalArtifactStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b, equal = _values(kind, tmp_path)
    first, second = _place(store, "a"), _place(store, "b")
    kind(first, store).save(a)
    monkeypatch.chdir(tmp_path)
    kind(second, store).save(b)
    read_a = kind(first, store).load(type(a))
    read_b = kind(second, store).load(type(b))
    assert equal(read_a, a)
    assert equal(read_b, b)
    assert not equal(read_a, read_b)


@each
def test_equal_values_have_equal_hashes_and_others_have_others(
    kind: type[FolderMaterializer], store: LocalArtifactStore, tmp_path: Path
) -> None:
    a, b, _ = _values(kind, tmp_path)
    again, _, _ = _values(kind, tmp_path)
    writer = kind(_place(store, "a"), store)
    assert writer.compute_content_hash(a) == writer.compute_content_hash(again)
    assert writer.compute_content_hash(a) != writer.compute_content_hash(b)


@each
def test_nothing_saved_is_a_pickle(
    kind: type[FolderMaterializer], store: LocalArtifactStore, tmp_path: Path
) -> None:
    a, _, _ = _values(kind, tmp_path)
    place = _place(store, "a")
    writer = kind(place, store)
    writer.save(a)
    writer.save_visualizations(a)
    files = [path for path in Path(place).rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if _is_pickle(path.read_bytes())]


@each
def test_metadata_can_be_shown(
    kind: type[FolderMaterializer], store: LocalArtifactStore, tmp_path: Path
) -> None:
    a, _, _ = _values(kind, tmp_path)
    writer = kind(_place(store, "a"), store)
    writer.save(a)
    assert all(
        isinstance(value, str | int | float | bool | list)
        for value in writer.extract_metadata(a).values()
    )


def test_what_zenml_would_pickle_is_refused(store: LocalArtifactStore) -> None:
    with pytest.raises(PlumblineError, match=r"no materializer knows the type 'builtins\.object'"):
        RefusingMaterializer(_place(store, "a"), store).save(object())
    with pytest.raises(PlumblineError, match="pickle is not allowed"):
        RefusingMaterializer(_place(store, "b"), store).load(object)


def test_a_broken_artifact_is_an_error_not_another_value(
    store: LocalArtifactStore, tmp_path: Path
) -> None:
    from inspection.evaluation.metrics import Evaluation
    from materializers.records import DOCUMENT, RecordMaterializer

    place = _place(store, "a")
    RecordMaterializer(place, store).save(made_evaluation(0.9, tmp_path))
    (Path(place) / DOCUMENT).write_text('{"name": "x"}')
    with pytest.raises(ValueError, match="validation error"):
        RecordMaterializer(place, store).load(Evaluation)


def test_a_bundle_that_was_changed_at_rest_is_refused(
    store: LocalArtifactStore, tmp_path: Path
) -> None:
    from deploy.edge.bundle import Bundle
    from deploy.edge.errors import TamperedBundle
    from materializers.bundle import BundleMaterializer

    place = _place(store, "a")
    BundleMaterializer(place, store).save(made_bundle(1, tmp_path))
    next(Path(place).glob("*/model.onnx")).write_bytes(b"another")
    with pytest.raises(TamperedBundle, match=r"model\.onnx was changed"):
        BundleMaterializer(place, store).load(Bundle)


def test_the_pickle_finder_finds_pickles() -> None:
    import pickle

    assert _is_pickle(pickle.dumps({"a": [1, 2]}))
    assert not _is_pickle(b'{"a": 1}')


def _is_pickle(data: bytes) -> bool:
    """Protocol 2 and later start with this opcode and parse to the end."""
    if not data.startswith(b"\x80"):
        return False
    try:
        list(pickletools.genops(data))
    except (ValueError, IndexError):
        return False
    return True


def test_gate_verdict_is_a_record_too(store: LocalArtifactStore, tmp_path: Path) -> None:
    from inspection.config import GateConfig
    from inspection.evaluation.gate import GateVerdict
    from materializers.records import RecordMaterializer

    verdict = gate(made_evaluation(0.9, tmp_path), None, GateConfig(min_macro_f1=0.99))
    place = _place(store, "a")
    RecordMaterializer(place, store).save(verdict)
    assert RecordMaterializer(place, store).load(GateVerdict) == verdict
