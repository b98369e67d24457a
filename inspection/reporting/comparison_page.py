"""Recipes compared, as one offline page: which to take, at what cost, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from deploy.edge.files import write_bytes
from inspection.data.index import ImageIndex
from inspection.evaluation.classifiers import Classifiers
from inspection.evaluation.compared import Comparison, Estimate
from inspection.evaluation.comparison_words import about, how, overall
from inspection.evaluation.recipe_card import RecipeCard
from inspection.evaluation.recipes import Recipe
from inspection.reporting.blocks import Section, card, columns, facts, tile, tiles
from inspection.reporting.classifier_tables import classifiers_cards, leading
from inspection.reporting.comparison_charts import Curve, key_of_pareto, learning, legend, pareto
from inspection.reporting.comparison_examples import examples
from inspection.reporting.comparison_tables import (
    classes_table,
    cost_table,
    pairs_table,
    recipes_table,
    scores_table,
)
from inspection.reporting.confusion import confusion
from inspection.reporting.look_up import paths_by_id
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.shell import page, stamp
from inspection.reporting.thumbnails import Pictures
from inspection.reporting.top import heading
from inspection.reporting.wording import count, milliseconds, parameters, percent, short, times


@dataclass(frozen=True)
class ComparisonReport:
    """A comparison and what it was made from. `curves`: (epoch, validation macro-F1) by recipe, a line per seed.

    `index`: the images, for examples; without it they are only named. `card`: the best recipe's. `classifiers`: by
    recipe, what its runs fitted on the teacher's features beside the student.
    """

    name: str
    created: datetime
    comparison: Comparison
    recipes: Sequence[Recipe]
    curves: Mapping[str, Sequence[Curve]] = field(default_factory=dict)
    index: ImageIndex | None = None
    card: RecipeCard | None = None
    classifiers: Mapping[str, Classifiers] = field(default_factory=dict)
    command: str = ""


def write_comparison_page(report: ComparisonReport, target: Path) -> Path:
    """Write the page to `target`, whole or not at all."""
    write_bytes(target, render_comparison_page(report).encode("utf-8"))
    return target


def render_comparison_page(report: ComparisonReport) -> str:
    """The page as text."""
    found = report.comparison
    pictures = Pictures(report.index) if report.index is not None else None
    paths = paths_by_id(report.index) if report.index is not None else {}
    sections = [
        _recipes(found),
        _pareto(found),
        _cost(found),
        _pairs(found),
        _classifiers(report),
        _learning(report),
        _classes(found),
        _confusions(found),
        examples(report.recipes, paths, pictures),
        _method(found),
        _card(report),
    ]
    return page(
        f"{report.name} · Plumbline comparison",
        "Comparison",
        report.created,
        _top(report),
        [section for section in sections if section is not None],
        extra="comparison",
    )


def _top(report: ComparisonReport) -> Html:
    found = report.comparison
    command = (
        tag("p", tag("code", f"$ {report.command}"), class_="command") if report.command else None
    )
    return heading(
        report.name,
        stamp(report.created),
        "good",
        f"Take {found.best}",
        overall(found),
        _figures(found),
        command,
    )


def _figures(found: Comparison) -> Html:
    best, base = found.figures(found.best), found.figures(found.reference)
    gain = base.cost.latency_ms / best.cost.latency_ms
    faster = f"{times(gain)} faster than {base.name}" if gain > 1 else ""
    kept = "" if best is base else f"keeps {percent(best.retention.value)} of {base.name}'s"
    views = f"{count(found.groups, 'group')} of views" if found.groups != found.images else ""
    seeds = sum(len(one.seeds) for one in found.recipes)
    return tiles(
        [
            tile(
                f"Accuracy of {best.name}",
                percent(best.accuracy.value),
                _bounds(best.accuracy),
                kept,
            ),
            tile("Time, one image", milliseconds(best.cost.latency_ms), faster),
            tile("Parameters", parameters(best.cost.parameters)),
            tile(
                "Compared",
                count(len(found.recipes), "recipe"),
                count(seeds, "training"),
                count(found.images, "test image"),
                views,
            ),
        ]
    )


def _bounds(found: Estimate) -> str:
    return f"95 % interval {100 * found.low:.1f} – {100 * found.high:.1f}"


def _recipes(found: Comparison) -> Section:
    sentences = tag("ul", *(tag("li", about(found, one)) for one in found.recipes), class_="told")
    images = f"{count(found.images, 'image')} of test set {short(found.test_digest)}"
    lead = f"{count(len(found.recipes), 'recipe')} on {images}."
    body = join([recipes_table(found), scores_table(found), card(sentences, title="In words")])
    return Section("recipes", "Recipes", "Recipes", lead, body)


def _pareto(found: Comparison) -> Section:
    names = found.front
    lead = (
        f"{names[0]} alone is worth having: nothing faster ties with it, and nothing slower beats it."
        if len(names) == 1
        else f"Worth having, fastest first: {', '.join(names)}. Nothing faster ties with any of them."
    )
    body = card(pareto(found), key_of_pareto(), kind="plot")
    return Section("pareto", "Accuracy and time", "Accuracy against time", lead, body)


def _cost(found: Comparison) -> Section:
    lead = "What one image costs, and what the training took; each run has measured for itself."
    return Section("cost", "Cost", "Cost", lead, cost_table(found))


def _pairs(found: Comparison) -> Section:
    ties = sum(pair.verdict == "tie" for pair in found.pairs)
    lead = (
        f"{ties} of {count(len(found.pairs), 'pair')} tie: the test images cannot tell them apart."
    )
    return Section("pairs", "Pairs", "Pair by pair", lead, pairs_table(found))


def _classifiers(report: ComparisonReport) -> Section | None:
    if not report.classifiers:
        return None
    only = len(report.classifiers) == 1
    parts = []
    for name, found in report.classifiers.items():
        heading_ = None if only else tag("h3", name)
        parts.append(join([heading_, tag("p", leading(found)), classifiers_cards(found)]))
    lead = (
        "What the runs of each recipe fitted on the teacher's features, beside the student that ships; all seeds "
        "together, compared by themselves."
    )
    title = "Classifiers side by side"
    return Section("classifiers", "Classifiers", title, lead, join(parts))


def _learning(report: ComparisonReport) -> Section | None:
    drawn = {name: [c for c in lines if c] for name, lines in report.curves.items()}
    names = [one.name for one in report.comparison.recipes]
    # Every recipe keeps its colour, also when another has no curve.
    kept = {name: drawn.get(name, []) for name in names}
    if not any(kept.values()):
        return None
    without = [name for name, lines in kept.items() if not lines]
    note = f"Without epochs: {', '.join(without)}." if without else ""
    body = card(learning(kept, "validation macro-F1"), legend(names), note=note, kind="plot")
    lead = "Macro-F1 on validation images by epoch, a line per seed."
    return Section("learning", "Learning", "Learning curves", lead, body)


def _classes(found: Comparison) -> Section:
    lead = "The classes on which recipes differ most come first."
    return Section("classes", "Classes", "Class by class", lead, classes_table(found))


def _confusions(found: Comparison) -> Section:
    cards = [confusion(one.name, found.classes, one.confusion) for one in found.recipes]
    lead = "All seeds of a recipe together: an image counts once for each of its seeds."
    return Section("confusion", "Confusion", "Confusion side by side", lead, columns(*cards))


def _method(found: Comparison) -> Section:
    body = card(*(tag("p", words) for words in how(found)))
    return Section("method", "Method", "How it was compared", "", body)


def _card(report: ComparisonReport) -> Section | None:
    made = report.card
    if made is None:
        return None
    origin = made.origin
    told = facts(
        [
            ("recipe", made.name),
            ("runs", ", ".join(origin.runs)),
            ("seeds", ", ".join(map(str, made.figures.seeds))),
            ("weights", ", ".join(short(digest) for digest in origin.weights_sha256)),
            ("test set", short(made.test_digest)),
            ("data", ", ".join(short(digest) for digest in origin.data_digests)),
            ("licence", origin.licence),
        ]
    )
    config = tag("pre", json.dumps(dict(origin.config), indent=2, ensure_ascii=False, default=str))
    body = columns(card(told, title="Where it comes from"), card(config, title="Config"))
    lead = "What somebody needs who wants this model again; the same lies beside this page as JSON."
    return Section("card", "Recipe card", f"Recipe card: {made.name}", lead, body)
