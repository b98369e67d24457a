"""Chapter: whether the model may follow the champion, row by row and class by class, and what its decisions cost."""

from __future__ import annotations

from inspection.evaluation.economics import NO_OK_CLASS, Economics
from inspection.evaluation.gate import GateVerdict
from inspection.evaluation.gate_rows import GateRow
from inspection.evaluation.head_to_head import ClassChange, HeadToHead
from inspection.reporting.blocks import Section, badge, card, columns, table, tile, tiles
from inspection.reporting.decision_figures import decision_figures
from inspection.reporting.markup import Child, Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.svg import Plot, curve, segment
from inspection.reporting.wording import count, number, percent, plain, score

UNITS = {"ms": "{:.3g} ms", "MB": "{:.3g} MB", "ppm": "{:,.0f} ppm", "": "{:g}"}


def gate(run: RunReport) -> Section | None:
    """The gate of a run that reached it."""
    return gate_section(run.gate) if run.gate is not None else None


def gate_section(verdict: GateVerdict) -> Section:
    """Each question with its answer, and every reason for a refusal."""
    body = table(
        ["question", "challenger", "champion", "difference", "asked", "answer"],
        [_row(row) for row in verdict.table],
        caption="What the gate asked, and the answers",
        numeric=frozenset({1, 2, 3}),
        kinds=["" if row.passed else "bad" for row in verdict.table],
    )
    reasons = tag("ul", *(tag("li", reason) for reason in verdict.reasons), class_="reasons")
    notes = tag("ul", *(tag("li", note) for note in verdict.notes)) if verdict.notes else None
    first: list[Html | None] = [reasons if verdict.reasons else None, body, notes]
    blocks = [card(*first), _duel(verdict), _economics(verdict)]
    lead = "Limits for any model, and what is shown against the champion on the same frozen images."
    if verdict.reasons:
        lead = f"'{verdict.challenger}' is refused for {count(len(verdict.reasons), 'reason')}:"
    return Section("gate", "Gate", "Gate", lead, join(blocks))


def _row(row: GateRow) -> list[Child]:
    difference = row.difference
    return [
        "macro-F1" if row.metric == "macro_f1" else plain(row.metric),
        _value(row, row.challenger),
        _value(row, row.champion),
        "–"
        if difference is None
        else f"{difference:+.4f}"
        if row.unit == "share"
        else f"{difference:+.3g}",
        row.asked or "nothing",
        badge("passed", "good") if row.passed else badge("refused", "bad"),
    ]


def _value(row: GateRow, value: float | None) -> str:
    if value is None:
        return "–"
    return score(value) if row.unit == "share" else UNITS[row.unit].format(value)


def _duel(verdict: GateVerdict) -> Html | None:
    duel = verdict.duel
    if duel is None:
        return None
    rows = [_overall(duel), *(_class(change) for change in duel.classes)]
    body = table(
        [
            "class",
            "test images",
            "independent",
            "champion right",
            "challenger right",
            "gained",
            "lost",
            "margin",
            "p",
            "shown",
        ],
        rows,
        caption="Paired with the champion, class by class",
        numeric=frozenset(range(1, 9)),
    )
    note = (
        "p: exact, one-sided, of losing the margin or more; 0.05 or less shows that less is lost. Gained and lost are "
        f"in independent images. Right more often in all: p = {duel.p_better:.3f}."
    )
    return card(body, title="Against the champion, class by class", note=note)


def _overall(duel: HeadToHead) -> list[Child]:
    hits = [
        sum(c.champion_hits for c in duel.classes),
        sum(c.challenger_hits for c in duel.classes),
    ]
    return [
        tag("strong", "all"),
        f"{duel.images:,}",
        f"{duel.tally.units:,}",
        *(f"{n:,}" for n in hits),
        str(duel.tally.gained),
        str(duel.tally.lost),
        percent(duel.margin),
        f"{duel.p_margin:.3f}",
        _shown(duel.not_worse, duel.missing),
    ]


def _class(change: ClassChange) -> list[Child]:
    waived = change.margin >= 1
    return [
        change.label,
        f"{change.support:,}",
        f"{change.tally.units:,}",
        f"{change.champion_hits:,}",
        f"{change.challenger_hits:,}",
        str(change.tally.gained),
        str(change.tally.lost),
        "waived" if waived else percent(change.margin),
        "–" if waived else f"{change.p_value:.3f}",
        "–" if waived else _shown(change.kept, change.missing),
    ]


def _shown(kept: bool, missing: int | None) -> Html:
    if kept:
        return badge("less is lost", "good")
    if missing is None:
        return badge("more is lost", "bad")
    return badge(f"about {missing} images missing", "warn")


def _economics(verdict: GateVerdict) -> Html | None:
    found = verdict.economics
    if found is None:
        return card(tag("p", NO_OK_CLASS + "."), title="What decisions cost")
    figures = tiles(
        [
            *(tile(*figure) for figure in decision_figures(found)),
            tile(
                "Review",
                percent(found.review.value),
                f"{found.review.hits} of {found.review.total}",
            ),
            tile(
                "Cost per part", number(found.cost), "escapes, overkill and reviews as configured"
            ),
        ]
    )
    note = found.sentence[0].upper() + found.sentence[1:] + "."
    rivals = verdict.champion_economics
    if rivals is not None:
        note += f" The champion: {rivals.sentence}."
    chart = _cost_chart(found)
    return card(figures, columns(chart) if chart else None, title="What decisions cost", note=note)


def _cost_chart(found: Economics) -> Html | None:
    """Cost per part against the threshold; the line marks where it stands."""
    points = [(point.reject_at, point.cost) for point in found.curve]
    highest = max(cost for _, cost in points)
    if highest <= 0:
        return None
    plot = Plot.of((0.0, 1.0), (0.0, highest * 1.04), ("reject at P(defect)", "cost per part"))
    best = min(found.curve, key=lambda point: point.cost)
    words = (
        f"Cost per part by threshold: lowest {best.cost:.3g} at {best.reject_at:.3g}; "
        f"the model rejects at {found.rule.reject_at:.3g}"
    )
    line = segment(
        plot, (found.rule.reject_at, 0.0), (found.rule.reject_at, highest * 1.04), "ideal"
    )
    return plot.draw(words, line, tag("g", curve(plot, points, "curve"), class_="k0"))
