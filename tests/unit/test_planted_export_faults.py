"""What goes wrong between training and the device, planted: each is stopped, and the sentence says what it was.

Engines of another GPU, truncated engines and missing providers are planted in `test_edge_tensorrt_cache.py`,
`test_edge_resolver.py` and `test_edge_onnxruntime_fallbacks.py`, signatures of other keys in `test_edge_signing.py`.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from torch import nn

from deploy.edge.errors import TamperedBundle
from deploy.edge.inspector import Inspector
from deploy.export import release as release_room
from deploy.export.onnx_graph import export_onnx
from deploy.export.precision.calibration import (
    calibration_digest,
    calibration_images,
    check_calibration,
)
from deploy.export.release import Release, export_bundle
from inspection.data.index import ImageIndex
from inspection.errors import DataError, ParityError
from inspection.store import Store
from tests.edge_bundles import resign
from tests.unit.colour_material import SIZE, painted, spec
from tests.unit.conv_material import ConvColours

pytestmark = pytest.mark.training
Made = tuple[Store, ImageIndex, Release]
Graph = Callable[[], nn.Module]


class Spoilt(nn.Module):
    """The graph behind a preparation, or before an order, that is not the trained one's."""

    def __init__(
        self,
        before: Callable[[torch.Tensor], torch.Tensor] | None = None,
        after: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.network, self.before, self.after = ConvColours(), before, after

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probabilities, embedding = self.network(self.before(image) if self.before else image)
        return (self.after(probabilities) if self.after else probabilities), embedding


def swapped(image: torch.Tensor) -> torch.Tensor:
    return image.flip(3)


def normalised_twice(image: torch.Tensor) -> torch.Tensor:
    return image.to(torch.float32) / 255.0


def permuted(probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities[:, [1, 0, 2]]


SPOILT: dict[str, Graph] = {
    "channel order swapped": lambda: Spoilt(before=swapped),
    "normalisation doubled": lambda: Spoilt(before=normalised_twice),
    "class order permuted": lambda: Spoilt(after=permuted),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("planted")
    store, index = Store(folder / "store"), painted(folder / "images")
    return store, index, export_bundle(ConvColours(), spec(), index=index, store=store)


@pytest.mark.parametrize("fault", SPOILT)
def test_an_exporter_that_spoils_the_graph_is_refused(
    fault: str, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workshop: the file is not the trained graph, so there is no certificate and no bundle."""
    _, index, _ = made

    def spoilt(_: nn.Module, sizes: object, target: Path) -> Path:
        return export_onnx(SPOILT[fault](), SIZE, target)

    monkeypatch.setattr(release_room, "export_onnx", spoilt)
    store = Store(tmp_path / "store")
    with pytest.raises(ParityError) as caught:
        export_bundle(ConvColours(), spec(), index=index, store=store)
    assert "the ONNX graph does not decide as the trained model" in str(caught.value)
    assert "nothing was registered" in str(caught.value)
    assert not [path for path in store.bundles.glob("*") if len(path.name) == 64]


@pytest.mark.parametrize("fault", SPOILT)
def test_a_graph_exchanged_on_the_way_is_refused_by_the_device(
    fault: str, made: Made, tmp_path: Path
) -> None:
    """Every hash made to fit, as by somebody who copied the wrong file: only the golden images can tell."""
    folder = tmp_path / "bundle"
    shutil.copytree(made[2].folder, folder)
    export_onnx(SPOILT[fault](), SIZE, folder / "model.onnx")
    resign(folder)
    with pytest.raises(TamperedBundle, match="golden self-test"):
        Inspector.open(folder)


@pytest.mark.parametrize("method", ["pad", "crop"])
def test_another_resize_method_is_refused_by_the_device(
    method: str, made: Made, tmp_path: Path
) -> None:
    _, index, _ = made
    wide = tmp_path / "wide"
    rows = index.frame.copy()
    for path in index.paths:
        pixels = cv2.imread(str(path))
        (wide / path.name).parent.mkdir(exist_ok=True)
        # The colour fills the middle only: what is cut away or padded changes the mean.
        canvas = np.full((24, 60, 3), 20, np.uint8)
        canvas[:, 18:42] = pixels
        cv2.imwrite(str(wide / path.name), canvas)
    from deploy.edge.files import sha256_file

    again = ImageIndex(
        wide, rows.assign(image_id=[sha256_file(wide / name) for name in rows["path"]])
    )
    release = export_bundle(ConvColours(), spec(), index=again, store=Store(tmp_path / "store"))
    folder = tmp_path / "bundle"
    shutil.copytree(release.folder, folder)
    resign(folder, preprocessing={"height": 16, "width": 16, "resize": method})
    with pytest.raises(TamperedBundle, match="golden self-test"):
        Inspector.open(folder)


def test_a_golden_image_that_was_altered_is_named(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(made[2].folder, folder)
    path = folder / "golden" / "003.png"
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(TamperedBundle, match=r"golden/003\.png was changed"):
        Inspector.open(folder)


def test_calibration_on_noise_is_refused(made: Made) -> None:
    _, index, _ = made
    real = calibration_images(index, SIZE, count=16)
    check_calibration(real, index)
    noise = np.random.default_rng(0).integers(0, 256, real.images.shape, dtype=np.uint8)
    with pytest.raises(DataError) as caught:
        check_calibration(dataclasses.replace(real, images=noise), index)
    assert "\n" not in str(caught.value)
    digest = calibration_digest(real.image_ids, noise)
    forged = dataclasses.replace(real, images=noise, digest=digest)
    with pytest.raises(DataError):
        check_calibration(forged, index)


def test_calibration_on_test_images_is_refused(made: Made) -> None:
    _, index, _ = made
    exchanged = index.frame.assign(
        split=index.frame["split"].map({"train": "test", "test": "train", "val": "val"})
    )
    stolen = calibration_images(ImageIndex(index.root, exchanged), SIZE, count=16)
    with pytest.raises(DataError, match="train images"):
        check_calibration(stolen, index)


def test_weights_that_overflow_in_fp16_would_answer_otherwise(made: Made, tmp_path: Path) -> None:
    """The fault is real: converted naively, the same graph answers NaN or something else."""
    from onnxruntime.transformers import float16

    from deploy.edge.engines.registry import open_engine

    file = export_onnx(ConvColours(scale=1e6), SIZE, tmp_path / "large.onnx")
    naive = tmp_path / "naive.onnx"
    onnx.save(float16.convert_float_to_float16(onnx.load(file), keep_io_types=True), naive)
    images = calibration_images(made[1], SIZE, count=16).images
    exact = open_engine("onnxruntime", file).run(images).probabilities
    half = open_engine("onnxruntime", naive).run(images).probabilities
    assert not np.allclose(exact, half, atol=0.1)
