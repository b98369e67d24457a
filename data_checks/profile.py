"""What a data set is agreed to look like: drawn from one that people have reviewed, kept as JSON, edited by hand.

Covered: a profile says the same whatever the order of rows; reading is strict (unknown keys, nonsense ranges, other
versions are refused with the file and the key). Not covered: whether the reviewed set was good; `profile_gate.py` asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ConfigDict, ValidationError

from data_checks.quality import QualityReport
from inspection.data.index import ImageIndex
from inspection.data.readers.stated import MAX_NAME, one_line, shown
from inspection.data.unlabelled import labelled_part
from inspection.errors import DataError
from inspection.records import Record

VERSION = 1
MARGIN = 0.2
"""How much more or less light, as a share, a profile tolerates: a lamp that ages, not one that is out."""
COUNT_KEPT = 0.5
"""Share of today's images of a class that must stay."""
SHARE_FACTOR = 2.0
"""A share may become so many times smaller or larger, and come or go by `SHARE_MARGIN`."""
SHARE_MARGIN = 0.05
BOXES_FACTOR = 1.5
"""An image may have so many times the boxes that any has today."""
REQUIRABLE = ("label", "camera", "line", "session", "captured_at", "pair_id")
"""Columns that must stay filled if they were; splits and groups are made after the gate."""
LIGHT = ("brightness", "contrast", "sharpness")
FACTS = ("width", "height", "channels", "bit_depth", "format", *LIGHT)
"""Columns that every usable row has."""

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Range(Record):
    """From `low` to `high`, both allowed."""

    low: float
    high: float

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}: exchange them")
        if self.low < 0:
            raise ValueError(f"low {self.low:g} is below 0, which nothing here can be: give 0")

    def __str__(self) -> str:
        return f"{self.low:.6g}" if self.low == self.high else f"{self.low:.6g} to {self.high:.6g}"


@dataclass(frozen=True)
class ClassProfile(Record):
    """How many usable images a class must have, and which share (0..1) of all labelled ones."""

    min_images: int
    share: Range

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        if self.min_images < 0:
            raise ValueError(f"min_images {self.min_images} is below 0: give 0 or more")
        _share("share", self.share)


@dataclass(frozen=True)
class DataProfile(Record):
    """What usable images must be like.

    `width`, `height` in pixels; `brightness`, `contrast`, `sharpness` as `deploy.edge.statistics` has them, already
    widened by `margin` (a share of the light); `boxed`, `masked`: share of images with boxes or regions, and with a
    mask; `boxes_per_image`: over images that have any; `max_quarantined`: share of all files; `required`: columns
    without gaps. `images`: how many were reviewed, for people only.
    """

    version: int
    images: int
    margin: float
    classes: dict[str, ClassProfile]
    width: Range
    height: Range
    channels: tuple[int, ...]
    bit_depths: tuple[int, ...]
    formats: tuple[str, ...]
    brightness: Range
    contrast: Range
    sharpness: Range
    boxed: Range
    masked: Range
    boxes_per_image: Range
    max_quarantined: float
    required: tuple[str, ...]

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"version {self.version} is not {VERSION}: draw the profile again")
        for name in ("boxed", "masked"):
            _share(name, getattr(self, name))
        if not 0 <= self.max_quarantined <= 1:
            raise ValueError(f"max_quarantined {self.max_quarantined:g} is no share: give 0 to 1")
        if unknown := set(self.required) - set(REQUIRABLE):
            raise ValueError(
                f"required: '{min(unknown)}' is none of {', '.join(REQUIRABLE)}: remove it"
            )
        for text in (*self.classes, *self.formats):
            if not text.isprintable() or len(text) > MAX_NAME:
                raise ValueError(f"{shown(text)} is no name that can be printed: correct it")
        for name in ("classes", "channels", "bit_depths", "formats"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty, so no image could pass: name at least one")


def _share(name: str, values: Range) -> None:
    if values.high > 1:
        raise ValueError(f"{name} up to {values.high:g} is no share: give at most 1")


def profile_of(
    index: ImageIndex, quality: QualityReport | None = None, *, margin: float = MARGIN
) -> DataProfile:
    """The profile of a reviewed set; images that `quality` flagged do not stretch its ranges.

    DataError when there is no usable, labelled image, or `margin` is outside 0..1.
    """
    if not 0 <= margin < 1:
        raise DataError(f"margin {margin:g} is no share of the light: give 0 or more, below 1")
    index = labelled_part(index)
    usable = index.usable().frame
    flagged = quality.flagged if quality is not None else ()
    typical = usable[~usable["path"].isin(list(flagged))]
    if typical.empty or usable["label"].isna().all():
        raise DataError("no usable, labelled image to draw a profile from: read other images")
    _stated(typical)
    most = int(typical["boxes"].map(len).max())
    return DataProfile(
        version=VERSION,
        images=len(usable),
        margin=margin,
        classes=_classes(usable),
        width=_extent(typical["width"]),
        height=_extent(typical["height"]),
        channels=_members(typical["channels"]),
        bit_depths=_members(typical["bit_depth"]),
        formats=_members(typical["format"]),
        brightness=_widened(typical["brightness"], margin, most=255.0),
        contrast=_widened(typical["contrast"], margin),
        sharpness=_widened(typical["sharpness"], margin, power=2),
        boxed=_share_range(float(outlined(usable).mean())),
        masked=_share_range(float(usable["mask_path"].notna().mean())),
        boxes_per_image=Range(float(min(1, most)), float(math.ceil(BOXES_FACTOR * most))),
        max_quarantined=_up(
            min(1.0, float(index.frame["quarantine"].notna().mean()) + SHARE_MARGIN)
        ),
        required=tuple(name for name in REQUIRABLE if usable[name].notna().all()),
    )


def _stated(usable: pd.DataFrame) -> None:
    for name in FACTS:
        if usable[name].isna().any():
            path = usable.loc[usable[name].isna(), "path"].iloc[0]
            raise DataError(f"'{path}' has no {name}, so there is no range: read the images again")


def outlined(frame: pd.DataFrame) -> pd.Series[bool]:
    """Which rows have boxes or regions."""
    return (frame["boxes"].map(len) > 0) | (frame["regions"].map(len) > 0)


def _classes(usable: pd.DataFrame) -> dict[str, ClassProfile]:
    counts = usable["label"].value_counts()
    total = int(counts.sum())
    return {
        str(name): ClassProfile(
            max(1, math.floor(COUNT_KEPT * int(counts[name]))), _share_range(counts[name] / total)
        )
        for name in sorted(counts.index)
    }


def _extent(values: pd.Series[Any]) -> Range:
    return Range(float(values.min()), float(values.max()))


def _members(values: pd.Series[Any]) -> tuple[Any, ...]:
    return tuple(sorted(value if isinstance(value, str) else int(value) for value in set(values)))


def _widened(values: pd.Series[Any], margin: float, *, power: int = 1, most: float = 0.0) -> Range:
    """By so much less and more light; `power`: how the number grows with light."""
    low = float(values.min()) * (1 - margin) ** power
    high = float(values.max()) * (1 + margin) ** power
    return Range(_down(low), _up(min(high, most) if most else high))


def _share_range(share: float) -> Range:
    """A share of nothing or everything stays so; others may move."""
    if share in (0.0, 1.0):
        return Range(share, share)
    low = min(share / SHARE_FACTOR, share - SHARE_MARGIN)
    high = max(share * SHARE_FACTOR, share + SHARE_MARGIN)
    return Range(_down(max(0.0, low)), _up(min(1.0, high)))


def _down(value: float) -> float:
    """Three significant digits, never more than the value."""
    return _rounded(value, math.floor)


def _up(value: float) -> float:
    return _rounded(value, math.ceil)


def _rounded(value: float, towards: Any) -> float:
    if value <= 0:
        return 0.0
    digits = 2 - math.floor(math.log10(value))
    return float(round(towards(round(value * 10.0**digits, 6)) / 10.0**digits, max(0, digits)))


def load_profile(path: Path) -> DataProfile:
    """Read a profile that people may have edited; DataError says file, key and remedy."""
    if path.exists() and not path.is_file():
        raise DataError(f"profile '{path}' is no regular file: draw one, or correct checks.profile")
    try:
        return DataProfile.from_json(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"profile '{path}' cannot be read ({error.strerror}): draw one, or correct checks.profile"
        ) from error
    except ValidationError as error:
        told = "; ".join(_fault(dict(fault)) for fault in error.errors()[:5])
        raise DataError(f"profile '{path}': {told} (draw it again if in doubt)") from error


def _fault(fault: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    said = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        said = "no such key: remove it or correct its name"
    elif fault["type"] in ("missing", "missing_argument"):
        said = "is missing: add it, or draw the profile again"
    return one_line(f"{key}: {said}" if key else said)


def diff(old: DataProfile, new: DataProfile) -> tuple[str, ...]:
    """What changes from one profile to the other, a sentence each; none when they ask the same."""
    told = [f"class '{name}' is new" for name in sorted(set(new.classes) - set(old.classes))]
    told += [f"class '{name}' is gone" for name in sorted(set(old.classes) - set(new.classes))]
    for name in sorted(set(old.classes) & set(new.classes)):
        before, after = old.classes[name], new.classes[name]
        told += _moved(f"class '{name}' at least", before.min_images, after.min_images, " images")
        told += _moved(f"share of class '{name}'", before.share, after.share)
    ranges = ("width", "height", *LIGHT, "boxed", "masked", "boxes_per_image")
    for name in (*ranges, "max_quarantined", "margin"):
        told += _moved(name.replace("_", " "), getattr(old, name), getattr(new, name))
    for name in ("channels", "bit_depths", "formats", "required"):
        told += _members_moved(name.replace("_", " "), getattr(old, name), getattr(new, name))
    return tuple(told)


def _moved(what: str, before: object, after: object, unit: str = "") -> list[str]:
    return [] if before == after else [f"{what}: {before}{unit} becomes {after}{unit}"]


def _members_moved(what: str, before: Iterable[Any], after: Iterable[Any]) -> list[str]:
    changes: Mapping[str, set[Any]] = {
        "now allows": set(after) - set(before),
        "no longer has": set(before) - set(after),
    }
    return [
        f"{what} {verb} {', '.join(str(value) for value in sorted(values))}"
        for verb, values in changes.items()
        if values
    ]
