"""Tables of a comparison: the recipes, what they cost, every pair, every class."""

from __future__ import annotations

from collections.abc import Sequence

from inspection.evaluation.compared import ClassFigures, Comparison, Estimate, Pair, RecipeFigures
from inspection.evaluation.comparison_words import points, signed
from inspection.reporting.blocks import badge, card, table
from inspection.reporting.charts import interval_bar, swatch
from inspection.reporting.markup import Child, Html, join, tag
from inspection.reporting.wording import (
    between,
    milliseconds,
    number,
    parameters,
    percent,
    score,
    size,
    times,
)

LOOKS = {"better": "good", "tie": "idle", "worse": "bad"}
SHOWN_CLASSES = 12
NOTHING = "–"


def recipes_table(found: Comparison) -> Html:
    """One row a recipe, as a whole: quality, verdict against the best, size and time, all held against the first."""
    head = [
        "recipe",
        "accuracy, 95 %",
        "against the best",
        "over the first",
        "parameters",
        "compression",
        "time",
        "faster",
    ]
    rows = [_recipe_row(found, k, one) for k, one in enumerate(found.recipes)]
    first = found.recipes[0].name
    note = (
        f"Over the first: points of accuracy more than {first}. "
        f"Compression and faster: {first}'s parameters and time divided by the recipe's own."
    )
    numeric = frozenset({3, 4, 5, 6, 7})
    body = table(head, rows, caption="Recipes side by side", numeric=numeric)
    return card(body, note=note)


def _recipe_row(found: Comparison, k: int, one: RecipeFigures) -> list[Child]:
    first = found.recipes[0]
    gain = one.accuracy.value - first.accuracy.value
    return [
        named(k, one.name),
        _figure(one.accuracy),
        _against_best(found, one),
        NOTHING if one is first else signed(gain),
        parameters(one.cost.parameters),
        NOTHING if one is first else _ratio(first.cost.parameters, one.cost.parameters),
        _time(one),
        NOTHING if one is first else _ratio(first.cost.latency_ms, one.cost.latency_ms),
    ]


def scores_table(found: Comparison) -> Html:
    """Scores that count classes alike, what is kept of the reference, and each seed by itself."""
    head = ["recipe", "macro-F1, 95 %", "balanced accuracy, 95 %", "kept, 95 %", "accuracy by seed"]
    rows = [
        [
            named(k, one.name),
            _figure(one.macro_f1),
            _figure(one.balanced_accuracy),
            NOTHING if one.name == found.reference else _kept(one.retention),
            ", ".join(score(value) for value in one.by_seed),
        ]
        for k, one in enumerate(found.recipes)
    ]
    body = table(head, rows, caption="More scores by recipe")
    return card(body, title="More scores", note=f"Kept: share of {found.reference}'s accuracy.")


def named(k: int, name: str) -> Html:
    """A recipe with its sign."""
    return tag("span", swatch(k), tag("strong", name), class_="named")


def _figure(found: Estimate) -> Html:
    return join([score(found.value), " ", tag("small", between(found.low, found.high))])


def _kept(found: Estimate) -> Html:
    bounds = f"{100 * found.low:.1f} – {100 * found.high:.1f}"
    return join([percent(found.value), " ", tag("small", bounds)])


def _against_best(found: Comparison, one: RecipeFigures) -> Html:
    if one.name == found.best:
        return badge("the best", "good")
    pair = found.pair(one.name, found.best)
    return join(
        [badge(pair.verdict, LOOKS[pair.verdict]), " ", tag("small", points(pair.difference))]
    )


def _time(one: RecipeFigures) -> Html:
    return tag("span", milliseconds(one.cost.latency_ms), class_="whole")


def _ratio(first: float, own: float) -> str:
    return times(first / own) if own else NOTHING


def cost_table(found: Comparison) -> Html:
    """What an image and a training cost."""
    units = {one.cost.energy_unit for one in found.recipes}
    unit = units.pop() if len(units) == 1 else "each in its unit"
    head = [
        "recipe",
        "time",
        "images per s",
        "size",
        f"energy proxy, {unit}",
        "trained",
        "training",
    ]
    rows = [_cost_row(k, one) for k, one in enumerate(found.recipes)]
    note = (
        "Time: median, one image, from decoded pixels to the answer, backbone included. The energy proxy is no "
        "measurement in joules; it ranks recipes on one machine. Trained: parameters that learned."
    )
    body = table(head, rows, caption="Cost by recipe", numeric=frozenset(range(1, 7)))
    return card(body, note=note)


def _cost_row(k: int, one: RecipeFigures) -> list[Child]:
    cost = one.cost
    return [
        named(k, one.name),
        _time(one),
        NOTHING if cost.throughput is None else number(float(f"{cost.throughput:.3g}")),
        size(cost.bytes),
        NOTHING if cost.energy_proxy is None else number(float(f"{cost.energy_proxy:.3g}")),
        NOTHING if cost.trained_parameters is None else parameters(cost.trained_parameters),
        NOTHING if cost.training_seconds is None else duration(cost.training_seconds),
    ]


def duration(seconds: float) -> str:
    """``48 s``, ``12 min``, ``3.4 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def pairs_table(found: Comparison) -> Html:
    """Every pair: difference, errors that only one of the two makes, p-values, verdict."""
    head = [
        "recipe",
        "verdict",
        "than",
        "points of accuracy, 95 %",
        "of macro-F1",
        "only it, only the other, both wrong",
        "McNemar p",
        "p, corrected",
    ]
    rows = [_pair_row(pair) for pair in found.pairs]
    body = table(head, rows, caption="Every pair of recipes", numeric=frozenset({4, 5, 6, 7}))
    note = "Wrong: test images, on average over pairs of seeds."
    return card(body, note=note)


def _pair_row(pair: Pair) -> list[Child]:
    return [
        pair.first,
        badge(pair.verdict, LOOKS[pair.verdict]),
        pair.second,
        _difference(pair.difference),
        signed(pair.macro_f1_difference.value),
        ", ".join(map(amount, (pair.only_first_wrong, pair.only_second_wrong, pair.both_wrong))),
        chance(pair.mcnemar_p),
        chance(pair.p),
    ]


def _difference(found: Estimate) -> Html:
    bounds = f"{signed(found.low)} to {signed(found.high)}"
    return join([signed(found.value), " ", tag("small", bounds)])


def amount(images: float) -> str:
    """A mean number of images: whole ones whole."""
    return f"{images:,.0f}" if abs(images - round(images)) < 0.05 else f"{images:,.1f}"


def chance(p: float) -> str:
    """A p-value to three decimals, never as nothing."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def classes_table(found: Comparison) -> Html:
    """Recall and precision by class and recipe; the classes on which recipes differ most come first."""
    order = sorted(range(len(found.classes)), key=lambda i: (-_apart(found, i), i))
    chosen = [i for i in order if found.recipes[0].per_class[i].support][:SHOWN_CLASSES]
    rows = [
        _class_row(k, one, one.per_class[i], opens=k == 0)
        for i in chosen
        for k, one in enumerate(found.recipes)
    ]
    left = len(found.classes) - len(chosen)
    note = "Means over seeds; intervals from the number of images alone." + (
        f" The {len(chosen)} classes on which recipes differ most, of {len(found.classes)}."
        * (left > 0)
    )
    head = ["class", "images", "recipe", "recall, 95 %", "", "precision, 95 %", "F1"]
    body = table(head, rows, caption="Class by class", numeric=frozenset({1, 3, 5, 6}))
    return card(body, note=note)


def _apart(found: Comparison, i: int) -> float:
    recalls = [one.per_class[i].recall.value for one in found.recipes]
    return max(recalls) - min(recalls)


def _class_row(k: int, one: RecipeFigures, row: ClassFigures, *, opens: bool) -> Sequence[Child]:
    return [
        tag("strong", row.label) if opens else "",
        f"{row.support:,}" if opens else "",
        named(k, one.name),
        _figure(row.recall),
        interval_bar(row.recall),
        _figure(row.precision),
        score(row.f1),
    ]
