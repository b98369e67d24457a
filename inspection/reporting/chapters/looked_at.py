"""Chapter: what the student looked at, on a few images it got wrong and a few it got right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.preprocess import preprocess
from inspection.data.marked_area import as_seen, marked_area
from inspection.data.shapes import Mask
from inspection.evaluation.explanations import (
    Explanation,
    Explanations,
    Heat,
    Pointing,
    unpacked,
)
from inspection.reporting.blocks import Section, base, card, shot, table
from inspection.reporting.markup import Child, Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.thumbnails import Pictures, Thumbnail
from inspection.reporting.wording import count, percent

METHODS: Mapping[str, str] = {
    "grad_cam": "Grad-CAM: where the last feature maps speak for the class that the student named",
    "token_grad_cam": "Grad-CAM over the patch tokens, because this transformer has no class token to listen to: "
    "where they speak for the class that the student named",
    "attention": "the last block's attention of the class token to each patch, mean over heads; it says where the "
    "student looked, not for which class",
}
STRENGTH = 0.7
"""Share of the colour where it is hottest; the surface must stay visible below."""
WARM = 140
"""Where the colour scale begins, of 255: from yellow to dark red, no blue that looks like a finding."""

Pixels = npt.NDArray[np.uint8]


def looked_at(run: RunReport, pictures: Pictures) -> Section | None:
    """Heat over the wrong and the right answers; how often it lies where people marked something."""
    found = run.explanations
    if found is None:
        return None
    if not found.shown:
        why = found.reason or "there was no test image to look at"
        return _section(f"Nothing to show: {why}.", Html(""))
    rows = {str(row["path"]): row for row in run.index.frame.to_dict(orient="records")}
    gallery = _Gallery(run, found, pictures, rows)
    wrong = [one for one in found.shown if not one.right]
    right = [one for one in found.shown if one.right]
    body = join(
        [
            _pointing(found),
            gallery.draw(wrong, "Wrong answers", "The surest mistakes, every class in turn."),
            gallery.draw(right, "Right answers", "Drawn by lot, every class in turn."),
        ]
    )
    rows_, columns = found.cells
    lead = (
        f"{METHODS[found.method]}. Seen in {rows_} × {columns} cells, enlarged; each picture is scaled to its own "
        "hottest point. The trained network before export is shown. Heat says what an answer rests on, not why."
    )
    return _section(lead[0].upper() + lead[1:], body)


def _section(lead: str, body: Html) -> Section:
    return Section("looked", "What it looked at", "What the student looked at", lead, body)


def _pointing(found: Explanations) -> Html | None:
    rows = [("right", found.right), ("wrong", found.wrong)]
    filled = [_pointing_row(name, seen) for name, seen in rows if seen is not None]
    if not filled:
        return None
    measured = sum(seen.hits.total for _, seen in rows if seen is not None)
    return card(
        table(
            [
                "Answers",
                "Images",
                "Hottest point inside",
                "95 % interval",
                "Heat inside",
                "By chance",
            ],
            filled,
            caption="Heat inside the marked areas",
            numeric=frozenset({1, 2, 3, 4, 5}),
        ),
        title="Does it look where people marked the defect?",
        note=f"{count(measured, 'test image')} with a mask or boxes; by chance is the marked share of the picture.",
    )


def _pointing_row(name: str, seen: Pointing) -> Sequence[Child]:
    hits = seen.hits
    return [
        name,
        f"{hits.total:,}",
        f"{hits.hits:,} ({percent(hits.value, 0)})",
        f"{percent(hits.low, 0)} – {percent(hits.high, 0)}",
        percent(seen.heat, 0),
        percent(seen.area, 0),
    ]


class _Gallery:
    """Draws explained images: the picture as the network got it, and its heat."""

    def __init__(
        self,
        run: RunReport,
        found: Explanations,
        pictures: Pictures,
        rows: Mapping[str, Mapping[Any, Any]],
    ) -> None:
        self.threshold = run.config.data.mask_threshold
        self.preprocessing = found.preprocessing
        self.by_class = found.method != "attention"
        self.pictures = pictures
        self.rows = rows

    def draw(self, shown: Sequence[Explanation], title: str, note: str) -> Html | None:
        """One card of them; none of nothing."""
        if not shown:
            return None
        return card(
            tag("div", *(self._row(one) for one in shown), class_="pairs looked"),
            title=title,
            note=note,
        )

    def _row(self, one: Explanation) -> Html:
        pixels, missing = self.pictures.pixels(one.path)
        shots = [shot(Thumbnail("", 160, 120, missing=missing), f"Gone: {one.path}")]
        if pixels is not None:
            shots = self._shots(one, pixels)
        verdict = (
            tag("p", tag("b", one.label))
            if one.right
            else tag("p", tag("b", one.label), " called ", tag("b", one.called, class_="miss"))
        )
        words = tag("div", verdict, tag("p", _told(one)), tag("p", base(one.path)), class_="told")
        kind = "gallery three" if len(shots) == 3 else "gallery two"
        return tag("div", tag("div", *shots, class_=kind), words, class_="pair")

    def _shots(self, one: Explanation, pixels: Pixels) -> list[Html]:
        seen, area = preprocess(pixels, self.preprocessing), self._area(one.path, pixels)
        views = [("the picture", seen)]
        for name, heat in ((one.called, one.heat), (one.label, one.heat_true)):
            if heat:
                words = f"speaks for {name}" if self.by_class else "looked at"
                views.append((words, warmed(seen, unpacked(heat, *seen.shape[:2]))))
        return [
            shot(self.pictures.drawn(view, area), f"{words}: {one.path}", words)
            for words, view in views
        ]

    def _area(self, path: str, pixels: Pixels) -> Mask | None:
        row = self.rows.get(path)
        if row is None:
            return None
        shape = (pixels.shape[0], pixels.shape[1])
        area = marked_area(self.pictures.index.root, row, shape, threshold=self.threshold)
        return None if area is None else as_seen(area, self.preprocessing)


def _told(one: Explanation) -> str:
    sure = f"{percent(one.confidence, 0)} sure"
    if one.overlap is None:
        return sure
    place = "inside" if one.overlap.hit else "outside"
    return f"{sure}; {percent(one.overlap.heat, 0)} of the heat in the marks, hottest point {place}"


def warmed(pixels: Pixels, heat: Heat) -> Pixels:
    """The picture (H, W, 3) with heat (H, W) in 0..1 over it, from clear to dark red."""
    scale = np.round(WARM + heat * (255 - WARM)).astype(np.uint8)
    colour = cv2.cvtColor(cv2.applyColorMap(scale, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    share = STRENGTH * heat[..., None]
    return np.asarray(np.round(pixels * (1 - share) + colour * share), dtype=np.uint8)
