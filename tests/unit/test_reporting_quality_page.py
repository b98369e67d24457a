"""The page about image quality: it shows what stands out, stays offline, and treats every name as data."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_checks.quality import QualityReport, measure_quality
from inspection.config import ChecksConfig
from inspection.data.index import ImageIndex
from inspection.reporting.quality_page import (
    GROUPS,
    SHOTS,
    render_quality_page,
    write_quality_page,
)
from tests.unit.checks_material import indexed, surface
from tests.unit.reporting_audit import Audit, audit

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>\"'&\u202e"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    """Two cameras of 24 images; one image of the first is dark, one of the second blurred."""
    made = {f"ok/{number:02d}.png": surface(number, size=64) for number in range(48)}
    made["ok/03.png"] = (made["ok/03.png"] * 0.3).astype(np.uint8)
    made["ok/30.png"] = cv2.GaussianBlur(made["ok/30.png"], (0, 0), 4).astype(np.uint8)
    cameras = ["left"] * 24 + ["right"] * 24
    return indexed(tmp_path_factory.mktemp("parts"), made).with_columns(camera=cameras)


@pytest.fixture(scope="module")
def report(index: ImageIndex) -> QualityReport:
    return measure_quality(index, ChecksConfig())


def drawn(report: QualityReport, index: ImageIndex) -> Audit:
    return audit(render_quality_page(report, index, created=NOW, name="line 3"))


def test_page__shows_what_stands_out_and_every_group(
    index: ImageIndex, report: QualityReport
) -> None:
    found = drawn(report, index)

    assert (found.crossed, found.unclosed) == ([], [])
    assert "2 images to look at" in found.text
    for outlier in report.outliers:
        assert outlier.sentence in found.text
    assert {one.measure for one in report.outliers} == {"brightness", "focus"}
    assert found.tags["img"] == 2
    assert found.values("class").count("chart") == 7
    assert "camera left" in found.text
    assert [words for level, words in found.headings if level == 2] == [
        "Images that stand out",
        "By camera and session",
        "Medians",
    ]


def test_page__loads_nothing(index: ImageIndex, report: QualityReport) -> None:
    found = drawn(report, index)

    assert all(value.startswith(("#", "data:")) for value in found.values("href"))
    assert all(value.startswith("data:image/jpeg;base64,") for value in found.values("src"))
    assert any("default-src 'none'" in value for value in found.values("content"))


def test_hostile_names__stay_text(index: ImageIndex, report: QualityReport) -> None:
    groups = tuple(
        group if group.kind == "all" else dataclasses.replace(group, name=HOSTILE)
        for group in report.groups
    )
    outliers = tuple(
        dataclasses.replace(one, path=HOSTILE, group=HOSTILE, sentence=f"'{HOSTILE}' is odd")
        for one in report.outliers
    )
    hostile = dataclasses.replace(report, groups=groups, outliers=outliers, unreadable=(HOSTILE,))
    gone = dataclasses.replace(hostile, outliers=report.outliers)

    found = drawn(hostile, index)

    assert (found.crossed, found.unclosed) == ([], [])
    assert found.values("onerror") == []
    assert found.tags["img"] == 0
    assert found.tags["script"] == drawn(report, index).tags["script"] == 1
    assert drawn(gone, index).tags["img"] == 2
    assert "\u202e" not in found.text
    assert "onerror=alert(1)" in found.text
    assert "1 file missing, damaged, or no longer what was read" in found.text


def test_even_set__says_so(index: ImageIndex, report: QualityReport) -> None:
    even = dataclasses.replace(report, outliers=(), groups=report.groups[:1])

    found = drawn(even, index)

    assert "Every image is like the others" in found.text
    assert found.text.count("not stated") == 2
    assert "Distributions" in [words for _, words in found.headings]


def test_nothing_measured__is_a_page_all_the_same(index: ImageIndex) -> None:
    found = drawn(QualityReport(0, (), ()), index)

    assert (found.crossed, found.unclosed) == ([], [])
    assert found.values("class").count("chart") == 0


def test_long_lists__are_cut_fairly_and_say_so(index: ImageIndex, report: QualityReport) -> None:
    dark = next(one for one in report.outliers if one.measure == "brightness")
    blurred = next(one for one in report.outliers if one.measure == "focus")
    outliers = (*(dataclasses.replace(dark, path=f"ok/{n}.gone") for n in range(300)), blurred)
    camera = report.groups[1]
    groups = [dataclasses.replace(camera, name=f"c{n:02d}", images=n + 1) for n in range(60)]
    many = dataclasses.replace(report, outliers=outliers, groups=(report.groups[0], *groups))

    found = drawn(many, index)

    assert found.values("data-measure").count("brightness") == SHOTS - 1
    assert found.values("data-measure").count("focus") == 1
    assert f"{301 - SHOTS} more in the report" in found.text
    assert f"The {GROUPS} largest groups of 61" in found.text
    assert "camera c59, 60 images" in found.text
    assert "camera c01, 2 images" not in found.text


def test_it_is_written_whole(index: ImageIndex, report: QualityReport, tmp_path: Path) -> None:
    target = write_quality_page(report, index, tmp_path / "deep" / "quality.html", created=NOW)

    text = target.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert index.root.name in text
    assert [file.name for file in target.parent.iterdir()] == ["quality.html"]
