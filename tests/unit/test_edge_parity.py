"""Counts of what a conversion did to decisions, each against a figure made by hand or by other code."""

from __future__ import annotations

import numpy as np
import pytest

from deploy.edge.parity import Parity, calibration_error, parity
from deploy.edge.spec import Decision
from inspection.evaluation.calibration import expected_calibration_error

CLASSES = ("crack", "ok", "stain")


def compared(before: list[list[float]], after: list[list[float]], labels: list[str]) -> Parity:
    return parity(
        np.array(before, np.float32),
        np.array(after, np.float32),
        labels=labels,
        image_ids=[f"image {i}" for i in range(len(labels))],
        classes=CLASSES,
        decision=Decision(ok_class="ok", reject_at=0.5),
    )


def test_counts_by_hand() -> None:
    found = compared(
        [[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.501, 0.499, 0.0], [0.2, 0.3, 0.5], [0.0, 1.0, 0.0]],
        [[0.9, 0.1, 0.0], [0.1, 0.2, 0.7], [0.499, 0.501, 0.0], [0.2, 0.3, 0.5], [0.0, 1.0, 0.0]],
        ["crack", "ok", "ok", "crack", "ok"],
    )
    assert (found.images, found.flips, found.clear, found.flips_clear) == (5, 2, 4, 1)
    # 1 - P(ok) passes 0.5 for the second image and for the third.
    assert found.crossings == 2
    assert found.flipped_images == ("image 1", "image 2")
    assert found.worst_image == "image 1"
    assert found.max_delta == pytest.approx(0.6)
    assert found.mean_delta == pytest.approx((0.6 + 0.002) / 5, abs=1e-6)
    ok = found.per_class[1]
    assert (ok.support, ok.hits_before, ok.hits_after) == (3, 2, 2)
    assert (ok.gained, ok.lost, ok.flips) == (1, 1, 2)
    assert found.per_class[2].support == 0


@pytest.mark.parametrize("seed", range(20))
def test_calibration_error_is_that_of_the_workshop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.ones(4) * rng.uniform(0.1, 3), size=200)
    true = rng.integers(0, 4, 200)
    assert calibration_error(rows, true) == pytest.approx(expected_calibration_error(rows, true))


@pytest.mark.parametrize(
    ("before", "after", "labels"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3)), []),
        (np.zeros((2, 3)), np.zeros((1, 3)), ["ok", "ok"]),
        (np.zeros((2, 2)), np.zeros((2, 2)), ["ok", "ok"]),
        (np.zeros((2, 3)), np.zeros((2, 3)), ["ok"]),
    ],
)
def test_what_does_not_belong_together_is_not_compared(
    before: np.ndarray, after: np.ndarray, labels: list[str]
) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        compared(before.tolist(), after.tolist(), labels)
