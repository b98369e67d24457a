"""The classifiers of a run, or of runs that differ by seed, as tables: what each is worth, and what it costs whole."""

from __future__ import annotations

from inspection.evaluation.classifiers import MLP, PROBE, Classifiers
from inspection.evaluation.compared import Estimate, RecipeFigures
from inspection.evaluation.comparison_words import WORDS, signed
from inspection.reporting.blocks import badge, card, table
from inspection.reporting.confusion import confusion_row
from inspection.reporting.markup import Child, Html, join, tag
from inspection.reporting.wording import (
    between,
    count,
    milliseconds,
    parameters,
    percent,
    score,
    size,
    times,
)

LOOKS = {"better": "good", "tie": "idle", "worse": "bad"}
NOTHING = "–"


def classifiers_cards(found: Classifiers, *, title: str = "") -> Html:
    """Quality, cost, and the confusion matrices in a row."""
    matrices = {one.name: one.confusion for one in found.comparison.recipes}
    return join(
        [
            _quality(found, title),
            _cost(found),
            confusion_row(matrices, found.comparison.classes),
        ]
    )


def _quality(found: Classifiers, title: str) -> Html:
    head = ["classifier", "accuracy, 95 %", "macro-F1, 95 %", "improvement, points, 95 %", "wrong"]
    rows = [_quality_row(found, one) for one in found.comparison.recipes]
    body = table(head, rows, caption="Classifiers on the test set", numeric=frozenset({4}))
    note = (
        f"Improvement: points of accuracy over the {PROBE}, tested in pairs on the same images and corrected for "
        f"{len(found.comparison.pairs)} pairs; a tie says that these images cannot tell the two apart."
    )
    return card(body, *(tag("p", words) for words in found.remarks), title=title, note=note)


def _quality_row(found: Classifiers, one: RecipeFigures) -> list[Child]:
    seeds = len(one.seeds)
    wrong = sum(sum(row) for row in one.confusion) - sum(
        row[i] for i, row in enumerate(one.confusion)
    )
    images = found.comparison.images * seeds
    taught = badge("taught the student", "idle") if one.name in found.taught else None
    return [
        join([tag("strong", one.name), " ", taught]),
        _figure(one.accuracy),
        _figure(one.macro_f1),
        _improvement(found, one),
        f"{wrong:,} of {images:,}",
    ]


def _improvement(found: Classifiers, one: RecipeFigures) -> Child:
    if one.name == found.comparison.reference:
        return NOTHING
    pair = found.comparison.pair(one.name, found.comparison.reference)
    bounds = f"{signed(pair.difference.low)} to {signed(pair.difference.high)}"
    verdict = badge(pair.verdict, LOOKS[pair.verdict])
    return join([verdict, " ", signed(pair.difference.value), " ", tag("small", bounds)])


def _cost(found: Classifiers) -> Html:
    head = [
        "classifier",
        "parameters",
        "compression",
        "time, one image",
        "faster",
        "size",
        "multiply-adds",
        "head alone",
    ]
    rows = [_cost_row(found, one) for one in found.comparison.recipes]
    body = table(head, rows, caption="What each costs, end to end", numeric=frozenset(range(1, 8)))
    cost = found.comparison.recipes[0].cost
    threads = count(round((cost.energy_proxy or cost.latency_ms) / cost.latency_ms), "thread")
    note = (
        "End to end: the backbone that makes the features counts in every column but the last. Compression and "
        f"faster: parameters and time of the {MLP}, divided by its own. Time: median on {threads}; times threads it "
        f"stands for energy ({cost.energy_unit}). Whoever reads features takes the teacher's measured time, because "
        "heads differ by microseconds. Head alone: for features that are there already, which on a line they never are."
    )
    return card(body, title="What each costs, end to end", note=note)


def _cost_row(found: Classifiers, one: RecipeFigures) -> list[Child]:
    cost, base = one.cost, found.comparison.figures(MLP).cost
    itself = one.name == MLP
    return [
        tag("strong", one.name),
        parameters(cost.parameters),
        NOTHING if itself else ratio(base.parameters, cost.parameters),
        milliseconds(cost.latency_ms),
        NOTHING if itself else ratio(base.latency_ms, cost.latency_ms),
        size(cost.bytes),
        NOTHING if cost.multiply_accumulates is None else amount(cost.multiply_accumulates),
        _head(one),
    ]


def _head(one: RecipeFigures) -> Child:
    cost = one.cost
    if cost.head_parameters is None or cost.head_ms is None:
        return NOTHING
    return tag("small", f"{parameters(cost.head_parameters)}, {microseconds(cost.head_ms)}")


def ratio(first: float, own: float) -> str:
    """``48×``; ``1.0×`` for what is all but equal."""
    return times(first / own) if own else NOTHING


def microseconds(value_ms: float) -> str:
    """Short times in microseconds, others as `milliseconds` has them."""
    return f"{1000 * value_ms:.0f} µs" if value_ms < 0.1 else milliseconds(value_ms)


def amount(operations: int) -> str:
    """``1.81 G``, ``23.4 M``."""
    return f"{operations / 1e9:.3g} G" if operations >= 1e9 else f"{operations / 1e6:.3g} M"


def _figure(found: Estimate) -> Html:
    return join([score(found.value), " ", tag("small", between(found.low, found.high))])


def leading(found: Classifiers) -> str:
    """The finding in a sentence: what ships against the MLP on features."""
    last = found.comparison.recipes[-1]
    pair = found.comparison.pair(last.name, MLP)
    base = found.comparison.figures(MLP)
    smaller = base.cost.parameters / last.cost.parameters
    size_ = (
        f"{times(smaller)} fewer parameters"
        if smaller > 1
        else f"{times(1 / smaller)} the parameters"
    )
    return (
        f"The {last.name} {WORDS[pair.verdict]} the {MLP} ({percent(last.accuracy.value)} against "
        f"{percent(base.accuracy.value)} of accuracy) with {size_} at "
        f"{ratio(base.cost.latency_ms, last.cost.latency_ms)} its speed, backbone included."
    )
