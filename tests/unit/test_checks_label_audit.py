from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_checks.contradictions import quarantine_contradictions
from data_checks.embeddings import Embeddings
from data_checks.label_audit import LabelAudit, audit_labels, judge
from data_checks.label_probe import (
    calibrated,
    grouped_folds,
    neighbour_votes,
    out_of_fold,
)
from inspection.data.grouping import group_numbers
from inspection.data.index import ImageIndex
from inspection.errors import DataError

pytestmark = pytest.mark.thorough

CLASSES = ("crack", "dent", "stain")


def material(
    per_class: int = 30, *, flipped: int = 4, apart: float = 1.5, classes: int = 3
) -> tuple[ImageIndex, Embeddings, set[str]]:
    """Clusters of embeddings, one per class, some labels moved on to the next class; the paths of those."""
    rng = np.random.default_rng(5)
    truth = np.repeat(np.arange(classes), per_class)
    centres = rng.normal(0, apart, (classes, 24))
    matrix = (centres[truth] + rng.normal(0, 1.2, (len(truth), 24))).astype(np.float32)
    labels = truth.copy()
    wrong = rng.choice(len(truth), flipped, replace=False)
    labels[wrong] = (truth[wrong] + 1) % max(2, classes)
    names = [f"{number:03d}.png" for number in rng.permutation(len(truth))]
    rows = [
        {"path": name, "image_id": f"id-{name}", "pixel_id": f"px-{name}", "label": CLASSES[label]}
        for name, label in zip(names, labels, strict=True)
    ]
    index = ImageIndex.from_rows(Path("/nowhere"), rows)
    return index, Embeddings(tuple(f"id-{n}" for n in names), matrix), {names[i] for i in wrong}


def box(x0: float, y0: float, x1: float, y1: float, label: str | None = "dent") -> dict[str, Any]:
    return {"x0": x0, "y0": y0, "x1": x1, "y1": y1, "label": label}


def test_planted_mistakes_lead_the_queue_with_their_true_label() -> None:
    index, embeddings, wrong = material()

    audit = audit_labels(index, embeddings, seed=1)

    first = audit.queue[: len(wrong)]
    assert {one.path for one in first} == wrong
    assert all(one.score > 0.5 for one in first)
    for one in first:
        assert one.given is not None
        assert one.suggested == CLASSES[CLASSES.index(one.given) - 1]
        assert set(one.kinds) == {"probe", "neighbours", "confident_learning"}
        assert one.suggested in one.sentence
    assert audit.judged == audit.images == len(index)
    assert LabelAudit.from_json(audit.to_json()) == audit


def test_clean_labels_raise_no_suspicion() -> None:
    index, embeddings, _ = material(flipped=0)

    assert audit_labels(index, embeddings, seed=1).queue == ()


def test_the_order_of_rows_and_of_vectors_does_not_matter() -> None:
    index, embeddings, _ = material(apart=0.4, flipped=8)
    shuffled = np.random.default_rng(0).permutation(len(index))
    turned = Embeddings(embeddings.image_ids[::-1], embeddings.matrix[::-1].copy())

    audit = audit_labels(index, embeddings, seed=3)

    assert len(audit.queue) > 5
    assert audit_labels(index.where(shuffled), turned, seed=3) == audit
    straight, moved = (judge(i, [embeddings], seed=3).wrong for i in (index, index.where(shuffled)))
    assert np.allclose(straight[shuffled], moved)


def test_the_seed_decides() -> None:
    index, embeddings, _ = material(apart=0.4, flipped=8)

    again = [judge(index, [embeddings], seed=seed).probe for seed in (1, 1, 2)]

    assert np.array_equal(again[0], again[1])
    assert not np.array_equal(again[0], again[2])


def test_views_of_several_kinds_speak_together() -> None:
    index, embeddings, wrong = material()
    half = Embeddings(embeddings.image_ids, embeddings.matrix[:, :7].copy())

    audit = audit_labels(index, [half, embeddings], seed=1)

    assert {one.path for one in audit.queue[: len(wrong)]} == wrong


def test_groups_and_copies_never_straddle_folds() -> None:
    index, _, _ = material()
    facts = {
        "group": [f"g{row // 3}" if row < 60 else None for row in range(90)],
        "pixel_id": [f"p{row // 2}" for row in range(90)],
        "pair_id": ["pair" if row in (5, 80) else None for row in range(90)],
    }
    grouped = index.with_columns(**facts)
    numbers = group_numbers(grouped.frame)
    labels = np.searchsorted(CLASSES, grouped.frame["label"].to_numpy(dtype=str))

    for learn, judged in grouped_folds(labels, numbers, seed=2):
        for values in facts.values():
            known = [{values[row] for row in part} - {None} for part in (learn, judged)]
            assert not known[0] & known[1]


def test_no_probability_depends_on_the_images_own_label() -> None:
    index, embeddings, _ = material(apart=0.4)
    labels = np.searchsorted(CLASSES, index.frame["label"].to_numpy(dtype=str)).astype(np.int64)
    groups = np.arange(len(labels))
    folds = grouped_folds(labels, groups, seed=1)
    other = labels.copy()
    other[7] = (other[7] + 1) % 3

    before, after = (out_of_fold(embeddings.matrix, y, 3, folds)[7] for y in (labels, other))
    voted = [neighbour_votes(embeddings.matrix, y, 3, groups)[7] for y in (labels, other)]

    assert np.array_equal(before, after)
    assert np.array_equal(voted[0], voted[1])


def test_copies_do_not_vote_for_each_other() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(0, 1, (80, 6)).astype(np.float32)
    matrix[1] = matrix[0]
    labels = np.array([1, 1, *[0] * 78])

    votes = neighbour_votes(matrix, labels, 2, np.array([0, 0, *range(1, 79)]))

    assert votes[0, 1] < 0.01


def test_calibration__finds_the_share_of_wrong_labels_and_how_sure_to_be() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (4000, 4))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(4, p=row) for row in shares])
    slipped = rng.random(4000) < 0.1
    labels[slipped] = (labels[slipped] + rng.integers(1, 4, slipped.sum())) % 4
    timid = shares**0.4 / (shares**0.4).sum(axis=1, keepdims=True)

    sure, noise = calibrated(timid, labels)

    assert noise == pytest.approx(0.1, abs=0.03)
    assert np.abs(sure - shares).mean() < 0.02


def test_classes_with_few_images_are_named_and_not_judged() -> None:
    index, embeddings, _ = material(flipped=0)
    rows = index.frame.index[index.frame["label"] == "stain"][:26]
    kept = index.where(~index.frame.index.isin(rows))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audit = audit_labels(kept, embeddings, seed=1)

    assert audit.judged == 60
    assert "stain" in audit.notes[0]
    assert audit.queue == ()


@pytest.mark.parametrize("per_class", [5, 6, 11])
def test_small_classes_are_judged_with_fewer_folds(per_class: int) -> None:
    index, embeddings, wrong = material(per_class, flipped=1, apart=3)

    audit = audit_labels(index, embeddings, seed=1)

    assert audit.judged in (3 * per_class, 2 * per_class, 2 * per_class + 1, 2 * per_class - 1)
    if per_class > 6:
        assert audit.queue[0].path in wrong


def test_one_class_is_nothing_to_choose_from() -> None:
    index, embeddings, _ = material(classes=1, flipped=0)

    audit = audit_labels(index, embeddings, seed=1)

    assert audit.judged == 0
    assert "two classes" in audit.sentence


def test_without_embeddings_only_consistency_is_checked_and_said() -> None:
    index, _, _ = material()

    audit = audit_labels(index, None, seed=1)

    assert audit.queue == ()
    assert "no embeddings were given" in audit.sentence


def test_images_without_vector_or_label() -> None:
    index, embeddings, _ = material(flipped=0)
    part = Embeddings(embeddings.image_ids[1:], embeddings.matrix[1:])
    unlabelled = index.with_columns(label=[None, *index.frame["label"].iloc[1:]])

    with pytest.raises(DataError, match="lack 1 of 90 images"):
        audit_labels(index, part, seed=1)
    assert "1 image without a label" in audit_labels(unlabelled, part, seed=1).notes
    with pytest.raises(DataError, match="no image is usable"):
        audit_labels(index.with_columns(quarantine="dark"), part, seed=1)


def test_what_people_decided_is_not_asked_again() -> None:
    index, embeddings, wrong = material()
    kept = sorted(wrong)[0]
    source = ["audit" if path == kept else "folder" for path in index.frame["path"]]

    audit = audit_labels(index.with_columns(label_source=source), embeddings, seed=1)

    assert {one.path for one in audit.queue[: len(wrong) - 1]} == wrong - {kept}
    assert "1 label decided by people" in audit.sentence


def test_contradictions_come_first_and_most_copies_suggest() -> None:
    index, embeddings, wrong = material()
    clean = [row for row, path in enumerate(index.frame["path"]) if path not in wrong]
    three = [next(r for r in clean if index.frame["label"].iloc[r] == c) for c in ("crack", "dent")]
    three.append([r for r in clean if index.frame["label"].iloc[r] == "dent"][1])
    pixels = ["same" if r in three else p for r, p in enumerate(index.frame["pixel_id"])]
    gated = quarantine_contradictions(index.with_columns(pixel_id=pixels))

    audit = audit_labels(gated, embeddings, seed=1)

    first = {one.path: one for one in audit.queue[:3]}
    odd, *others = (first[index.frame["path"].iloc[row]] for row in three)
    assert (odd.given, odd.suggested, odd.kinds) == ("crack", "dent", ("label_conflict",))
    assert odd.score == pytest.approx(2 / 3, abs=1e-3)
    assert [one.suggested for one in others] == [None, None]
    assert {one.path for one in audit.queue[3 : 3 + len(wrong)]} == wrong


def test_a_rare_class_weighs_more() -> None:
    rows = [
        {"path": f"{n}.png", "label": "dent" if n < 2 else "stain", "boxes": []} for n in range(40)
    ]
    for row in (rows[1], rows[2]):
        row["boxes"] = [box(0, 0, 9, 9, "crack")]
    index = ImageIndex.from_rows(Path("/nowhere"), rows)

    audit = audit_labels(index, None, seed=0)

    assert [(one.path, one.score) for one in audit.queue] == [("1.png", 0.9), ("2.png", 0.9)]
    assert audit.queue[0].gain > audit.queue[1].gain
