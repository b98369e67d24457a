"""Chapter: how many images of which class in which split, and a few of each to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from inspection.data.index import SPLITS, ImageIndex
from inspection.data.unlabelled import left_out
from inspection.reporting.blocks import Section, base, breakable, card, gallery, shot, table
from inspection.reporting.charts import colour, swatch
from inspection.reporting.look_up import spread
from inspection.reporting.markup import Child, Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.thumbnails import Pictures
from inspection.reporting.wording import count

NO_LABEL = "(no label)"
SAMPLES_PER_CLASS = 6
SAMPLES_IN_ALL = 72


def images(run: RunReport, pictures: Pictures) -> Section:
    """How many images of which class in which split, and a few of each to look at."""
    usable = run.index.usable()
    classes = usable.classes
    lead = (
        f"{count(len(run.index), 'file')} read, {count(len(usable), 'usable image')} in "
        f"{count(len(classes), 'class', 'classes')}. Outlines show the annotated masks and boxes."
    )
    per_class = max(2, min(SAMPLES_PER_CLASS, SAMPLES_IN_ALL // max(1, len(classes))))
    strips = [_strip(usable, name, per_class, pictures) for name in classes]
    samples = card(tag("div", *strips, class_="strips"))
    return Section(
        "images", "Images", "The images", lead, join([_composition(usable, classes), samples])
    )


def _strip(usable: ImageIndex, label: str, most: int, pictures: Pictures) -> Html:
    mine = usable.where(usable.frame["label"] == label)
    head = tag(
        "div", tag("h3", breakable(label)), tag("p", count(len(mine), "image"), class_="note")
    )
    shots = _samples(mine, label, most, pictures)
    return tag("div", head, gallery(shots, label=f"Samples of {label}"), class_="strip")


def _samples(mine: ImageIndex, label: str, most: int, pictures: Pictures) -> list[Html]:
    paths = sorted(str(p) for p in mine.frame["path"])
    chosen = [paths[i] for i in spread(len(paths), most)]
    return [shot(pictures.of(p), f"Sample of class {label}: {p}", base(p)) for p in chosen]


def _composition(usable: ImageIndex, classes: Sequence[str]) -> Html:
    open_ = usable.frame["label"].isna()
    labels = usable.frame["label"].mask(open_, NO_LABEL)
    counts = Counter(zip(labels, usable.frame["split"], strict=True))
    named = [*classes, NO_LABEL] if open_.any() else list(classes)
    totals = {name: int((labels == name).sum()) for name in named}
    most = max(totals.values(), default=1)
    rows: list[list[Child]] = [
        [
            name,
            *(f"{counts[(name, split)]:,}" for split in SPLITS),
            f"{totals[name]:,}",
            _bar([counts[(name, split)] for split in SPLITS], totals[name], most),
        ]
        for name in named
    ]
    every = [sum(counts[(name, split)] for name in named) for split in SPLITS]
    rows.append(["all", *(f"{n:,}" for n in every), f"{sum(totals.values()):,}", None])
    legend = tag(
        "p",
        *(tag("span", swatch(k), split, class_="key") for k, split in enumerate(SPLITS)),
        class_="legend",
    )
    return card(
        table(
            ["class", *SPLITS, "total", ""],
            rows,
            caption="Images per class and split",
            numeric=frozenset({1, 2, 3, 4}),
            kinds=[""] * len(named) + ["sum"],
        ),
        legend,
        *_left_out(usable),
    )


def _left_out(usable: ImageIndex) -> list[Html]:
    left = left_out(usable)
    if not left:
        return []
    said = f"{count(left, 'unlabelled image')} not used: near-copies of, or grouped with, images of val or test."
    return [tag("p", said, class_="note")]


def _bar(parts: Sequence[int], total: int, most: int) -> Html:
    drawn, x = [], 0.0
    for k, amount in enumerate([*parts, total - sum(parts)]):
        width = 100.0 * amount / max(1, most)
        kind = colour(k) if k < len(parts) else "none"
        drawn.append(tag("rect", x=x, y=0, width=width, height=10, class_=kind))
        x += width
    return tag(
        "svg",
        *drawn,
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        class_="stack",
        aria_hidden="true",
    )
