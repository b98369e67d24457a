"""Which recipe to choose: figures with intervals, pairs with verdicts, and what is left when ties count as ties.

Which McNemar test. Pooling the answers of three seeds would count each image three times and find differences that are
not there. Letting the seeds vote first would compare ensembles that nobody ships: three seeds of 0.93 with errors of
their own vote 0.985. So each image counts once, with the share of seeds that have it right, and signs are flipped image
by image; for one seed that is McNemar's exact test to the letter. Images of one group (views of one thing) flip as one.
But any such test takes the trained networks as given: where seeds differ by 2 points it calls equal recipes different
in 60 of 100 simulated studies. A verdict other than a tie therefore also needs the draws over images *and*
seeds to lie on one side (`inspection/evaluation/resampling.py`): the larger of both p-values is the pair's, corrected
after Holm for the number of pairs.

Covered: chance in test images and seeds. Not covered: other data sets, other lines; figures that were tuned on the
test set; latency, which is taken as measured.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from inspection.errors import DataError
from inspection.evaluation.compared import (
    ClassFigures,
    Comparison,
    Estimate,
    Pair,
    RecipeFigures,
    Verdict,
)
from inspection.evaluation.intervals import wilson
from inspection.evaluation.metrics import Evaluation, confusion_matrix
from inspection.evaluation.paired import exact_p, holm, leaning
from inspection.evaluation.pareto import front_of
from inspection.evaluation.recipes import Answered, Recipe, answered
from inspection.evaluation.resampling import DRAWS, METRICS, Draws, draw, interval, two_sided
from inspection.evaluation.score_intervals import balanced_accuracy_interval, macro_f1_interval

LEVEL = 0.05
DRAWS_PER_PAIR = 50
"""Holm divides the level among the pairs: the smallest p that draws can show must lie below that."""
MOST_LOST = 0.05
"""Accuracy that the best recipe may at most cost against the most accurate one, at the low end of the interval."""
_ESTIMATE = ("value", "low", "high")


def compare(
    recipes: Sequence[Recipe],
    *,
    seed: int,
    reference: str | None = None,
    groups: Mapping[str, str] | None = None,
    draws: int = DRAWS,
) -> Comparison:
    """Compare `recipes`; `reference` (default: the first) is what retention is measured against.

    `groups`: image id to group, for images that are views of one thing. DataError when they cannot be compared.
    """
    found = answered(recipes, groups)
    names = [recipe.name for recipe in recipes]
    base = _position(reference, names)
    pairs = list(itertools.combinations(range(len(recipes)), 2))
    resampled = draw(found, seed=seed, draws=max(draws, DRAWS_PER_PAIR * len(pairs)))
    figures = tuple(_figures(found, recipes, resampled, r, base) for r in range(len(recipes)))
    held = _corrected([_pair(found, figures, resampled, i, j) for i, j in pairs])
    table = Comparison(
        test_digest=recipes[0].evaluations[0].test_digest,
        classes=found.classes,
        images=len(found.true),
        groups=int(found.groups.max()) + 1,
        reference=names[base],
        seed=seed,
        draws=resampled.ghosts.size,
        recipes=figures,
        pairs=held,
        front=(),
        most_accurate=max(figures, key=lambda f: f.accuracy.value).name,
        best="",
    )
    return replace(table, front=front_of(_rivals(table)), best=_best(table))


def _position(reference: str | None, names: list[str]) -> int:
    if reference is None:
        return 0
    if reference not in names:
        raise DataError(f"there is no recipe '{reference}' to refer to: {', '.join(names)}")
    return names.index(reference)


def _figures(
    found: Answered, recipes: Sequence[Recipe], resampled: Draws, r: int, base: int
) -> RecipeFigures:
    recipe = recipes[r]
    drawn = {name: resampled.scores[name][r] for name in METRICS}
    of = {name: _estimate(recipe.evaluations, name, values) for name, values in drawn.items()}
    size = len(found.classes)
    confusion = sum(confusion_matrix(found.true, called, size) for called in found.called[r])
    return RecipeFigures(
        name=recipe.name,
        seeds=recipe.seeds,
        cost=recipe.cost,
        by_seed=tuple(evaluation.accuracy.value for evaluation in recipe.evaluations),
        retention=_retention(recipes, resampled, r, base),
        per_class=tuple(_class_figures(recipe.evaluations, label) for label in found.classes),
        confusion=tuple(tuple(int(n) for n in row) for row in np.asarray(confusion)),
        **of,
    )


def _estimate(evaluations: Sequence[Evaluation], metric: str, drawn: object) -> Estimate:
    """Mean over seeds; its interval is never narrower than the one from counting alone.

    Few mistakes resample to fewer kinds of mistakes: near 0 and 1 draws alone would claim too much.
    """
    values, lows, highs = zip(*(_counted(each, metric) for each in evaluations), strict=True)
    low, high = interval(np.asarray(drawn, dtype=np.float64))
    return Estimate(
        float(np.mean(values)),
        max(0.0, min(low, float(np.mean(lows)))),
        min(1.0, max(high, float(np.mean(highs)))),
    )


def _counted(evaluation: Evaluation, metric: str) -> tuple[float, float, float]:
    """Value and analytic interval of one seed."""
    if metric == "accuracy":
        share = evaluation.accuracy
        return share.value, *wilson(share.hits, share.total)
    if metric == "macro_f1":
        return evaluation.macro_f1, *macro_f1_interval(evaluation)
    return evaluation.balanced_accuracy, *balanced_accuracy_interval(evaluation)


def _retention(recipes: Sequence[Recipe], resampled: Draws, r: int, base: int) -> Estimate:
    """Share of the reference's accuracy that is kept; the reference keeps all of its own."""
    if r == base:
        return Estimate(1.0, 1.0, 1.0)
    ours, theirs = (_mean(recipes[i]) for i in (r, base))
    if theirs == 0:
        return Estimate(0.0, 0.0, 0.0)
    kept = 1 + resampled.difference(r, base) / np.maximum(resampled.scores["accuracy"][base], 1e-9)
    return Estimate(ours / theirs, *interval(kept))


def _mean(recipe: Recipe) -> float:
    return float(np.mean([evaluation.accuracy.value for evaluation in recipe.evaluations]))


def _class_figures(evaluations: Sequence[Evaluation], label: str) -> ClassFigures:
    rows = [row for each in evaluations for row in each.per_class if row.label == label]

    def mean(name: Literal["recall", "precision"]) -> Estimate:
        shares = [getattr(row, name) for row in rows]
        return Estimate(*(float(np.mean([getattr(s, k) for s in shares])) for k in _ESTIMATE))

    f1 = float(np.mean([row.f1 for row in rows]))
    return ClassFigures(label, rows[0].support, mean("recall"), mean("precision"), f1)


def _pair(
    found: Answered, figures: Sequence[RecipeFigures], resampled: Draws, i: int, j: int
) -> Pair:
    """The pair before the correction: `p` is its own."""
    ours, theirs = (found.right(r) for r in (i, j))
    drawn = resampled.difference(i, j)
    exact = exact_p(leaning(ours, theirs, found.groups))
    chance = two_sided(drawn)
    macro = resampled.scores["macro_f1"]
    one, other = ours.mean(axis=0), theirs.mean(axis=0)
    return Pair(
        first=figures[i].name,
        second=figures[j].name,
        difference=_around(figures[i].accuracy, figures[j].accuracy, interval(drawn)),
        macro_f1_difference=_around(
            figures[i].macro_f1, figures[j].macro_f1, interval(macro[i] - macro[j])
        ),
        only_first_wrong=float(((1 - one) * other).sum()),
        only_second_wrong=float((one * (1 - other)).sum()),
        both_wrong=float(((1 - one) * (1 - other)).sum()),
        mcnemar_p=exact,
        chance_p=chance,
        p=max(exact, chance),
        verdict="tie",
    )


def _around(first: Estimate, second: Estimate, bounds: tuple[float, float]) -> Estimate:
    """A difference with its interval, which the imaginary images may have drawn towards nothing."""
    value = first.value - second.value
    return Estimate(value, min(bounds[0], value), max(bounds[1], value))


def _corrected(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    adjusted = holm([pair.p for pair in pairs])
    return tuple(
        replace(pair, p=p, verdict=_verdict(pair, p))
        for pair, p in zip(pairs, adjusted, strict=True)
    )


def _verdict(pair: Pair, p: float) -> Verdict:
    if p >= LEVEL or pair.difference.value == 0:
        return "tie"
    return "better" if pair.difference.value > 0 else "worse"


def _rivals(table: Comparison) -> dict[str, tuple[float, float, frozenset[str]]]:
    """Latency, accuracy, and who is worse, by name: what the front is made from."""
    return {
        one.name: (
            one.cost.latency_ms,
            one.accuracy.value,
            frozenset(
                other.name
                for other in table.recipes
                if other is not one and table.pair(one.name, other.name).verdict == "better"
            ),
        )
        for one in table.recipes
    }


def _best(table: Comparison) -> str:
    """The fastest recipe that ties with the most accurate one and cannot be far behind it."""
    top = table.most_accurate
    able = [one for one in table.recipes if one.name == top or _as_good(table, one.name, top)]
    return min(able, key=lambda one: (one.cost.latency_ms, -one.accuracy.value)).name


def _as_good(table: Comparison, name: str, top: str) -> bool:
    """Few images make everything tie: a tie that may cost more than `MOST_LOST` recommends nothing."""
    pair = table.pair(name, top)
    return pair.verdict == "tie" and pair.difference.low >= -MOST_LOST
