"""Classifiers side by side: verdicts from paired answers, costs that hold the backbone, seeds put together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.evaluation.classifiers import (
    ALONE,
    DISTILLED,
    MLP,
    PROBE,
    TUNED_PROBE,
    Classifiers,
    features_cost,
    groups_by_image,
    pooled,
)
from inspection.evaluation.recipes import Recipe
from tests.unit.classifier_material import IMAGES, TEACHER, classifier, lined_up, wrong_on
from tests.unit.comparison_material import answers, cost


def test_equal_answers_tie_and_permuted_ones_are_worse() -> None:
    probe, mlp = wrong_on(*range(20)), wrong_on(*range(20))
    permuted = answers(probe, DISTILLED)
    shuffled = np.random.default_rng(1).permutation(np.array(permuted.probabilities))
    broken = answers(probe, DISTILLED)
    kept = replace(broken, probabilities=tuple(map(tuple, shuffled)))
    right = shuffled.argmax(axis=1) == np.array([i % 4 for i in range(IMAGES)])
    student = Recipe(DISTILLED, (7,), (answers(right, DISTILLED),), cost(2.0))
    assert sorted(kept.probabilities) == sorted(
        permuted.probabilities
    )  # the very answers, misplaced
    found = lined_up([student, classifier(MLP, mlp), classifier(PROBE, probe)]).comparison
    assert found.pair(MLP, PROBE).verdict == "tie"
    assert found.pair(MLP, PROBE).difference.value == 0.0
    assert found.pair(DISTILLED, PROBE).verdict == "worse"
    assert found.pair(DISTILLED, PROBE).difference.high < 0
    assert found.reference == PROBE


def test_rows_stand_in_one_order_and_answers_are_kept() -> None:
    made = [classifier(name, wrong_on(3)) for name in (DISTILLED, TUNED_PROBE, MLP, PROBE)]
    found = lined_up(made, tuned=True)
    assert [one.name for one in found.recipes] == [PROBE, MLP, TUNED_PROBE, DISTILLED]
    assert [one.name for one in found.comparison.recipes] == [one.name for one in found.recipes]
    assert all(len(one.evaluations[0].predictions) == IMAGES for one in found.recipes)
    assert Classifiers.from_json(found.to_json()) == found


def test_what_is_left_out_is_said() -> None:
    made = [classifier(PROBE, wrong_on(1)), classifier(MLP, wrong_on(2))]
    left_out = lined_up([*made, classifier(DISTILLED, wrong_on(3))])
    assert left_out.remarks[0] == f"The student learned from the {MLP} and from labels."
    assert "not tuned" in left_out.remarks[1]
    alone = lined_up([*made, classifier(ALONE, wrong_on(3))], taught=[])
    assert "labels alone" in alone.remarks[0]
    tuned = lined_up(
        [*made, classifier(TUNED_PROBE, wrong_on()), classifier(DISTILLED, wrong_on(3))], tuned=True
    )
    assert len(tuned.remarks) == 1


def test_other_images_are_refused() -> None:
    odd = replace(answers(wrong_on(1), DISTILLED), test_digest="e" * 64)
    with pytest.raises(DataError, match="compare runs of one frozen test set"):
        lined_up([classifier(PROBE, wrong_on(1)), Recipe(DISTILLED, (7,), (odd,), cost())])


def test_costs_add_the_backbone_and_keep_the_head_apart() -> None:
    teacher = replace(TEACHER, median_ms=40.0, threads=2)
    found = features_cost(
        teacher, backbone=11_000_000, head=99, learned=5, head_ms=0.01, arithmetic=7
    )
    assert found.parameters == 11_000_099
    assert found.trained_parameters == 104
    assert found.bytes == 4 * 11_000_099
    assert (found.head_parameters, found.head_ms) == (99, 0.01)
    assert found.latency_ms == teacher.median_ms  # not the head's
    assert found.energy_proxy == 80.0
    assert found.multiply_accumulates == 7


def test_seeds_are_put_together_and_the_middle_cost_is_taken() -> None:
    runs = []
    for seed, (ms, head_ms) in enumerate([(10.0, 0.1), (40.0, 0.4), (12.0, 0.2)]):
        probe = classifier(PROBE, wrong_on(seed), seed=seed, latency_ms=ms)
        probe = replace(probe, cost=replace(probe.cost, head_ms=head_ms))
        mlp = classifier(MLP, wrong_on(seed, 9), seed=seed, latency_ms=ms)
        student = classifier(DISTILLED, wrong_on(seed, 20 + seed), seed=seed)
        runs.append(lined_up([probe, mlp, student], taught=[PROBE if seed else MLP]))
    found = pooled(runs, groups={}, seed=3)
    assert [one.seeds for one in found.recipes] == [(0, 1, 2)] * 3
    assert found.recipes[0].cost.latency_ms == 12.0
    assert found.recipes[0].cost.head_ms == 0.2
    assert found.taught == (MLP, PROBE)
    assert " or " in found.remarks[0]
    assert found.comparison.figures(PROBE).by_seed == (0.995,) * 3
    assert pooled(runs[:1], groups={}, seed=3) is runs[0]
    with pytest.raises(DataError, match="no runs"):
        pooled([], groups={}, seed=3)


def test_groups_are_those_of_test_images(tmp_path: object) -> None:
    rows = [
        {"image_id": f"{i}" * 64, "path": f"{i}.png", "label": "a", "split": split, "group": group}
        for i, (split, group) in enumerate([("train", "g"), ("test", "h"), ("test", None)])
    ]
    index = ImageIndex.from_rows(tmp_path, rows)  # type: ignore[arg-type]
    assert groups_by_image(index) == {"1" * 64: "h"}
