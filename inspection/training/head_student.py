"""A small head distilled from the teacher's, on the same features: the cheapest student there is, and the least saving.

Its figures stand beside the image student's for what they show: a head is a hundredth of the work, and the backbone
before it still runs on every image.
"""

from __future__ import annotations

from dataclasses import replace

from inspection.data.index import ImageIndex
from inspection.features.extract import Features
from inspection.models.heads import Head, Teacher
from inspection.training.heads import Examples, distilled_path
from inspection.training.labels import rows_of
from inspection.training.scores import Score, score

HIDDEN = 16
"""Units, where the teacher's own have 128."""


def distil_head(
    index: ImageIndex, features: Features, teacher: Teacher, *, seed: int, hidden: int = HIDDEN
) -> Teacher:
    """`teacher` with a head of `hidden` units in place of its own, chosen and calibrated on validation images."""
    train, val = (rows_of(index, split, teacher.classes) for split in ("train", "val"))
    rows, seen_last = features.rows(train.image_ids), features.rows(val.image_ids)
    examples = Examples(rows, train.labels, len(teacher.classes))
    best: tuple[Head, Score] | None = None
    for head in distilled_path(examples, teacher.logits(rows), hidden=hidden, seed=seed):
        found = score(head.logits(seen_last), val.labels)
        if best is None or found.beats(best[1]):
            best = head, found
    assert best is not None  # no path is empty
    return replace(teacher, head=best[0], temperature=best[1].temperature)
