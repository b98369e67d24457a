"""A bundle's golden answers and tables prove what it computes: whatever computes otherwise is refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.edge.bundle import load_drift_reference, open_bundle, self_test
from deploy.edge.engines.base import Outputs
from deploy.edge.errors import BundleError, TamperedBundle
from deploy.edge.inspector import Inspector
from deploy.edge.preprocess import preprocess
from deploy.edge.statistics import image_statistics
from tests.edge_bundles import CLASSES, SPEC, by_numpy, npz, pictures, png, resign, write_bundle
from tests.unit.bundle_material import refused


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


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
