"""A bundle is opened whole or not at all: every way of spoiling its files is tried and must be named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from deploy.edge.bundle import Bundle, load_drift_reference, load_golden, open_bundle, self_test
from deploy.edge.engines.registry import open_engine
from deploy.edge.errors import BundleError, TamperedBundle
from deploy.edge.preprocess import preprocess
from tests.edge_bundles import (
    CLASSES,
    EMBEDDING,
    SPEC,
    by_numpy,
    pictures,
    png,
    resign,
    write_bundle,
)
from tests.unit.bundle_material import refused

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


def test_no_bundle__says_so(tmp_path: Path) -> None:
    refused(tmp_path / "absent", "no bundle folder", kind=BundleError)
    refused(tmp_path, "has no manifest.json", kind=BundleError)


def test_bundle__is_a_value(folder: Path) -> None:
    assert open_bundle(folder) == Bundle(folder, open_bundle(folder).manifest)
