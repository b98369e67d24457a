"""How well the images of a set were taken, camera by camera, and which of them stand out from their own kind.

Covered: each image is held against its own camera and session where those have `LEAST_IMAGES`, else against its camera,
else against all; by the measures of `quality_measures.py`. Not covered: a camera or session that is off as a whole (its
summary shows it), and sets of fewer images, of which only blank ones are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np

from data_checks.files_there import Stated, stated
from data_checks.quality_measures import MEASURES, OTHERS, Outlier, blank_images, outliers
from data_checks.results import CheckResult, limited_rows
from deploy.edge.decode import decode, read_bytes
from deploy.edge.errors import ImageError
from deploy.edge.quality import ImageQuality, image_quality
from inspection.config import ChecksConfig
from inspection.data.index import ImageIndex
from inspection.parallel import in_order
from inspection.progress import track
from inspection.records import Record

LEAST_IMAGES = 20
"""Fewer do not tell what is usual."""
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_NO_FAULTS: Mapping[str, str] = MappingProxyType({})

Kind = Literal["all", "camera", "session"]


@dataclass(frozen=True)
class MeasureSummary(Record):
    """One measure over a group: `quantiles` are the values at `QUANTILES`, in `unit`."""

    measure: str
    unit: str
    quantiles: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return self.quantiles[QUANTILES.index(0.5)]


@dataclass(frozen=True)
class GroupSummary(Record):
    """The images of one camera or session, or all of them: `kind` says which."""

    kind: Kind
    name: str
    images: int
    measures: tuple[MeasureSummary, ...]


@dataclass(frozen=True)
class QualityReport(Record):
    """What was measured: `images` looked at, summaries by group, images that stand out, files that were not.

    `faults` says why, by path: `missing`, `changed` (not what was indexed), or a reason of `ImageError`.
    """

    images: int
    groups: tuple[GroupSummary, ...]
    outliers: tuple[Outlier, ...]
    unreadable: tuple[str, ...] = ()
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def flagged(self) -> tuple[str, ...]:
        """Every image that stands out in something, sorted."""
        return tuple(sorted({outlier.path for outlier in self.outliers}))

    @property
    def sentence(self) -> str:
        """The finding in one line."""
        if not self.images:
            return "no image was measured"
        if not self.outliers:
            return f"{self.images} images measured, none stands out from its own kind"
        counts = Counter(outlier.measure for outlier in self.outliers)
        told = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in sorted(counts.items()))
        return f"{len(self.flagged)} of {self.images} images stand out: {told}"


def measure_quality(index: ImageIndex, checks: ChecksConfig) -> QualityReport:
    """Open every usable image once, with a thread per core, and say which stand out."""
    found = _looked_at(index, checks)
    faults = {path: reason for path, reason in found.items() if isinstance(reason, str)}
    measured = {path: each for path, each in found.items() if not isinstance(each, str)}
    return quality_report(index, measured, faults)


def measure_images(index: ImageIndex, checks: ChecksConfig) -> dict[str, ImageQuality]:
    """The measures of every usable image that still opens and is what was indexed, by path in row order."""
    found = _looked_at(index, checks)
    return {path: each for path, each in found.items() if not isinstance(each, str)}


def _looked_at(index: ImageIndex, checks: ChecksConfig) -> dict[str, ImageQuality | str]:
    """Measures, or why there are none, of every usable image."""
    files, limit = stated(index.usable()), checks.max_megapixels
    found = in_order(lambda file: _opened(file, limit), list(files.values()))
    return dict(zip(files, track(found, "measuring images", len(files)), strict=True))


def _opened(file: Stated, max_megapixels: float) -> ImageQuality | str:
    try:
        data = read_bytes(file.path, max_megapixels=max_megapixels)
        file.check(data)
        return image_quality(decode(data, max_megapixels=max_megapixels).pixels)
    except ImageError as error:
        return error.reason


def quality_report(
    index: ImageIndex,
    measured: Mapping[str, ImageQuality],
    faults: Mapping[str, str] = _NO_FAULTS,
) -> QualityReport:
    """Summaries and outliers of what was measured; does not depend on the order of rows.

    `faults` says why other images were not measured, by path.
    """
    frame = index.usable().frame.sort_values("path")
    names = [str(path) for path in frame["path"]]
    images = {name: measured[name] for name in names if name in measured}
    stated = frame[["camera", "session"]].astype(object)
    places = {
        name: Place(*(value if isinstance(value, str) else None for value in row))
        for name, row in zip(names, stated.to_numpy().tolist(), strict=True)
        if name in measured
    }
    found = [outlier for group in _peers(places) for outlier in _judge(group, images)]
    found.sort(key=lambda outlier: (outlier.path, outlier.measure))
    gone = tuple(name for name in names if name not in measured)
    why = {name: faults[name] for name in gone if name in faults}
    return QualityReport(len(images), _summaries(places, images), tuple(found), gone, why)


class Place(NamedTuple):
    """Where an image was taken, as far as its row says."""

    camera: str | None
    session: str | None

    @property
    def name(self) -> str:
        """As people read it."""
        parts = [("camera", self.camera), ("session", self.session)]
        return ", ".join(f"{kind} {value}" for kind, value in parts if value is not None) or "all"


class Peers(NamedTuple):
    """Images that are held against `members`, of which they are some."""

    name: str
    members: tuple[str, ...]
    judged: frozenset[str]


def _peers(places: Mapping[str, Place]) -> list[Peers]:
    """Each image among the closest group that is large enough; that of all is last, however small."""
    left, found = set(places), []
    for level in ("session", "camera", "all"):
        groups: dict[Place, list[str]] = {}
        for path, place in places.items():
            groups.setdefault(_widened(place, level), []).append(path)
        for place, members in groups.items():
            judged = left.intersection(members)
            if judged and (len(members) >= LEAST_IMAGES or level == "all"):
                found.append(Peers(place.name, tuple(members), frozenset(judged)))
                left -= judged
    return found


def _widened(place: Place, level: str) -> Place:
    if level == "all":
        return Place(None, None)
    return place if level == "session" else Place(place.camera, None)


def _judge(peers: Peers, images: Mapping[str, ImageQuality]) -> list[Outlier]:
    if len(peers.members) < LEAST_IMAGES:
        return blank_images(peers.name, {path: images[path] for path in sorted(peers.judged)})
    return outliers(peers.name, {path: images[path] for path in peers.members}, peers.judged)


def _summaries(
    places: Mapping[str, Place], images: Mapping[str, ImageQuality]
) -> tuple[GroupSummary, ...]:
    """All images, then each camera, then each session, by name."""
    groups: dict[tuple[Kind, str], list[ImageQuality]] = {}
    for path, place in places.items():
        groups.setdefault(("all", "all"), []).append(images[path])
        if place.camera is not None:
            groups.setdefault(("camera", place.camera), []).append(images[path])
        if place.session is not None:
            groups.setdefault(("session", place.session), []).append(images[path])
    return tuple(_summary(*key, groups[key]) for key in sorted(groups))


def _summary(kind: Kind, name: str, images: Sequence[ImageQuality]) -> GroupSummary:
    measures = []
    for measure in MEASURES.values():
        values = np.quantile([measure.of(quality) for quality in images], QUANTILES)
        quantiles = tuple(float(f"{value:.5g}") for value in values)
        measures.append(MeasureSummary(measure.name, measure.unit, quantiles))
    return GroupSummary(kind, name, len(images), tuple(measures))


def check_quality(report: QualityReport) -> tuple[CheckResult, ...]:
    """One warning a measure, for a gate's report or a page; what is odd is shown, never refused."""
    advice = {**{name: measure.advice for name, measure in MEASURES.items()}, **OTHERS}
    return tuple(_check(name, advice[name], report) for name in advice)


def _check(name: str, advice: str, report: QualityReport) -> CheckResult:
    found = [outlier for outlier in report.outliers if outlier.measure == name]
    if not found:
        observed = f"none of {report.images} images stands out"
    else:
        observed = f"{len(found)} of {report.images} images stand out, such as {found[0].sentence}"
    return CheckResult(
        name=f"quality_{name}",
        passed=not found and report.images > 0,
        observed=observed,
        limit="like the others of its camera and session",
        advice=advice,
        rows=limited_rows([outlier.path for outlier in found]),
        severity="warning",
        count=len(found),
        error=None if report.images else "no image was measured",
    )
