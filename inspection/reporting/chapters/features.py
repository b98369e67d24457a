"""Chapter: what the backbone makes of the images before anything is learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inspection.evaluation.neighbour_map import neighbour_map
from inspection.reporting.blocks import Section, card
from inspection.reporting.charts import Points, feature_map, swatch
from inspection.reporting.figures import principal_components
from inspection.reporting.look_up import labels_by_id, paths_by_id, spread
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.wording import count, percent, score

POINTS_SHOWN = 2000
"""More would be a blot, and weigh megabytes."""
NEIGHBOURS = (
    "The second map is UMAP on the same features: neighbours stay neighbours, but its axes have no unit, and "
    "distances between clusters and their sizes mean nothing."
)


def features(run: RunReport) -> Section | None:
    """The map of the features, coloured by class, and how well each head read them."""
    table = run.features
    if table is None or len(table.image_ids) < 2:
        return None
    labels, paths = labels_by_id(run.index), paths_by_id(run.index)
    ids = [image_id for image_id in table.image_ids if image_id in labels]
    known = np.array([image_id in labels for image_id in table.image_ids])
    if known.sum() < 2:
        return None
    matrix = np.asarray(table.matrix)[known]
    found = principal_components(matrix)
    kept = spread(len(ids), POINTS_SHOWN)
    marks = _Marks(
        [labels[ids[i]] for i in kept], [f"{labels[ids[i]]}: {paths[ids[i]]}" for i in kept]
    )
    curved = _neighbours(marks, matrix[kept], run.config.seed) if run.config.report.umap else None
    shown = f"{len(kept):,} of " if len(kept) < len(ids) else ""
    tuned = (
        " These are the tuned ones; the next chapter holds them against those from before."
        if run.gain
        else ""
    )
    lead = (
        f"{shown}{count(len(ids), 'image')} as {run.config.teacher.backbone} sees them, "
        f"{table.matrix.shape[1]:,} features reduced to two principal components that hold "
        f"{percent(sum(found.explained))} of the variance.{tuned}{_heads(run)}"
    )
    body = card(
        _components(marks, found.points[kept], found.explained),
        curved,
        _legend(marks.classes),
        note="Point at a mark for its file; choose a class to see it alone.",
    )
    return Section("features", "Features", "Features", lead, body)


@dataclass(frozen=True)
class _Marks:
    """Class and title of each point shown, the same on every map."""

    labels: list[str]
    titles: list[str]

    @property
    def classes(self) -> list[str]:
        """In the order of their colours."""
        return sorted(set(self.labels))


def _components(marks: _Marks, points: Points, explained: tuple[float, float]) -> Html:
    first, second = (f"component {i + 1} ({percent(share)})" for i, share in enumerate(explained))
    return feature_map(
        points,
        marks.labels,
        marks.titles,
        marks.classes,
        (first, second),
        f"first two principal components, {percent(sum(explained))} of the variance",
    )


def _neighbours(marks: _Marks, matrix: Points, seed: int) -> Html | None:
    points = neighbour_map(matrix, seed=seed)
    if points is None:
        return None
    axes = ("UMAP, first axis", "UMAP, second axis")
    what = "UMAP, which keeps neighbours together"
    chart = feature_map(points, marks.labels, marks.titles, marks.classes, axes, what)
    return join([chart, tag("p", NEIGHBOURS, class_="note")])


def _legend(classes: list[str]) -> Html:
    keys = [
        tag("button", swatch(k), name, type="button", class_="key", data_series=name)
        for k, name in enumerate(classes)
    ]
    return tag("div", *keys, class_="legend series", role="group", aria_label="Classes")


def _heads(run: RunReport) -> str:
    if not run.heads:
        return ""
    tried = (
        f"{h.head} {score(h.held_out.macro_f1)}{' (chosen)' if h.chosen else ''}" for h in run.heads
    )
    return (
        " Macro-F1 of the heads on all held-out images (validation, and training out of fold): "
        f"{', '.join(tried)}."
    )
