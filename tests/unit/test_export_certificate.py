"""Planted changes of decisions, each of which has to be seen, counted and refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from deploy.edge.spec import Decision
from deploy.export.certificate import (
    PENDING,
    Certificate,
    certify,
    compare,
)
from inspection.errors import ParityError
from inspection.evaluation.answers import Answers

CLASSES = ("crack", "ok", "stain")
STRICT = Decision(ok_class="ok", reject_at=0.5, review_below=0.4)


def trained(count: int = 60, seed: int = 1) -> Answers:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, 3)) * 3
    exp = np.exp(logits)
    return Answers(
        image_ids=tuple(f"{i:064x}" for i in range(count)),
        labels=tuple(CLASSES[i % 3] for i in range(count)),
        probabilities=(exp / exp.sum(axis=1, keepdims=True)).astype(np.float32),
        embedding=rng.normal(size=(count, 4)).astype(np.float32),
        statistics=np.zeros((count, 3), dtype=np.float32),
    )


def with_rows(answers: Answers, rows: dict[int, list[float]]) -> Answers:
    changed = answers.probabilities.copy()
    for row, values in rows.items():
        changed[row] = values
    return dataclasses.replace(answers, probabilities=changed)


def certified(before: Answers, after: Answers, decision: Decision = STRICT) -> Certificate:
    return certify(
        before,
        after,
        classes=CLASSES,
        decision=decision,
        model_sha256="a" * 64,
        test_digest="b" * 64,
        hashes={"weights": "c" * 64},
    )


def test_an_equal_export_is_certified_and_the_rest_is_pending(tmp_path):
    certificate = certified(trained(), trained())
    row = certificate.row("onnxruntime fp32")
    assert row.status == "passed"
    assert row.measured is not None
    assert (row.measured.images, row.measured.flips, row.measured.max_delta) == (60, 0, 0.0)
    # Hanley and Lippman-Hand's rule: nothing seen in n images leaves up to about 3.7 / n (two-sided 95 %).
    assert row.measured.flip_rate_high == pytest.approx(1 - 0.025 ** (1 / 60))
    assert [r.conversion for r in certificate.rows if r.status == "pending"] == list(PENDING)
    assert all(r.measured is None for r in certificate.rows[1:])
    certificate.save(tmp_path / "certificate.json")
    assert Certificate.load(tmp_path / "certificate.json") == certificate


def test_a_change_below_the_limit_passes_and_is_measured():
    before = with_rows(trained(), {4: [0.7, 0.2, 0.1]})
    after = with_rows(before, {4: [0.70005, 0.19995, 0.1]})
    measured = certified(before, after).rows[0].measured
    assert measured is not None
    assert measured.max_delta == pytest.approx(5e-5, rel=0.01)
    assert measured.worst_image == before.image_ids[4]


# before, after, what the refusal must say
PLANTED = [
    ([0.7, 0.2, 0.1], [0.7002, 0.1998, 0.1], "max |dp| 0.0002 (allowed 0.0001)"),
    ([0.50, 0.49, 0.01], [0.49, 0.50, 0.01], "1 flips (000000000000) and"),
    ([0.45002, 0.1, 0.44998], [0.44998, 0.1, 0.45002], "1 flips"),
    ([0.25, 0.50001, 0.24999], [0.25, 0.49999, 0.25001], "1 threshold crossings"),
    ([0.40001, 0.2, 0.39999], [0.39999, 0.2, 0.40001], "in 60 test images"),
    ([0.7, 0.2, 0.1], [np.nan, 0.2, 0.1], "NaN or infinity on some of 60"),
]


@pytest.mark.parametrize(("before", "after", "said"), PLANTED)
def test_planted_changes_are_refused(before, after, said):
    reference = with_rows(trained(), {0: before})
    with pytest.raises(ParityError) as caught:
        certified(reference, with_rows(reference, {0: after}))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_crossing_without_ok_class_is_no_crossing():
    before = with_rows(trained(), {0: [0.25, 0.50001, 0.24999]})
    after = with_rows(before, {0: [0.25, 0.49999, 0.25001]})
    assert certified(before, after, Decision()).rows[0].status == "passed"


def test_classes_are_counted_apart():
    before = with_rows(trained(), {0: [0.9, 0.05, 0.05], 1: [0.05, 0.9, 0.05]})
    after = with_rows(before, {0: [0.05, 0.05, 0.9], 3: before.probabilities[3].tolist()})
    measured = compare(before, after, CLASSES, STRICT)
    crack, ok, _ = measured.per_class
    assert (crack.flips, crack.support, crack.hits_before - crack.hits_after) == (1, 20, 1)
    assert (ok.flips, ok.hits_before) == (0, ok.hits_after)
    # Clopper-Pearson for 1 of 20, from published tables: 0.0013 to 0.2487.
    assert crack.flip_rate_low == pytest.approx(0.0013, abs=5e-5)
    assert crack.flip_rate_high == pytest.approx(0.2487, abs=5e-5)


def test_only_the_same_images_are_compared():
    with pytest.raises(ValueError, match="same images"):
        compare(trained(60), trained(30), CLASSES, STRICT)
