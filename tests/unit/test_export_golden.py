"""Golden images are enough, certain and small, and are written so that they come back bit for bit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from deploy.edge.preprocess import preprocess
from deploy.export import golden
from deploy.export.archives import npz_bytes
from deploy.export.golden import MAX_SIDE, choose_golden, encode_png
from deploy.export.torch_engine import TorchEngine
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from tests.unit.colour_material import SIZE, ColourGraph, painted

pytestmark = pytest.mark.training


def test_too_few_images_for_golden_ones(tmp_path):
    index = painted(tmp_path / "few", 12)
    with pytest.raises(DataError, match="16 golden images, the data have 12"):
        choose_golden(index, SIZE, TorchEngine(ColourGraph()))


def test_near_ties_are_passed_over_and_the_choice_ignores_row_order(tmp_path, monkeypatch):
    index = painted(tmp_path)
    engine = TorchEngine(ColourGraph())
    first = choose_golden(index, SIZE, engine)
    shuffled = ImageIndex(index.root, index.frame[::-1].reset_index(drop=True))
    second = choose_golden(shuffled, SIZE, engine)
    assert [p.tobytes() for p in first.pixels] == [p.tobytes() for p in second.pixels]
    margins = np.sort(first.outputs.probabilities, axis=1)
    threshold = float(np.median(margins[:, 2] - margins[:, 1]))
    monkeypatch.setattr(golden, "MIN_MARGIN", threshold)
    chosen = np.sort(choose_golden(index, SIZE, engine).outputs.probabilities, axis=1)
    assert ((chosen[:, 2] - chosen[:, 1]) >= threshold).mean() > 0.9


def test_large_images_are_cut_to_their_middle(tmp_path):
    index = painted(tmp_path, 16, side=MAX_SIDE + 200)
    images = choose_golden(index, SIZE, TorchEngine(ColourGraph()))
    assert {p.shape for p in images.pixels} == {(MAX_SIDE, MAX_SIDE, 3)}
    expected = TorchEngine(ColourGraph()).run(np.stack([preprocess(images.pixels[0], SIZE)]))
    np.testing.assert_allclose(
        expected.probabilities[0], images.outputs.probabilities[0], atol=1e-6
    )


def test_png_is_lossless():
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    back = cv2.imdecode(np.frombuffer(encode_png(pixels), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(back[:, :, ::-1], pixels)


def test_npz_is_read_by_numpy_and_is_the_same_whenever_written(tmp_path):
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones((1, 1))}
    data = npz_bytes(**arrays)
    (tmp_path / "x.npz").write_bytes(data)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as found:
        np.testing.assert_array_equal(found["b"], arrays["b"])
    assert npz_bytes(**dict(reversed(arrays.items()))) == data
