"""Every materializer: saving A, then B, loads A, then B, in any working directory; nothing is pickled."""

from __future__ import annotations

import dataclasses
import importlib
import pickletools
import pkgutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from zenml.artifact_stores import LocalArtifactStore, LocalArtifactStoreConfig
from zenml.enums import StackComponentType
from zenml.materializers.base_materializer import BaseMaterializer

import materializers
from inspection.data.index import ImageIndex
from inspection.errors import PlumblineError
from inspection.evaluation.gate import gate
from materializers.folder import FolderMaterializer
from materializers.refusing import RefusingMaterializer

Equal = Callable[[Any, Any], bool]


def _index(label: str, tmp: Path) -> ImageIndex:
    row = {
        "image_id": label * 8,
        "path": f"{label}/1.png",
        "label": label,
        "split": "test",
        "width": 10,
        "height": None,
        "boxes": [{"x0": 0.0, "y0": 0.0, "x1": 5.0, "y1": 5.0, "label": label}],
        "captured_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    bad = {
        "path": f"{label}/2.png",
        "quarantine": "truncated",
        "detail": "cut",
        "warnings": ["a: b"],
    }
    return ImageIndex.from_rows(tmp, [row, bad])


def _same_index(a: ImageIndex, b: ImageIndex) -> bool:
    return a.root == b.root and a.table().equals(b.table())


def _evaluation(seed: float, _: Path) -> Any:
    from inspection.evaluation.metrics import evaluate

    scores = np.array([[seed, 1 - seed], [0.25, 0.75]])
    return evaluate("m", ["a", "b"], scores, ["a", "b"], image_ids=["1", "2"], test_digest="t")


def _features(seed: int, _: Path) -> Any:
    from inspection.features.backbone import BackboneInfo
    from inspection.features.extract import Features

    info = BackboneInfo("net", "none", f"{seed}", "MIT", 3, 32, (0.5,) * 3, (0.5,) * 3, 7)
    matrix = np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32)
    return Features(("a", "b", "c", str(seed)), matrix, info)


def _same_features(a: Any, b: Any) -> bool:
    return (
        a.image_ids == b.image_ids
        and a.backbone == b.backbone
        and np.array_equal(a.matrix, b.matrix)
    )


def _teacher(seed: int, tmp: Path) -> Any:
    from inspection.models.heads import Head, Teacher
    from inspection.training.scores import Score
    from inspection.training.teacher import HeadScore, TeacherResult

    make = np.random.default_rng(seed).normal
    shapes = {"mean": (3,), "scale": (3,), "weight_0": (2, 3), "bias_0": (2,)}
    arrays = {name: make(size=shape).astype(np.float32) for name, shape in shapes.items()}
    info = _features(seed, tmp).backbone
    teacher = Teacher(info, Head("linear", arrays), ("a", "b"), 1.0 + seed)
    score = Score(**dict.fromkeys(Score.__dataclass_fields__, 0.5))
    tried = HeadScore(
        head="linear",
        setting=1.0,
        validation=score,
        held_out=score,
        parameters=8,
        chosen=True,
    )
    return TeacherResult(teacher, (tried,))


def _same_teacher(a: Any, b: Any) -> bool:
    return a.teacher.digest() == b.teacher.digest() and a.heads == b.heads


def _bundle(seed: int, tmp: Path) -> Any:
    """Whole, but with a model that nobody could run: a materializer carries, it does not infer."""
    from deploy.edge.bundle import open_bundle
    from deploy.edge.files import sha256_bytes
    from deploy.edge.spec import Decision, Manifest, Preprocessing

    files = {
        "model.onnx": bytes([seed]) * 9,
        "certificate.json": b"{}",
        "drift_reference.npz": b"1",
    }
    files |= {"golden/000.png": b"2", "golden/outputs.npz": b"3"}
    manifest = Manifest(
        name=f"m{seed}",
        model="model.onnx",
        classes=("a", "b"),
        preprocessing=Preprocessing(32, 32),
        decision=Decision(),
        temperature=1.0,
        embedding_size=3,
        golden_tolerance=1e-3,
        files={name: sha256_bytes(data) for name, data in files.items()},
    )
    folder = tmp / "made" / manifest.digest
    (folder / "golden").mkdir(parents=True, exist_ok=True)
    for name, data in {**files, "manifest.json": manifest.to_json()}.items():
        (folder / name).write_bytes(data)
    return open_bundle(folder)


def _student(seed: int, tmp: Path) -> Any:
    from deploy.edge.files import sha256_file
    from deploy.edge.spec import Preprocessing
    from inspection.models.student_files import CARD, WEIGHTS, StudentCard
    from inspection.training.scores import Score
    from inspection.training.student import StudentResult

    folder = tmp / f"student{seed}"
    folder.mkdir(exist_ok=True)
    (folder / WEIGHTS).write_bytes(bytes([seed]) * 9)
    (folder / "checkpoint.safetensors").write_bytes(b"stays behind")
    half = (0.5, 0.5, 0.5)
    card = StudentCard(
        "plumbnet_s",
        ("a", "b"),
        Preprocessing(32, 32),
        half,
        half,
        3,
        7,
        1.0,
        "none",
        "MIT",
        sha256_file(folder / WEIGHTS),
    )
    card.save(folder / CARD)
    score = Score(**dict.fromkeys(Score.__dataclass_fields__, 0.5))
    return StudentResult(folder, f"key{seed}", (), seed, seed, score, None)


def _same_student(a: Any, b: Any) -> bool:
    from inspection.models.student_files import CARD, WEIGHTS

    files = all((a.folder / n).read_bytes() == (b.folder / n).read_bytes() for n in (WEIGHTS, CARD))
    same = dataclasses.replace(a, folder=b.folder) == b
    return same and files


def _drift(seed: int, _: Path) -> Any:
    from data_checks.drift_reference import DriftReference

    make = np.random.default_rng(seed).random
    groups = np.arange(4) if seed == 1 else None
    arrays = (make((4, n)).astype(np.float32) for n in (3, 2, 5))
    return DriftReference(*arrays, groups)


def _same_drift(a: Any, b: Any) -> bool:
    left, right = a.to_arrays(), b.to_arrays()
    return left.keys() == right.keys() and all(np.array_equal(left[n], right[n]) for n in left)


EXAMPLES: dict[str, tuple[Callable[[Any, Path], Any], tuple[Any, Any], Equal]] = {
    "ImageIndexMaterializer": (_index, ("crack", "ok"), _same_index),
    "RecordMaterializer": (_evaluation, (0.9, 0.1), lambda a, b: a == b),
    "FeaturesMaterializer": (_features, (1, 2), _same_features),
    "BundleMaterializer": (_bundle, (1, 2), lambda a, b: a.manifest == b.manifest),
    "StudentMaterializer": (_student, (1, 2), _same_student),
    "DriftReferenceMaterializer": (_drift, (1, 2), _same_drift),
    "TeacherMaterializer": (_teacher, (1, 2), _same_teacher),
}


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
    RecordMaterializer(place, store).save(_evaluation(0.9, tmp_path))
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
    BundleMaterializer(place, store).save(_bundle(1, tmp_path))
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

    verdict = gate(_evaluation(0.9, tmp_path), None, GateConfig(min_macro_f1=0.99))
    place = _place(store, "a")
    RecordMaterializer(place, store).save(verdict)
    assert RecordMaterializer(place, store).load(GateVerdict) == verdict
