"""Chapters of an export: which layers INT8 hurts, what stays FP32 in FP16 and why, and what set INT8's scales."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from inspection.reporting.blocks import Section, card, columns, facts, table
from inspection.reporting.export_run import ExportPlan
from inspection.reporting.markup import Child, Html, join, tag
from inspection.reporting.wording import count, percent, small

SHOWN = 20
"""Layers and nodes by name; a network has hundreds."""


def sensitivity(plan: ExportPlan) -> Section | None:
    """Each layer quantised alone: measured only where INT8 cost more than it may."""
    int8 = [one for one in plan.precisions if one.name.startswith("int8")]
    if not int8:
        return None
    cards = [_sensitivity(one.name, one.made) for one in int8 if one.made.get("sensitivity")]
    without = [one.name for one in int8 if not one.made.get("sensitivity")]
    lead = "One layer rounded to INT8 at a time, the rest FP32, on calibration images; the worst first."
    if not cards:
        lead = "Not measured: that is done where INT8 changes more decisions than it may, to find the layers to mend."
    elif without:
        lead += f" Not needed for {', '.join(without)}."
    left = [_excluded(one.name, one.made) for one in int8]
    body = join([*cards, *(part for part in left if part is not None)])
    return Section("sensitivity", "Layers", "Sensitivity by layer", lead, body)


def _sensitivity(name: str, made: Mapping[str, Any]) -> Html:
    effects: Sequence[Mapping[str, Any]] = made["sensitivity"]
    excluded = set(made.get("excluded", ()))
    rows = [
        [
            _span(effect["nodes"]),
            f"{effect['flips']} of {effect['images']}",
            small(effect["max_delta"]),
            "float" if excluded.intersection(effect["nodes"]) else "INT8",
        ]
        for effect in effects[:SHOWN]
    ]
    body = table(
        ["layers", "decisions changed", "max |Δp|", "in the file"],
        rows,
        caption=f"Layers of {name}, worst first",
        numeric=frozenset({1, 2}),
    )
    return card(body, title=name, note=_of(len(effects), "layer or run of layers"))


def _excluded(name: str, made: Mapping[str, Any]) -> Html | None:
    left = {"left in float on request": made.get("excluded"), "attention": made.get("attention")}
    words = "; ".join(f"{key}: {', '.join(nodes[:SHOWN])}" for key, nodes in left.items() if nodes)
    quantised = len(made.get("quantised", ()))
    if not quantised:
        return None
    told = f"{count(quantised, 'layer')} in INT8"
    return tag("p", f"{name}: {told}{f'; {words}' if words else ', none left out'}.", class_="note")


def islands(plan: ExportPlan) -> Section | None:
    """The nodes that FP16 leaves in FP32, each with its reason."""
    half = next((one for one in plan.precisions if one.name == "fp16" and one.made), None)
    if half is None:
        return None
    found: Sequence[Mapping[str, Any]] = half.made.get("islands", ())
    threatened = [one for one in found if one["peak"] is not None]
    lead = (
        f"{count(half.made['converted'], 'node')} in FP16, {len(found)} in FP32, of these {len(threatened)} "
        f"because of numbers seen on real images. The largest was {half.made['peak']:,.0f}, FP16 ends at 65,504."
    )
    if not found:
        return Section("islands", "Islands", "Float islands of FP16", lead, join([]))
    kinds = Counter(str(one["reason"]) for one in found if one["peak"] is None)
    reasons = table(
        ["why", "nodes"],
        [[reason, str(amount)] for reason, amount in kinds.most_common()],
        caption="Islands by the kind of the node",
        numeric=frozenset({1}),
    )
    worst = sorted(threatened, key=lambda one: -float(one["peak"]))[:SHOWN]
    named = table(
        ["node", "operator", "largest activation", "why"],
        [
            [_node(one["node"]), one["operator"], f"{one['peak']:,.0f}", one["reason"]]
            for one in worst
        ],
        caption="Islands that numbers asked for",
        numeric=frozenset({2}),
    )
    parts = [
        card(reasons, title="By kind") if kinds else None,
        card(named, title="By numbers", note=_of(len(threatened), "node")) if worst else None,
    ]
    return Section("islands", "Islands", "Float islands of FP16", lead, columns(*parts))


def calibration(plan: ExportPlan) -> Section:
    """Which images set the scales, and what INT8 was allowed to cost."""
    found = plan.calibration
    rows = [[str(label), str(amount)] for label, amount in found["classes"].items()]
    body = table(["class", "images"], rows, caption="Calibration images", numeric=frozenset({1}))
    told = facts(
        [
            ("images", f"{found['count']:,}, of the training split alone, each class in its turn"),
            ("digest", tag("code", found["digest"])),
            *((_margin(name), percent(share, 2)) for name, share in plan.margins.items()),
        ]
    )
    lead = "Real training images set INT8's scales and showed where FP16 would overflow; no test image did."
    body = columns(card(told, title="What it rests on"), card(body, title="Classes"))
    return Section("calibration", "Calibration", "Calibration", lead, body)


def _margin(name: str) -> str:
    return {
        "max_loss": "accuracy INT8 may cost",
        "max_class_loss": "recall INT8 may cost a class",
    }.get(name, name)


def _span(nodes: Sequence[str]) -> Child:
    if len(nodes) == 1:
        return _node(nodes[0])
    return join([_node(nodes[0]), " … ", _node(nodes[-1])])


def _node(name: str) -> Html:
    return tag("code", name, class_="path")


def _of(total: int, noun: str) -> str:
    return f"{SHOWN} of {count(total, noun)} shown." if total > SHOWN else ""
