"""The questions asked of every image index, one row of a table each; a gate asks them all.

Covered: what a run relies on later (identity, geometry, labels, class sizes, splits) and what people should know (blank
images, nearly black ones). Not covered: whether a label is right, whether a defect can be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import pandas as pd

from data_checks.contradictions import box_conflicts, label_conflicts
from data_checks.results import Severity
from inspection.config import ChecksConfig
from inspection.data.index import SPLITS, ImageIndex
from inspection.data.unlabelled import UNLABELLED, is_unlabelled

FORMATS = ("png", "jpeg", "bmp", "tiff", "webp")
SHA256 = r"^[0-9a-f]{64}$"
INSIDE = r"^(?!/)(?!.*(?:^|/)\.\.(?:/|$)).+$"
"""A relative POSIX path without `..`."""

BLANK_CONTRAST = 1.0
"""Standard deviation in grey levels below which an image shows nothing: a capped lens, a dead frame."""
DARK, BRIGHT = 5.0, 250.0
"""Mean grey level outside which nearly all pixels are clipped."""

Scope = Literal["usable", "all"]


@dataclass(frozen=True)
class Question:
    """One expectation of Great Expectations with the words a person needs.

    `expectation` names a class of `great_expectations.expectations`; `settings` are its arguments and `limit` says the
    same in words. `scope`: asked of usable rows, or of quarantined ones too.
    """

    name: str
    expectation: str
    settings: Callable[[ChecksConfig], dict[str, Any]]
    limit: Callable[[ChecksConfig], str]
    advice: str
    scope: Scope = "usable"
    severity: Severity = "critical"
    shows: str | None = None
    """Column whose values tell people more than the offending numbers do."""
    told: str = "{:.3g}"
    """How an observed number is written for people."""


def enriched(index: ImageIndex) -> pd.DataFrame:
    """The index's table with the columns that questions need beyond it."""
    frame = index.frame.copy()
    usable = frame["quarantine"].isna()
    frame["megapixels"] = frame["width"].astype(float) * frame["height"].astype(float) / 1e6
    frame["quarantined"] = (~usable).astype(float)
    frame["explained"] = usable | frame["detail"].notna()
    frame["boxes_inside"] = [
        all(_inside(box, width, height) for box in boxes)
        for boxes, width, height in zip(
            frame["boxes"], frame["width"], frame["height"], strict=True
        )
    ]
    frame["label_told"] = frame["label"].mask(is_unlabelled(frame), UNLABELLED)
    good = frame[usable]
    frame["class_size"] = frame["label"].map(good["label"].value_counts()).astype(float)
    for name, groups in (
        ("label_agreed", label_conflicts(good)),
        ("boxes_agreed", box_conflicts(good)),
    ):
        torn = {path for rows in groups for path in rows["path"]}
        frame[name] = ~frame["path"].isin(list(torn))
    grouped = good[good["group"].notna() & good["split"].notna()].groupby("group")["split"]
    frame["group_splits"] = frame["group"].map(grouped.nunique()).fillna(1.0).astype(float)
    return frame


def _inside(box: dict[str, Any], width: float, height: float) -> bool:
    across = 0 <= box["x0"] < box["x1"] <= width
    return bool(across and 0 <= box["y0"] < box["y1"] <= height)


def _null(name: str, column: str, advice: str, says: str) -> Question:
    return Question(
        name, "ExpectColumnValuesToNotBeNull", lambda _: {"column": column}, lambda _: says, advice
    )


def _true(name: str, column: str, advice: str, says: str, scope: Scope = "usable") -> Question:
    return Question(
        name,
        "ExpectColumnValuesToBeInSet",
        lambda _: {"column": column, "value_set": [True]},
        lambda _: says,
        advice,
        scope,
    )


def _matches(name: str, column: str, regex: str, advice: str, says: str) -> Question:
    return Question(
        name,
        "ExpectColumnValuesToMatchRegex",
        lambda _: {"column": column, "regex": regex},
        lambda _: says,
        advice,
        "all" if column == "path" else "usable",
    )


def _member(name: str, column: str, values: tuple[Any, ...], advice: str) -> Question:
    return Question(
        name,
        "ExpectColumnValuesToBeInSet",
        lambda _: {"column": column, "value_set": list(values)},
        lambda _: "one of " + ", ".join(str(value) for value in values),
        advice,
    )


def _between(
    name: str,
    column: str,
    low: Callable[[ChecksConfig], float | None],
    high: Callable[[ChecksConfig], float | None],
    says: Callable[[ChecksConfig], str],
    advice: str,
    severity: Severity = "critical",
    shows: str | None = None,
) -> Question:
    return Question(
        name,
        "ExpectColumnValuesToBeBetween",
        lambda checks: {"column": column, "min_value": low(checks), "max_value": high(checks)},
        says,
        advice,
        "usable",
        severity,
        shows,
    )


_READ_AGAIN = "read the images again with the present version"
_BY_CONTENT = "quarantine the file or save it as PNG or JPEG"

_TABLE: tuple[Question, ...] = (
    Question(
        "images_left",
        "ExpectTableRowCountToBeBetween",
        lambda _: {"min_value": 1},
        lambda _: "at least 1 usable image",
        "look at the quarantine's reasons: nothing is left to learn from",
    ),
    Question(
        "quarantine_share",
        "ExpectColumnMeanToBeBetween",
        lambda checks: {"column": "quarantined", "max_value": checks.max_quarantined},
        lambda checks: f"at most {checks.max_quarantined:.0%} quarantined",
        "repair the files named in the quarantine, or raise checks.max_quarantined in a run's config",
        "all",
        told="{:.0%} quarantined",
    ),
    _true(
        "quarantine_explained",
        "explained",
        "give `detail` a sentence wherever `quarantine` has a reason",
        "a sentence for every reason",
        "all",
    ),
    _matches(
        "path_inside_root",
        "path",
        INSIDE,
        "move the file below the image folder",
        "inside the image folder",
    ),
    _matches(
        "mask_inside_root",
        "mask_path",
        INSIDE,
        "move the mask below the image folder",
        "inside the image folder",
    ),
    _matches("file_hash", "image_id", SHA256, _READ_AGAIN, "a SHA-256 of the file"),
    _matches("pixel_hash", "pixel_id", SHA256, _READ_AGAIN, "a SHA-256 of the pixels"),
    _null("file_hash_present", "image_id", _READ_AGAIN, "a hash for every usable image"),
    _null("decoded", "pixel_id", _BY_CONTENT, "every usable image decodes"),
    _member("format_known", "format", FORMATS, _BY_CONTENT),
    _member("channels_known", "channels", (1, 2, 3, 4), _BY_CONTENT),
    _member("bit_depth_known", "bit_depth", (1, 2, 4, 8, 16), _BY_CONTENT),
    _between(
        "width_enough",
        "width",
        lambda checks: checks.min_side,
        lambda _: None,
        lambda checks: f"at least {checks.min_side} px wide",
        "drop the image or lower checks.min_side in a run's config",
    ),
    _between(
        "height_enough",
        "height",
        lambda checks: checks.min_side,
        lambda _: None,
        lambda checks: f"at least {checks.min_side} px high",
        "drop the image or lower checks.min_side in a run's config",
    ),
    _between(
        "size_bounded",
        "megapixels",
        lambda _: None,
        lambda checks: checks.max_megapixels,
        lambda checks: f"at most {checks.max_megapixels:g} megapixels",
        "cut the image into tiles or raise checks.max_megapixels in a run's config",
    ),
    _null(
        "label_present",
        "label_told",
        "label the image, remove it from the set, or name its folder as unlabelled (data.unlabelled)",
        "a label each",
    ),
    Question(
        "two_classes",
        "ExpectColumnUniqueValueCountToBeBetween",
        lambda _: {"column": "label", "min_value": 2},
        lambda _: "at least 2 classes",
        "add images of another class: one class cannot be told from anything",
        told="{} of them",
    ),
    _between(
        "class_size",
        "class_size",
        lambda checks: checks.min_images_per_class,
        lambda _: None,
        lambda checks: f"at least {checks.min_images_per_class} usable images per class",
        "collect more of the class, merge it, or lower checks.min_images_per_class in a run's config",
        shows="label",
    ),
    _true(
        "label_agreed",
        "label_agreed",
        "quarantine both copies until someone says which label is right",
        "equal pixels, equal label",
    ),
    _true(
        "boxes_agreed",
        "boxes_agreed",
        "quarantine both copies until someone says which boxes are right",
        "equal pixels, equal boxes",
    ),
    _true(
        "boxes_inside",
        "boxes_inside",
        "correct the annotation: 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height",
        "every box inside its image",
    ),
    _member("split_known", "split", SPLITS, "split the index again"),
    _between(
        "group_in_one_split",
        "group_splits",
        lambda _: None,
        lambda _: 1,
        lambda _: "one split per group",
        "split by group: near-copies on both sides make the test result worthless",
    ),
    _between(
        "not_blank",
        "contrast",
        lambda _: BLANK_CONTRAST,
        lambda _: None,
        lambda _: f"contrast of at least {BLANK_CONTRAST:g} grey levels",
        "look at the image: a capped lens or a dead frame teaches nothing",
        "warning",
    ),
    _between(
        "exposure",
        "brightness",
        lambda _: DARK,
        lambda _: BRIGHT,
        lambda _: f"mean grey level {DARK:g} to {BRIGHT:g}",
        "look at the image: nearly all of it is clipped",
        "warning",
    ),
)

CHECKS: Mapping[str, Question] = MappingProxyType({row.name: row for row in _TABLE})
"""Every question by name; the contract test asks each of a clean index and of one with its own planted fault."""
