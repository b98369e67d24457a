"""Real files, read and prepared by the device's code, answered by an engine of plain arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deploy.edge.engines.base import Outputs
from deploy.edge.files import sha256_file
from deploy.edge.spec import Preprocessing
from deploy.edge.statistics import STATISTICS
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.evaluation.answers import BATCH, answer, read_indexed

SIZE = Preprocessing(height=8, width=12)
COLOURS = {"blue": (0, 0, 200), "green": (0, 200, 0), "red": (200, 0, 0)}


class Brightest:
    """Answers the class of the strongest colour channel; the embedding is the mean colour."""

    name = "brightest"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, images: np.ndarray) -> Outputs:
        self.shapes.append(images.shape)
        mean = images.astype(np.float32).mean(axis=(1, 2))
        scores = np.exp(mean[:, ::-1] / 20.0)
        return Outputs(scores / scores.sum(axis=1, keepdims=True), mean)

    def describe(self) -> dict[str, Any]:
        return {}


def painted(root: Path, count: int) -> ImageIndex:
    """`count` PNG files of sizes of their own, one colour each, brighter and brighter."""
    rows = []
    for i in range(count):
        label = sorted(COLOURS)[i % 3]
        pixels = np.full((20 + i, 30, 3), 10 + i, dtype=np.uint8)
        pixels[:, 5:] = COLOURS[label]
        path = root / f"{i:03d}.png"
        cv2.imwrite(str(path), pixels[:, :, ::-1])
        rows.append({"path": path.name, "label": label, "image_id": sha256_file(path)})
    return ImageIndex.from_rows(root, rows)


def test_answers_are_aligned_with_the_rows_over_several_batches(tmp_path):
    index = painted(tmp_path, BATCH + 5)
    engine, twin = Brightest(), Brightest()
    answers = answer(index, SIZE, {"one": engine, "two": twin})
    assert engine.shapes == [(BATCH, 8, 12, 3), (5, 8, 12, 3)]
    found = answers["one"]
    called = [sorted(COLOURS)[i] for i in found.probabilities.argmax(axis=1)]
    assert called == list(found.labels) == index.frame["label"].tolist()
    assert found.image_ids == tuple(index.frame["image_id"])
    assert found.statistics.shape == (BATCH + 5, len(STATISTICS))
    np.testing.assert_array_equal(found.probabilities, answers["two"].probabilities)


def test_statistics_are_those_of_the_pixels_as_stored(tmp_path):
    index = painted(tmp_path, 2)
    grey = cv2.cvtColor(cv2.imread(str(index.paths[1])), cv2.COLOR_BGR2GRAY)
    found = answer(index, SIZE, {"x": Brightest()})["x"].statistics[1]
    assert found[0] == pytest.approx(grey.mean(), rel=1e-5)
    assert found[1] == pytest.approx(grey.std(), rel=1e-5)
    assert found[2] == pytest.approx(cv2.Laplacian(grey, cv2.CV_64F).var(), rel=1e-5)


def test_a_file_that_changed_or_went_is_not_scored(tmp_path):
    index = painted(tmp_path, 3)
    index.paths[1].write_bytes(index.paths[0].read_bytes())
    with pytest.raises(DataError, match=r"001\.png' has changed since it was indexed"):
        answer(index, SIZE, {"x": Brightest()})
    index.paths[1].unlink()
    with pytest.raises(DataError, match=r"001\.png' is gone"):
        answer(index, SIZE, {"x": Brightest()})


def test_an_empty_split_is_a_fault(tmp_path):
    with pytest.raises(DataError, match="empty"):
        answer(painted(tmp_path, 3).split("test"), SIZE, {"x": Brightest()})


def test_the_size_limit_holds_here_too(tmp_path):
    index = painted(tmp_path, 1)
    with pytest.raises(Exception, match="megapixels"):
        read_indexed(index.paths[0], index.frame["image_id"][0], max_megapixels=1e-4)
