"""Which test images to look at again, and what the student looked at on each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from deploy.edge.spec import Preprocessing
from inspection.data.index import ImageIndex
from inspection.data.marked_area import as_seen, marked_area
from inspection.data.shapes import Mask
from inspection.evaluation.calibration import softmax
from inspection.evaluation.explanations import (
    Explanation,
    Explanations,
    Heat,
    overlap,
    packed,
    pointing,
)
from inspection.features.device import resolve_device, use_own_cores
from inspection.features.images import read_batch
from inspection.models.attribution import Attribution, AttributionError, attribute, method_of
from inspection.models.student import Student
from inspection.models.student_files import load_student
from inspection.progress import bar
from inspection.training.augment import to_network
from inspection.training.student import predict_student

Places = npt.NDArray[np.int64]

WRONG, RIGHT = 12, 8
"""Images shown of each kind: enough to see a habit, few enough to look at."""
MEASURED = 256
"""Annotated images that the pointing rate is taken over, at most."""
BATCH = 16


class _Answers(NamedTuple):
    """Class numbers of every test image, as labelled and as called, and the calibrated confidence."""

    true: Places
    called: Places
    confidence: npt.NDArray[np.float64]


def explain(
    student: Path, index: ImageIndex, *, seed: int, device: str = "auto", mask_threshold: int = 128
) -> Explanations:
    """Heat over a few right and wrong rows of `index` (the test split), and the pointing rate over the annotated ones.

    The wrong ones are the surest mistakes, every class in turn; the right ones and the measured ones are drawn by
    `seed`, so that they stand for all. A network that no map can be read from gives none, and the reason.
    """
    use_own_cores()
    network, card = load_student(student)
    network.to(resolve_device(device))
    labels = [str(label) for label in index.frame["label"]]
    probabilities = softmax(predict_student(student, index, device=device).logits, card.temperature)
    true = np.array([card.classes.index(label) for label in labels], dtype=np.int64)
    answers = _Answers(true, probabilities.argmax(axis=1), probabilities.max(axis=1))
    shown = choose(answers.true, answers.called, answers.confidence, seed=seed)
    areas = _areas(index, answers, card.preprocessing, seed=seed, threshold=mask_threshold)
    reader = _Reader(network, index, card.preprocessing)
    try:
        heats = reader.heats(sorted({*shown, *areas}), answers.called)
        others = reader.heats(
            [i for i in shown if reader.by_class and not _right(answers, i)], true
        )
    except AttributionError as error:
        return Explanations("none", (0, 0), card.preprocessing, reason=str(error))
    overlaps = {i: found for i in areas if (found := overlap(heats[i], areas[i])) is not None}
    rows = index.frame[["image_id", "path"]].to_dict(orient="records")
    explained = tuple(
        Explanation(
            image_id=str(rows[i]["image_id"]),
            path=str(rows[i]["path"]),
            label=labels[i],
            called=card.classes[answers.called[i]],
            confidence=float(answers.confidence[i]),
            heat=packed(heats[i]),
            heat_true=packed(others[i]) if i in others else "",
            overlap=overlaps.get(i),
        )
        for i in shown
    )
    return Explanations(
        method=method_of(network),
        cells=reader.cells,
        preprocessing=card.preprocessing,
        shown=explained,
        right=pointing([found for i, found in overlaps.items() if _right(answers, i)]),
        wrong=pointing([found for i, found in overlaps.items() if not _right(answers, i)]),
        test_images=len(index),
    )


def choose(
    true: Places, called: Places, confidence: npt.NDArray[np.float64], *, seed: int
) -> list[int]:
    """Positions to show: wrong ones by falling confidence, each class its share first; then right ones by lot."""
    wrong = sorted(np.flatnonzero(true != called).tolist(), key=lambda i: -confidence[i])
    order = np.random.default_rng(seed).permutation(len(true)).tolist()
    right = [i for i in order if true[i] == called[i]]
    first = sorted(_in_turn(wrong, true)[:WRONG], key=lambda i: -confidence[i])
    return [*first, *sorted(_in_turn(right, true)[:RIGHT], key=lambda i: int(true[i]))]


def _in_turn(places: Sequence[int], true: Places) -> list[int]:
    """One of each class, then a second of each, and so on; inside a class the order stays."""
    seen: dict[int, int] = {}
    rounds = []
    for rank, place in enumerate(places):
        label = int(true[place])
        rounds.append((seen.get(label, 0), rank, place))
        seen[label] = seen.get(label, 0) + 1
    return [place for _, _, place in sorted(rounds)]


def _right(answers: _Answers, place: int) -> bool:
    return bool(answers.true[place] == answers.called[place])


def _areas(
    index: ImageIndex,
    answers: _Answers,
    preprocessing: Preprocessing,
    *,
    seed: int,
    threshold: int,
) -> dict[int, Mask]:
    """What is marked on the images to measure, on the network's input, by position.

    The wrong ones come first: there are few of them, and they are reported apart.
    """
    columns = ["regions", "mask_path", "boxes", "height", "width"]
    rows: list[dict[Any, Any]] = index.frame[columns].to_dict(orient="records")
    found: dict[int, Mask] = {}
    order = np.random.default_rng(seed + 1).permutation(len(rows)).tolist()
    for i in sorted(order, key=lambda i: _right(answers, i)):
        shape = (int(rows[i]["height"]), int(rows[i]["width"]))
        area = marked_area(index.root, rows[i], shape, threshold=threshold)
        if area is not None:
            found[i] = as_seen(area, preprocessing)
        if len(found) == MEASURED:
            break
    return found


class _Reader:
    """Heat maps of rows of an index, a batch at a time."""

    def __init__(self, student: Student, index: ImageIndex, preprocessing: Preprocessing) -> None:
        self.student = student
        self.paths = index.paths
        self.preprocessing = preprocessing
        self.by_class = method_of(student) != "attention"
        self.cells = (0, 0)

    def heats(self, places: Sequence[int], classes: Places) -> dict[int, Heat]:
        """float32 (H, W) by position, for the class number that `classes` holds there."""
        found: dict[int, Heat] = {}
        if not places:
            return found
        with bar("explanations", len(places)) as advance:
            for first in range(0, len(places), BATCH):
                batch = places[first : first + BATCH]
                seen = self._attribution(batch, classes)
                self.cells = seen.cells
                found.update(zip(batch, seen.heat, strict=True))
                for _ in batch:
                    advance("")
        return found

    def _attribution(self, places: Sequence[int], classes: Places) -> Attribution:
        pixels = read_batch([self.paths[i] for i in places], self.preprocessing)
        device = next(self.student.parameters()).device
        images = torch.from_numpy(pixels).to(device).float()
        wanted = torch.from_numpy(classes[list(places)]).to(device)
        network = self.student
        return attribute(network, to_network(images, network.mean, network.std), wanted)
