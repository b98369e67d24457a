"""A bundle is opened whole or not at all: every way of spoiling one is tried and must be named."""

from __future__ import annotations

import io
import json
import os
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.edge.bundle import Bundle, load_drift_reference, load_golden, open_bundle, self_test
from deploy.edge.engines.base import Outputs
from deploy.edge.engines.registry import open_engine
from deploy.edge.errors import BundleError, TamperedBundle
from deploy.edge.inspector import Inspector
from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Decision, Manifest
from deploy.edge.statistics import image_statistics
from tests.edge_bundles import (
    CLASSES,
    DECISION,
    EMBEDDING,
    SPEC,
    by_numpy,
    npz,
    pictures,
    png,
    resign,
    write_bundle,
)

FILES = (
    "model.onnx",
    "certificate.json",
    "drift_reference.npz",
    "golden/outputs.npz",
    "golden/000.png",
    "golden/015.png",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def refused(folder: Path, *says: str, kind: type[BundleError] = TamperedBundle) -> None:
    """Refused by the runtime as a whole, in one line that says what."""
    with pytest.raises(BundleError) as caught:
        Inspector.open(folder, threads=1)
    assert type(caught.value) is kind
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    for text in says:
        assert text in str(caught.value)


def test_sound_bundle__opens_and_passes_its_self_test(folder: Path) -> None:
    bundle = open_bundle(folder)
    assert bundle.manifest.classes == CLASSES
    assert bundle.digest == bundle.manifest.digest
    assert [path.name for path in bundle.golden] == [f"{i:03d}.png" for i in range(16)]
    assert bundle.certificate() == {"rows": []}
    gap = self_test(bundle, open_engine("onnxruntime", bundle.model, threads=1))
    assert 0 <= gap <= 1e-5


def test_golden__comes_back_as_it_was_put_in(folder: Path) -> None:
    golden = load_golden(open_bundle(folder))
    for ours, original in zip(golden.pixels, pictures(16), strict=True):
        assert np.array_equal(ours, original)
    prepared = np.stack([preprocess(pixels, SPEC) for pixels in golden.pixels])
    assert np.array_equal(golden.outputs.embedding, by_numpy(prepared).embedding)


def test_drift_reference__has_its_three_tables(folder: Path) -> None:
    tables = load_drift_reference(open_bundle(folder))
    assert {name: table.shape for name, table in tables.items()} == {
        "statistics": (16, 3),
        "probabilities": (16, 3),
        "embedding": (16, EMBEDDING),
    }


def test_exchanged_classes__are_told_by_the_certificate(folder: Path) -> None:
    (folder / "certificate.json").write_text(json.dumps({"classes": list(CLASSES)}))
    resign(folder)
    assert open_bundle(folder).manifest.classes == CLASSES
    resign(folder, classes=["ok", "crack", "scratch"])
    refused(folder, "certified for classes crack, ok, scratch", "do not run it")
    (folder / "certificate.json").write_text("{")
    resign(folder)
    refused(folder, "certificate.json' cannot be read", kind=BundleError)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0.0, 0.5, 0.999])
def test_flipped_bit__is_named(folder: Path, name: str, where: float) -> None:
    data = bytearray((folder / name).read_bytes())
    data[int(len(data) * where)] ^= 1
    (folder / name).write_bytes(data)
    refused(folder, f"{name} was changed", "do not run it")


@pytest.mark.parametrize("name", FILES)
def test_missing_file__is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, f"{name} is missing")


@pytest.mark.parametrize("name", ["extra.onnx", "golden/016.png", ".hidden", "deep/er/file"])
def test_added_file__is_named(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"more")
    refused(folder, f"{name} was added")


def test_every_fault__is_named_at_once(folder: Path) -> None:
    (folder / "golden/003.png").unlink()
    (folder / "model.onnx").write_bytes(b"other")
    (folder / "note.txt").write_bytes(b"hello")
    refused(folder, "golden/003.png is missing", "note.txt was added", "model.onnx was changed")


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_linked_file__is_refused_even_with_the_right_content(folder: Path, name: str) -> None:
    outside = folder.parent / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    kind = BundleError if name == "manifest.json" else TamperedBundle
    refused(folder, name.rpartition("/")[2], kind=kind)


def test_linked_folder__is_refused(folder: Path) -> None:
    (folder / "golden").rename(folder.parent / "elsewhere")
    (folder / "golden").symlink_to(folder.parent / "elsewhere")
    refused(folder, "golden' is a link")


def test_pipe__is_refused_and_never_read(folder: Path) -> None:
    os.mkfifo(folder / "queue")
    refused(folder, "no regular file")


@pytest.mark.parametrize(
    "name",
    [
        "../outside.png",
        "golden/../../outside.png",
        "/etc/hostname",
        "golden//000.png",
        "./model.onnx",
        "golden\\000.png",
        "c:model.onnx",
        "line\nbreak",
        "manifest.json",
        "",
        ".",
    ],
)
def test_path_out_of_the_bundle__is_refused(folder: Path, name: str) -> None:
    (folder.parent / "outside.png").write_bytes(png(pictures(1)[0]))
    files = json.loads((folder / "manifest.json").read_bytes())["files"]
    resign(folder, files={**files, name: "0" * 64})
    refused(folder, "no path inside it")


def test_model_outside__is_refused(folder: Path) -> None:
    (folder / "model.onnx").rename(folder.parent / "model.onnx")
    resign(folder)
    resign(folder, model="../model.onnx")
    refused(folder, "no hash for its model", kind=BundleError)


@pytest.mark.parametrize(
    "spoil",
    [lambda raw: raw + b"\n", lambda raw: b" " + raw, lambda raw: raw.replace(b'":', b'": ')],
)
def test_edited_manifest__is_refused(folder: Path, spoil: Any) -> None:
    path = folder / "manifest.json"
    path.write_bytes(spoil(path.read_bytes()))
    refused(folder, "canonical")


def test_changed_threshold__changes_the_digest_and_the_named_folder_is_refused(
    folder: Path,
) -> None:
    named = folder.rename(folder.parent / open_bundle(folder).digest)
    assert open_bundle(named).digest == named.name
    resign(named, decision={"ok_class": "ok", "reject_at": 1.0, "review_below": 0.0})
    refused(named, "holds bundle")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema_version": 2}, "schema 2"),
        ({"classes": ["ok"]}, "two or more"),
        ({"classes": ["ok", "ok", "crack"]}, "distinct"),
        ({"classes": ["ok", 1, 2]}, "text"),
        ({"classes": "ok"}, "ok_class"),
        ({"decision": {"ok_class": "fine"}}, "fine"),
        ({"decision": {"reject_at": "often"}}, "reject_at"),
        ({"decision": 3}, "cannot be read"),
        ({"preprocessing": {"height": 8}}, "width"),
        ({"preprocessing": {"height": "8", "width": 8}}, "8 to 4096"),
        ({"temperature": -1}, "temperature"),
        ({"golden_tolerance": 0.5}, "golden_tolerance"),
        ({"golden_tolerance": None}, "golden_tolerance"),
        ({"embedding_size": 0}, "embedding_size"),
        ({"embedding_size": 8.0}, "embedding_size"),
        ({"name": None}, "name"),
        ({"files": []}, "files"),
        ({"files": {"model.onnx": 5}}, "text"),
        ({"model": "other.onnx"}, "no hash for its model"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_impossible_manifest__is_refused(folder: Path, change: dict[str, Any], says: str) -> None:
    resign(folder, **change)
    refused(folder, says, kind=BundleError)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"name": NaN}']
)
def test_manifest_that_is_none__is_refused(folder: Path, data: bytes) -> None:
    (folder / "manifest.json").write_bytes(data)
    refused(folder, "manifest.json cannot be read", kind=BundleError)


def test_huge_manifest__is_not_even_read(folder: Path) -> None:
    with (folder / "manifest.json").open("r+b") as stream:
        stream.truncate(2**25)
    refused(folder, "larger than", kind=BundleError)


def test_no_bundle__says_so(tmp_path: Path) -> None:
    refused(tmp_path / "absent", "no bundle folder", kind=BundleError)
    refused(tmp_path, "has no manifest.json", kind=BundleError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.fuzz
@given(data=st.data())
def test_any_manifest__only_bundle_errors_come_out(data: st.DataObject) -> None:
    raw = asdict(_manifest())
    for key in data.draw(st.lists(st.sampled_from(sorted(raw)), min_size=1, max_size=3)):
        raw[key] = data.draw(JSON)
    try:
        manifest = Manifest.from_json(json.dumps(raw).encode())
    except BundleError:
        return
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert len(manifest.digest) == 64


def test_manifest__equal_content_equal_digest_and_nothing_else() -> None:
    one, other = _manifest(), _manifest(decision=Decision(ok_class="ok", reject_at=0.51))
    assert one.digest == _manifest().digest != other.digest
    assert Manifest.from_json(one.to_json()) == one


def _manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "name": "tiny",
        "model": "model.onnx",
        "classes": CLASSES,
        "preprocessing": SPEC,
        "decision": DECISION,
        "temperature": 1.0,
        "embedding_size": EMBEDDING,
        "golden_tolerance": 1e-4,
        "files": {"model.onnx": "0" * 64},
    }
    return Manifest(**{**values, **changes})


def outputs_of(folder: Path) -> dict[str, Any]:
    with np.load(folder / "golden/outputs.npz", allow_pickle=False) as archive:
        return dict(archive)


def test_golden_outputs_of_another_model__are_refused(folder: Path) -> None:
    arrays = outputs_of(folder)
    arrays["probabilities"] = np.roll(arrays["probabilities"], 1, axis=1)
    (folder / "golden/outputs.npz").write_bytes(npz(**arrays))
    resign(folder)
    refused(folder, "golden self-test", "labels differ")


def test_golden_probability_moved_by_more_than_the_tolerance__is_refused(folder: Path) -> None:
    arrays = outputs_of(folder)
    for shift, fits in ((5e-5, True), (3e-4, False)):
        moved = {**arrays, "probabilities": arrays["probabilities"] + np.float32(shift)}
        (folder / "golden/outputs.npz").write_bytes(npz(**moved))
        resign(folder)
        if fits:
            assert Inspector.open(folder, threads=1).golden_gap == pytest.approx(5e-5, rel=0.1)
        else:
            refused(folder, "0 of 16 labels differ", "allowed 0.0001")


def test_golden_image_of_another_part__is_refused(folder: Path) -> None:
    (folder / "golden/000.png").write_bytes(png(255 - pictures(1)[0]))
    resign(folder)
    refused(folder, "golden self-test")


def test_golden_that_is_no_image__is_refused(folder: Path) -> None:
    (folder / "golden/000.png").write_bytes(b"text")
    resign(folder)
    refused(folder, "000.png")


def test_other_preprocessing__is_refused_by_the_golden_images(folder: Path) -> None:
    resign(folder, preprocessing={"height": 12, "width": 16, "resize": "pad"})
    refused(folder, "golden self-test")


def test_no_golden_images__prove_nothing(folder: Path) -> None:
    for path in (folder / "golden").glob("*.png"):
        path.unlink()
    resign(folder)
    refused(folder, "no golden images", kind=BundleError)


@pytest.mark.parametrize(
    ("change", "says"),
    [({"classes": ["a", "ok"]}, "golden"), ({"embedding_size": 9}, "embedding")],
)
def test_manifest_that_does_not_fit_its_golden_outputs__is_refused(
    folder: Path, change: dict[str, Any], says: str
) -> None:
    resign(folder, **change)
    refused(folder, says)


@pytest.mark.parametrize("name", ["certificate.json", "drift_reference.npz", "golden/outputs.npz"])
def test_incomplete_bundle__is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    resign(folder)
    refused(folder, f"lists no {name}", kind=BundleError)


@pytest.mark.parametrize(
    "spoiled",
    [
        b"",
        b"text",
        npz(probabilities=np.ones((16, 3), np.float32)),
        npz(probabilities=np.full((16, 3), np.nan), embedding=np.ones((16, 8))),
        npz(probabilities=np.ones((16, 3), int), embedding=np.ones((16, 8))),
        npz(probabilities=np.ones(16), embedding=np.ones((16, 8))),
    ],
)
def test_spoiled_tables__are_refused(folder: Path, spoiled: bytes) -> None:
    (folder / "golden/outputs.npz").write_bytes(spoiled)
    resign(folder)
    refused(folder, "outputs.npz", kind=BundleError)


def test_table_that_claims_terabytes__is_refused(folder: Path) -> None:
    header = io.BytesIO()
    claims = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)}
    np.lib.format.write_array_header_1_0(header, claims)
    with zipfile.ZipFile(folder / "golden/outputs.npz", "w") as archive:
        archive.writestr("probabilities.npy", header.getvalue())
    resign(folder)
    refused(folder, "outputs.npz", kind=BundleError)


def test_pickle_in_a_table__is_never_loaded(folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (folder.parent / "exploded",))

    bomb = np.array([Bomb()], dtype=object)
    (folder / "drift_reference.npz").write_bytes(
        npz(statistics=bomb, probabilities=bomb, embedding=bomb)
    )
    resign(folder)
    with pytest.raises(BundleError):
        load_drift_reference(open_bundle(folder))
    assert not (folder.parent / "exploded").exists()


class Odd:
    """An engine that answers wrongly in one way."""

    name = "odd"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def run(self, images: Any) -> Outputs:
        good = by_numpy(images)
        return Outputs(*self.answer(good.probabilities, good.embedding))

    def describe(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(
    "answer",
    [
        lambda p, e: (p * np.nan, e),
        lambda p, e: (p[:, :2], e),
        lambda p, e: (p, e[:, :4]),
        lambda p, e: (p[:, ::-1], e),
        lambda p, e: (p + np.float32(0.001), e),
    ],
)
def test_engine_that_computes_something_else__is_refused(folder: Path, answer: Any) -> None:
    bundle = open_bundle(folder)
    assert self_test(bundle, Odd(lambda p, e: (p, e))) == 0
    with pytest.raises(TamperedBundle):
        self_test(bundle, Odd(answer))


def test_inspector__answers_as_numpy_does(folder: Path) -> None:
    inspector = Inspector.open(folder, threads=1)
    for pixels in pictures(6, seed=9):
        found = inspector.inspect(pixels)
        expected = by_numpy(preprocess(pixels, SPEC)[None])
        assert np.abs(found.probabilities - expected.probabilities[0]).max() <= 1e-5
        assert np.abs(found.embedding - expected.embedding[0]).max() <= 1e-4
        assert found.verdict.label == CLASSES[int(expected.probabilities[0].argmax())]
        assert found.statistics == image_statistics(pixels)
        stages = found.timing
        total = stages.preprocess_ms + stages.engine_ms + stages.decide_ms
        assert found.latency_ms == pytest.approx(total)


def test_bundle__is_a_value(folder: Path) -> None:
    assert open_bundle(folder) == Bundle(folder, open_bundle(folder).manifest)
