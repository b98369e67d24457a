"""The agreed profile of a data set as a Great Expectations suite, and the answers of an index to it.

Covered: each clause of `profile.DataProfile` is one expectation, critical, that names the files it refuses; quarantined
files count for the quarantine's share only. Not covered: what the index does not state (`quality.py` opens the files).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pandas as pd

from data_checks.expectations import answered, as_suite
from data_checks.profile import LIGHT, DataProfile, Range, load_profile, outlined
from data_checks.questions import Question
from data_checks.results import CheckResult, GateReport, limited_rows
from inspection.config import ChecksConfig
from inspection.data.index import ImageIndex
from inspection.data.unlabelled import labelled_part

REVIEW = "look at the files; if they belong here, draw the profile again and have `diff` reviewed"
SHARES = {"boxed": "boxes or regions", "masked": "a mask", "quarantined": "a reason for quarantine"}
"""Columns of 0 and 1 whose mean is asked about, and what a 1 says."""

_ANY = ChecksConfig()


def suite_of(profile: DataProfile) -> Any:
    """The `great_expectations.ExpectationSuite` that says what the profile says; asked of `profile_frame`."""
    return as_suite(list(questions_of(profile)), _ANY, "profile")


def validate_profile(index: ImageIndex, profile: DataProfile) -> GateReport:
    """Every clause of the profile asked of the index; it says nothing of unlabelled images."""
    frame = profile_frame(labelled_part(index), profile)
    asked = list(questions_of(profile))
    found = answered(frame, asked, _ANY, "profile")
    results = tuple(_named(found[question.name], frame, profile) for question in asked)
    quarantined = int(index.frame["quarantine"].notna().sum())
    return GateReport.of(results, images=len(index), quarantined=quarantined)


def with_profile(report: GateReport, index: ImageIndex, checks: ChecksConfig) -> GateReport:
    """The gate's report with the answers to `checks.profile`, where the config names one."""
    if checks.profile is None:
        return report
    return report.with_results(*validate_profile(index, load_profile(checks.profile)).results)


def profile_frame(index: ImageIndex, profile: DataProfile) -> pd.DataFrame:
    """What the suite looks at: every row by path, with nothing but `quarantined` stated of quarantined ones."""
    frame = index.frame
    usable = frame["quarantine"].isna()
    plain = ["label", "width", "height", "channels", "bit_depth", "format", *LIGHT]
    columns: dict[str, Any] = {name: frame[name] for name in plain}
    boxes = frame["boxes"].map(len).astype(float)
    columns["boxes_per_image"] = boxes.where(boxes > 0)
    columns["boxed"] = outlined(frame).astype(float)
    columns["masked"] = frame["mask_path"].notna().astype(float)
    columns |= _class_columns(frame["label"].where(usable), profile)
    for name in profile.required:
        columns[_stated(name)] = frame[name].notna()
    said = {name: values.astype(object).where(usable, None) for name, values in columns.items()}
    numbers = ["width", "height", "channels", "bit_depth", *LIGHT]
    numbers += ["boxes_per_image", "boxed", "masked"]
    made = pd.DataFrame({"path": frame["path"], **said}).astype(dict.fromkeys(numbers, float))
    return made.assign(quarantined=(~usable).astype(float)).sort_values("path", ignore_index=True)


def _class_columns(labels: pd.Series[Any], profile: DataProfile) -> dict[str, pd.Series[Any]]:
    """Is the row's class large enough, and of a usual share? None for strangers; no shares while a class is gone."""
    counts = labels[labels.isin(list(profile.classes))].value_counts()
    total = int(counts.sum())
    enough, usual = {}, {}
    for name, wanted in profile.classes.items():
        here = int(counts.get(name, 0))
        enough[name] = here >= wanted.min_images
        share = here / total if total else 0.0
        usual[name] = wanted.share.low <= share <= wanted.share.high
    whole = set(counts.index) == set(profile.classes)
    shares = labels.map(usual if whole else {})
    return {"class_large_enough": labels.map(enough), "class_share_usual": shares}


def _stated(column: str) -> str:
    return f"{column}_stated"


def questions_of(profile: DataProfile) -> Iterator[Question]:
    """One question per clause, in the order of the report."""
    classes = list(profile.classes)
    yield _of_set("classes_known", "label", classes)
    yield _question(
        "classes_present",
        "ExpectColumnDistinctValuesToContainSet",
        {"column": "label", "value_set": classes},
        "every class of the profile: " + ", ".join(classes),
        advice="add images of the class, or take it out of the profile",
    )
    least = ", ".join(f"{name} {wanted.min_images}" for name, wanted in profile.classes.items())
    yield _true("class_counts", "class_large_enough", f"images per class at least: {least}")
    usual = ", ".join(f"{name} {wanted.share}" for name, wanted in profile.classes.items())
    yield _true("class_shares", "class_share_usual", f"shares per class: {usual}")
    for name in ("width", "height"):
        yield _between(name, getattr(profile, name), "px")
    yield _of_set("channels", "channels", profile.channels)
    yield _of_set("bit_depths", "bit_depth", profile.bit_depths)
    yield _of_set("formats", "format", profile.formats)
    for name in LIGHT:
        yield _between(name, getattr(profile, name), "")
    yield _between("boxes_per_image", profile.boxes_per_image, "boxes")
    for name in ("boxed", "masked"):
        yield _mean(name, getattr(profile, name))
    yield _mean("quarantined", Range(0.0, profile.max_quarantined))
    for name in profile.required:
        advice = f"give `{name}` for the files, or take it out of the profile's `required`"
        yield _true(f"{name}_stated", _stated(name), f"`{name}` without gaps", advice)


def _question(
    name: str,
    expectation: str,
    settings: dict[str, Any],
    limit: str,
    *,
    advice: str = REVIEW,
    shows: str | None = None,
    told: str = "{:.3g}",
) -> Question:
    return Question(
        f"profile_{name}",
        expectation,
        lambda _: settings,
        lambda _: limit,
        advice,
        shows=shows,
        told=told,
    )


def _of_set(name: str, column: str, values: Any) -> Question:
    settings = {"column": column, "value_set": list(values)}
    limit = "one of " + ", ".join(str(value) for value in values)
    return _question(name, "ExpectColumnValuesToBeInSet", settings, limit)


def _true(name: str, column: str, limit: str, advice: str = REVIEW) -> Question:
    settings = {"column": column, "value_set": [True]}
    shows = "label" if column.startswith("class_") else None
    return _question(
        name, "ExpectColumnValuesToBeInSet", settings, limit, advice=advice, shows=shows
    )


def _between(name: str, values: Range, unit: str) -> Question:
    settings = {"column": name, "min_value": values.low, "max_value": values.high}
    return _question(name, "ExpectColumnValuesToBeBetween", settings, f"{values} {unit}".rstrip())


def _mean(name: str, values: Range) -> Question:
    settings = {"column": name, "min_value": values.low, "max_value": values.high}
    limit = f"a share of {values} with {SHARES[name]}"
    told = "a share of {:.3g} with " + SHARES[name]
    return _question(name, "ExpectColumnMeanToBeBetween", settings, limit, told=told)


def _named(result: CheckResult, frame: pd.DataFrame, profile: DataProfile) -> CheckResult:
    """What Great Expectations leaves unsaid: which classes are missing, and which files make a share too large."""
    column = result.name.removeprefix("profile_")
    if result.passed or result.error is not None:
        return result
    if column == "classes_present":
        missing = sorted(set(profile.classes) - set(frame["label"].dropna()))
        return dataclasses.replace(result, observed=f"no image of {', '.join(missing)}")
    if column not in SHARES:
        return result
    if frame[column].isna().all():
        return dataclasses.replace(result, observed="no usable image")
    high = profile.max_quarantined if column == "quarantined" else getattr(profile, column).high
    there = 1.0 if float(frame[column].mean()) > high else 0.0
    paths = [str(path) for path in frame.loc[frame[column] == there, "path"]]
    return dataclasses.replace(result, rows=limited_rows(paths), count=len(paths))
