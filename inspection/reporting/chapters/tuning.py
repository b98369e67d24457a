"""Chapter: what tuning the backbone without labels did to its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inspection.evaluation.comparison_words import signed
from inspection.evaluation.representation import Difference, Judgement, SelfSupervisionGain
from inspection.evaluation.representation_maps import FeatureMaps, Pairs
from inspection.reporting.blocks import Section, card, columns, table
from inspection.reporting.charts import feature_map, swatch
from inspection.reporting.look_up import labels_by_id, paths_by_id
from inspection.reporting.markup import Child, Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.wording import count, percent, score

SIZE = (520, 400)
NEAR = (
    "Each set by UMAP for itself: neighbours stay neighbours, but axes have no unit, and where a cluster lies, how far "
    "from others and how large, means nothing. Look for classes that hold together."
)


def tuning(run: RunReport) -> Section | None:
    """Gains with intervals, and the test images before and after on one basis."""
    gain, maps = run.gain, run.maps
    if gain is None:
        return None
    shown = maps is not None and len(maps.image_ids) > 0
    body = join([_gains(gain), _maps(run, maps) if shown and maps is not None else None])
    lead = f"Fine-tuned on the training images without labels: {gain.sentence}."
    return Section("tuning", "Tuning", "Features before and after tuning", lead, body)


def _gains(gain: SelfSupervisionGain) -> Html:
    ways = ((f"{gain.neighbours} nearest neighbours", gain.knn), ("linear probe", gain.probe))
    rows = [row for name, way in ways for row in _rows(name, way)]
    head = ["read by", "measure", "before", "after", "gain, points, 95 %", "", "mended, broken"]
    body = table(head, rows, caption="What tuning gained", numeric=frozenset({2, 3, 4}))
    note = (
        f"{count(gain.test_images, 'test image')} in {count(gain.test_groups, 'group')}, the same before and after; "
        f"intervals by resampling groups. Mended: wrong before, right after; broken: the other way round."
    )
    return card(body, note=note)


def _rows(name: str, way: Judgement) -> list[list[Child]]:
    measures = (("balanced accuracy", way.balanced_accuracy), ("accuracy", way.accuracy))
    return [
        [
            tag("strong", name) if k == 0 else "",
            measure,
            score(found.before),
            score(found.after),
            _gain(found),
            _verdict(found),
            f"{way.mended}, {way.broken}" if k == 0 else "",
        ]
        for k, (measure, found) in enumerate(measures)
    ]


def _gain(found: Difference) -> Html:
    bounds = f"{signed(found.low)} to {signed(found.high)}"
    return join([signed(found.gain), " ", tag("small", bounds)])


def _verdict(found: Difference) -> Html:
    """In words: an interval on both sides of nothing shows no gain."""
    kind, words = ("good", "gained") if found.low > 0 else ("bad", "lost")
    sure = found.low > 0 or found.high < 0
    return tag("span", words if sure else "tie", class_=f"badge {kind if sure else 'idle'}")


@dataclass(frozen=True)
class _Marks:
    """Class and title of each image shown, the same on every map; `classes` are those of the whole index."""

    labels: list[str]
    titles: list[str]
    classes: list[str]


def _maps(run: RunReport, maps: FeatureMaps) -> Html:
    labels, paths = labels_by_id(run.index), paths_by_id(run.index)
    known = [i for i in maps.image_ids if i in labels]
    marks = _Marks(
        [labels.get(i, "") for i in maps.image_ids],
        [f"{labels.get(i, '')}: {paths.get(i, '')}" for i in maps.image_ids],
        sorted(set(labels.values())),
    )
    legend = _legend(
        [name for name in marks.classes if any(labels[i] == name for i in known)], marks
    )
    note = (
        f"{count(len(maps.image_ids), 'test image')} on the first two principal components of the features before and "
        f"after together, fitted on {count(maps.train_images, 'training image')}: one basis, one scale."
    )
    near = (maps.near_before, maps.near_after)
    return join(
        [
            card(_components(marks, maps), legend, title="Principal components", note=note),
            _near(marks, near[0], near[1], legend) if near[0] and near[1] else None,
        ]
    )


def _components(marks: _Marks, maps: FeatureMaps) -> Html:
    frame = np.array([*maps.before, *maps.after], dtype=np.float64)
    pairs = (
        ("before", maps.before, maps.explained_before),
        ("after", maps.after, maps.explained_after),
    )
    drawn = []
    for when, points, shares in pairs:
        first, second = (f"component {k + 1} ({percent(s)})" for k, s in enumerate(shares))
        what = f"{when} tuning, {percent(sum(shares))} of the variance"
        drawn.append(_map(marks, points, (first, second), what, when, frame=frame))
    return columns(*drawn)


def _near(marks: _Marks, before: Pairs, after: Pairs, legend: Html) -> Html:
    axes = ("UMAP, first axis", "UMAP, second axis")
    drawn = [
        _map(marks, points, axes, f"{when} tuning, by UMAP", when)
        for when, points in (("before", before), ("after", after))
    ]
    return card(columns(*drawn), legend, title="Neighbours (UMAP)", note=NEAR)


def _map(
    marks: _Marks,
    points: Sequence[tuple[float, float]],
    axes: tuple[str, str],
    what: str,
    when: str,
    *,
    frame: np.ndarray | None = None,
) -> Html:
    placed = np.array(points, dtype=np.float64)
    chart = feature_map(
        placed, marks.labels, marks.titles, marks.classes, axes, what, frame=frame, size=SIZE
    )
    return tag("figure", tag("figcaption", f"{when} tuning", class_="when"), chart)


def _legend(shown: list[str], marks: _Marks) -> Html:
    keys = [
        tag(
            "button",
            swatch(marks.classes.index(name)),
            name,
            type="button",
            class_="key",
            data_series=name,
        )
        for name in shown
    ]
    return tag("div", *keys, class_="legend series", role="group", aria_label="Classes")
