from __future__ import annotations

import logging
import socket
import warnings
from pathlib import Path

import pytest

from data_checks.expectations import ask, validate_index, write_data_docs
from data_checks.questions import CHECKS
from inspection.config import ChecksConfig
from inspection.data.index import ImageIndex
from tests.unit.checks_material import clean_index


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    return clean_index(tmp_path_factory.mktemp("clean"))


def marred(index: ImageIndex) -> ImageIndex:
    """One blank image (a warning), one unlabelled, one in quarantine with a fault that no longer matters."""
    frame = index.frame
    contrast = [0.0, *frame["contrast"].tolist()[1:]]
    label = frame["label"].astype(object).tolist()
    label[1] = None
    quarantine = [None, None, "truncated", *[None] * (len(index) - 3)]
    formats = [*frame["format"].tolist()[:2], None, *frame["format"].tolist()[3:]]
    return index.with_columns(
        contrast=contrast,
        label=label,
        quarantine=quarantine,
        detail=quarantine,
        format=formats,
    )


def test_gate__passes_clean_data_and_asks_everything(clean: ImageIndex) -> None:
    report = validate_index(clean, ChecksConfig())

    assert report.passed
    assert [result.name for result in report.results] == list(CHECKS)
    assert (report.images, report.quarantined, report.offending) == (20, 0, ())


def test_gate__names_files_and_ignores_quarantined_ones(clean: ImageIndex) -> None:
    report = validate_index(marred(clean), ChecksConfig())

    assert not report.passed
    assert [result.name for result in report.failures] == ["label_present"]
    assert [result.name for result in report.cautions] == ["not_blank"]
    assert {(row.path, row.check) for row in report.offending} == {
        ("ok/00.png", "not_blank"),
        ("ok/01.png", "label_present"),
    }
    assert report.quarantined == 1


def test_config__moves_the_limits(clean: ImageIndex) -> None:
    strict = ChecksConfig(min_side=64, min_images_per_class=11, max_megapixels=0.001)

    failed = {result.name for result in validate_index(clean, strict).failures}

    assert failed == {"width_enough", "height_enough", "class_size", "size_bounded"}


def test_class_size__tells_which_classes(clean: ImageIndex) -> None:
    (result,) = ask(clean, ChecksConfig(min_images_per_class=11), ["class_size"])

    assert result.observed == "20 of 20 images, of label ok, scratch"
    assert result.count == 20


def test_empty_index__is_refused_not_a_crash(clean: ImageIndex) -> None:
    nothing = clean.where([False] * len(clean))

    report = validate_index(nothing, ChecksConfig())

    assert not report.passed
    assert "images_left" in {result.name for result in report.failures}


def test_question_that_cannot_be_asked__fails_apart_from_bad_data(clean: ImageIndex) -> None:
    words = clean.with_columns(contrast=["much"] * len(clean))

    (result,) = ask(words, ChecksConfig(), ["not_blank"])

    assert not result.passed
    assert result.error is not None
    assert "could not be checked" in result.sentence


def test_gate__is_quiet_and_offline(
    clean: ImageIndex,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the gate reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    level = logging.getLogger("great_expectations").level
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        validate_index(marred(clean), ChecksConfig())

    assert [str(item.message) for item in caught] == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("great_expectations").level == level


def test_data_docs__are_written_where_asked_only(
    clean: ImageIndex, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page = write_data_docs(clean, ChecksConfig(), tmp_path / "docs")

    assert page.is_file()
    assert page.is_relative_to(tmp_path / "docs")
    assert "image_index_usable" in "".join(p.read_text() for p in page.parent.rglob("*.html"))
    assert capfd.readouterr().out == ""
