"""The gate's own error rates: models of known quality, drawn again and again, through the gate that promotes.

    python benchmarks/bench_gate.py [REPETITIONS]

600 images of 6 classes, the rarest 8 % (48 images). Per image champion and challenger disagree with probability 6 %,
unless a class has to lose more than that. The naive rule (promote what is not below) judges the same draws. Also: the
exact test's error at the margin beside its score's normal p-value, and two other rules for classes. Some minutes on one
core; writes `results/gate.json` and `docs/gate.svg`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import write_result
from scipy.stats import multinomial as law

from inspection.config import GateConfig
from inspection.evaluation.gate import GateVerdict, gate
from inspection.evaluation.gate_evidence import Cost, Evidence
from inspection.evaluation.intervals import clopper_pearson
from inspection.evaluation.metrics import Evaluation, evaluate
from inspection.evaluation.noninferiority import LEVEL, noninferiority_p, score
from inspection.reporting.markup import tag
from inspection.reporting.svg import Plot, curve, label, segment

SIZES = (48, 111, 111, 110, 110, 110)
CLASSES = tuple(f"class {i}" for i in range(len(SIZES)))
TRUE = np.repeat(np.arange(len(SIZES)), SIZES)
LABELS = tuple(CLASSES[i] for i in TRUE)
IDS = tuple(f"image {i}" for i in range(len(TRUE)))
DISAGREE = 0.06
CHAMPION = 0.92
"""Accuracy; the gate's tests see only where the two differ."""
CURVE_REPETITIONS = 200
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "gate.svg"

ACCURACY = GateConfig(ways=("accuracy",), class_margin=0.10)
CHEAPER = GateConfig(ways=("cheaper",), class_margin=0.10)
BOTH = GateConfig(class_margin=0.10)
CHEAP = Evidence(cost=Cost(1.0, 1000), champion_cost=Cost(2.0, 2000), seen_by_champion=())


def pair(gain: Sequence[float], generator: np.random.Generator) -> tuple[Evaluation, Evaluation]:
    """A challenger whose accuracy differs by `gain` in each class, and its champion."""
    change = np.asarray(gain, dtype=float)[TRUE]
    disagree = np.maximum(DISAGREE, np.abs(change))
    won, drawn = (disagree + change) / 2, generator.random(len(TRUE))
    gained, lost = drawn < won, (drawn >= won) & (drawn < disagree)
    both = generator.random(len(TRUE)) < CHAMPION
    return (
        answers("challenger", gained | (both & ~lost)),
        answers("champion", lost | (both & ~gained)),
    )


def answers(name: str, right: np.ndarray) -> Evaluation:
    """What is wrong is called the next class; the confidence is as good as the model."""
    sure = np.full((len(TRUE), len(SIZES)), (1 - CHAMPION) / (len(SIZES) - 1))
    called = np.where(right, TRUE, (TRUE + 1) % len(SIZES))
    sure[np.arange(len(TRUE)), called] = CHAMPION
    return evaluate(name, LABELS, sure, CLASSES, image_ids=IDS, test_digest="d" * 64)


def verdicts(
    gain: Sequence[float], config: GateConfig, repetitions: int, seed: int
) -> list[GateVerdict]:
    """The real gate's verdicts on as many independent pairs."""
    generator = np.random.default_rng(seed)
    return [gate(*pair(gain, generator), config, CHEAP) for _ in range(repetitions)]


def share(hits: int, total: int) -> dict[str, Any]:
    low, high = clopper_pearson(hits, total)
    return {"share": round(hits / total, 4), "low": round(low, 4), "high": round(high, 4)}


def naive(verdict: GateVerdict) -> bool:
    return verdict.table[0].difference >= 0


def judged(
    name: str, gain: Sequence[float], config: GateConfig, repetitions: int
) -> dict[str, Any]:
    found = verdicts(gain, config, repetitions, seed=sum(map(ord, name)))
    return {
        "points": [round(100 * g, 2) for g in gain],
        "promoted": share(sum(v.passed for v in found), repetitions),
        "promoted_by_naive_rule": share(sum(map(naive, found)), repetitions),
        "other_rules_for_classes": other_rules(found) if config is ACCURACY else {},
    }


def other_rules(found: list[GateVerdict]) -> dict[str, Any]:
    """What else the classes could be asked, with the same test in all: nothing, or only not to be shown worse."""
    better = [v for v in found if v.duel is not None and v.duel.better]
    demonstrably = [v for v in better if all(lost_is_in_doubt(c.tally) for c in v.duel.classes)]
    observed = [
        v for v in better
        if all(c.tally.lost - c.tally.gained <= 0.1 * c.tally.units for c in v.duel.classes)
    ]  # fmt: skip
    return {
        "nothing_asked_of_classes": share(len(better), len(found)),
        "refused_when_a_class_is_shown_to_lose_the_margin": share(len(demonstrably), len(found)),
        "refused_when_a_class_is_seen_to_lose_the_margin": share(len(observed), len(found)),
    }


def lost_is_in_doubt(tally: Any) -> bool:
    """Not shown, at 5 %, that more than the margin is lost: the same score from the other side."""
    counts = np.array([tally.gained]), np.array([tally.lost])
    return float(score(tally.units, *counts, 0.1)[0]) > -1.6449


def at_the_margin(repetitions: int) -> dict[str, Any]:
    """Cheaper models that lose exactly a margin: in all, or in one class."""
    overall = [-CHEAPER.margin] * len(SIZES)
    rare = [-0.10] + [0.03] * (len(SIZES) - 1)
    large = [0.03] * (len(SIZES) - 1) + [-0.10]
    return {
        "in_all": judged("margin in all", overall, CHEAPER, repetitions),
        "in_the_rare_class": judged("margin in the rare class", rare, CHEAPER, repetitions),
        "in_a_large_class": judged("margin in a large class", large, CHEAPER, repetitions),
        "in_the_rare_class_by_accuracy": judged(
            "margin rare accuracy", rare, ACCURACY, repetitions
        ),
    }


def levels(margin: float = 0.10) -> list[dict[str, Any]]:
    """Summed over all outcomes, no chance in it: how often a class that loses the margin is said not to."""
    rows = []
    for units in (29, 48, 110):
        most = 40
        outcomes = [
            (g, lost) for g in range(most) for lost in range(most) if g + lost <= units
        ]  # fmt: skip
        exact = np.array([noninferiority_p(units, *o, margin) <= LEVEL for o in outcomes])
        gained, lost = (np.array(side) for side in zip(*outcomes, strict=True))
        normal = score(units, gained, lost, margin) >= 1.6449
        for gain in (0.0, 0.02, 0.05, 0.08):
            chances = multinomial(units, gained, lost, gain, gain + margin)
            rows.append({
                "images": units, "gained": gain, "lost": round(gain + margin, 2),
                "exact": round(float(chances[exact].sum()), 4),
                "normal_score": round(float(chances[normal].sum()), 4),
            })  # fmt: skip
    return rows


def multinomial(
    units: int, gained: np.ndarray, lost: np.ndarray, gain: float, lose: float
) -> np.ndarray:
    cells = np.stack([gained, lost, units - gained - lost], axis=1)
    return law.pmf(cells, units, [gain, lose, 1 - gain - lose])


def curves(repetitions: int) -> dict[str, list[dict[str, Any]]]:
    """Promoted against the true difference: the same in every class, and +4 points but for the rare class."""
    found: dict[str, list[dict[str, Any]]] = {
        "accuracy": [],
        "cheaper": [],
        "naive": [],
        "rare": [],
    }
    for points in range(-4, 6):
        gain = [points / 100] * len(SIZES)
        for name, config in (("accuracy", ACCURACY), ("cheaper", CHEAPER)):
            got = verdicts(gain, config, repetitions, seed=int(100 + 10 * points))
            found[name].append(point(points, sum(v.passed for v in got), repetitions))
        found["naive"].append(point(points, sum(map(naive, got)), repetitions))
    for points in range(-20, 5, 3):
        gain = [points / 100] + [0.04] * (len(SIZES) - 1)
        got = verdicts(gain, ACCURACY, repetitions, seed=int(500 + 10 * points))
        found["rare"].append(point(points, sum(v.passed for v in got), repetitions))
    return found


def point(points: float, hits: int, total: int) -> dict[str, Any]:
    return {"points": float(points), **share(hits, total)}


def draw(found: dict[str, list[dict[str, Any]]]) -> None:
    """Both families of power curves in one picture, readable on light and on dark."""
    plot = Plot.of(
        (-20.0, 5.0), (0.0, 1.0), ("true difference, points", "promoted"), size=(720, 360)
    )
    names = {
        "naive": ("#8a8f98", "6 4", "not below (naive)"),
        "accuracy": ("#2b6cb0", "", "accuracy"),
        "cheaper": ("#b7791f", "", "cheaper"),
        "rare": ("#b0271f", "2 3", "accuracy, +4 elsewhere: the rare class' difference"),
    }
    parts = [segment(plot, (-20.0, 0.05), (5.0, 0.05), "level")]
    for row, (key, (colour, dashes, words)) in enumerate(names.items()):
        points = [(one["points"], one["share"]) for one in found[key]]
        line = curve(plot, points, "curve")
        text = label(70, 40 + 18 * row, words, "tick", anchor="start")
        parts.append(tag("g", line, stroke=colour, stroke_dasharray=dashes or None))
        parts.append(tag("g", text, fill=colour))
    style = (
        ".curve{fill:none;stroke-width:2}.grid{stroke:#8a8f98;stroke-opacity:.25}"
        ".level{stroke:#8a8f98;stroke-dasharray:1 3}text{font:12px sans-serif}.tick,.name{fill:#8a8f98}"
        "g[fill] .tick{fill:inherit}"
    )
    drawn = str(plot.draw("Power of the promotion gate", tag("style", style), *parts))
    PICTURE.write_text(drawn.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1) + "\n")


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    others = len(SIZES) - 1
    shapes = {
        "equal": [0.0] * (others + 1),
        "three_points_better_in_every_class": [0.03] * (others + 1),
        "four_better_but_fifteen_worse_in_the_rare_class": [-0.15] + [0.04] * others,
    }
    drawn = curves(min(repetitions, CURVE_REPETITIONS))
    draw(drawn)
    write_result(
        "gate",
        {
            "images": len(TRUE),
            "class_sizes": SIZES,
            "disagreement": DISAGREE,
            "class_margin": ACCURACY.class_margin,
            "margin": CHEAPER.margin,
            "repetitions": repetitions,
            "by_accuracy": {
                name: judged(name, gain, ACCURACY, repetitions) for name, gain in shapes.items()
            },
            "cheaper": {
                "equal": judged("equal and cheaper", shapes["equal"], CHEAPER, repetitions),
                "exactly_at_a_margin": at_the_margin(repetitions),
            },
            "both_ways_open": {
                "loses_the_margin_and_is_cheaper": judged(
                    "both", [-BOTH.margin] * (others + 1), BOTH, repetitions
                ),
            },
            "level_of_the_class_test": levels(),
            "curves": drawn,
        },
    )


if __name__ == "__main__":
    main()
