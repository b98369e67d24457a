"""Models with known mistakes on 240 images of three classes."""

from __future__ import annotations

import numpy as np

from inspection.evaluation.metrics import Evaluation, evaluate

CLASSES = ("crack", "ok", "stain")
LABELS = ["crack"] * 60 + ["ok"] * 120 + ["stain"] * 60
IDS = [f"image-{i}" for i in range(len(LABELS))]


def answered(
    wrong: dict[str, int], *, name: str = "new", digest: str = "d" * 64, sure: float = 0.97
) -> Evaluation:
    """An evaluation in which the first `wrong[label]` images of a label are called the next class."""
    left = dict(wrong)
    probabilities = np.full((len(LABELS), 3), (1 - sure) / 2)
    for row, label in enumerate(LABELS):
        place = CLASSES.index(label)
        if left.get(label, 0) > 0:
            left[label] -= 1
            place = (place + 1) % 3
        probabilities[row, place] = sure
    return evaluate(name, LABELS, probabilities, CLASSES, image_ids=IDS, test_digest=digest)
