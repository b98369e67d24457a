"""The agreed profile: drawn, written, read strictly, compared; each planted change trips its own clause alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_checks.expectations import validate_index
from data_checks.profile import DataProfile, Range, diff, load_profile, profile_of
from data_checks.profile_gate import (
    profile_frame,
    questions_of,
    suite_of,
    validate_profile,
    with_profile,
)
from data_checks.quality import QualityReport
from data_checks.quality_measures import Outlier
from inspection.config import ChecksConfig
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from tests.unit.checks_material import clean_index

pytestmark = pytest.mark.thorough

FIRST = "ok/00.png"
BOX = {"x0": 4.0, "y0": 4.0, "x1": 20.0, "y1": 20.0, "label": "scratch"}

Plant = Callable[[ImageIndex], ImageIndex]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    """Ten parts of each class, half of them with boxes, a third with masks, all from one camera."""
    index = clean_index(tmp_path_factory.mktemp("clean"))
    boxes = [[BOX] * (1 + n % 4 // 2) if n % 2 else [] for n in range(len(index))]
    masks = [None if n % 3 else f"masks/{n}.png" for n in range(len(index))]
    return index.with_columns(boxes=boxes, mask_path=masks, camera="top", session="monday")


@pytest.fixture(scope="module")
def profile(clean: ImageIndex) -> DataProfile:
    return profile_of(clean)


def put(column: str, value: Any, path: str = FIRST) -> Plant:
    def plant(index: ImageIndex) -> ImageIndex:
        values = index.frame[column].astype(object).tolist()
        values[list(index.frame["path"]).index(path)] = value
        return index.with_columns(**{column: values})

    return plant


def only(keep: Callable[[str], bool]) -> Plant:
    return lambda index: index.where([keep(path) for path in index.frame["path"]])


def quarantined(index: ImageIndex) -> ImageIndex:
    reasons = ["truncated", "truncated", *[None] * (len(index) - 2)]
    return index.with_columns(quarantine=reasons, detail=reasons)


def at_least(number: int) -> Callable[[str], bool]:
    return lambda path: int(path[-6:-4]) >= number


ROWS: dict[str, tuple[str, str, Any]] = {
    "classes_known": ("ok/00.png", "label", "dent"),
    "boxes_per_image": ("ok/01.png", "boxes", [BOX] * 9),
    "width": ("ok/02.png", "width", 64),
    "height": ("ok/03.png", "height", 47),
    "channels": ("ok/04.png", "channels", 4),
    "bit_depths": ("scratch/00.png", "bit_depth", 16),
    "formats": ("scratch/01.png", "format", "jpeg"),
    "brightness": ("scratch/02.png", "brightness", 40.0),
    "contrast": ("scratch/03.png", "contrast", 3.0),
    "sharpness": ("scratch/04.png", "sharpness", 5.0),
    "label_stated": ("scratch/05.png", "label", None),
    "camera_stated": ("scratch/06.png", "camera", None),
    "session_stated": ("scratch/07.png", "session", None),
}
"""One file each that is not as agreed, and the clause that must name it and nothing else."""

EVERY = tuple(f"{label}/{n:02d}.png" for label in ("ok", "scratch") for n in range(10))
SIX_TO_NINE = tuple(path for path in EVERY if at_least(6)(path))
SETS: dict[str, tuple[str, Plant, tuple[str, ...]]] = {
    "a class is gone": ("classes_present", only(lambda path: path.startswith("ok")), ()),
    "too few of all": ("class_counts", only(at_least(6)), SIX_TO_NINE),
    "no boxes": ("boxed", lambda i: i.with_columns(boxes=[[]] * len(i)), EVERY),
    "masks everywhere": ("masked", lambda i: i.with_columns(mask_path="m.png"), EVERY),
    "too many quarantined": ("quarantined", quarantined, ("ok/00.png", "ok/01.png")),
}


def test_every_clause__has_a_planted_change(profile: DataProfile) -> None:
    planted = {*ROWS, *(clause for clause, _, _ in SETS.values()), "class_shares"}

    assert {f"profile_{clause}" for clause in planted} == {q.name for q in questions_of(profile)}


def test_planted_file__is_named_by_its_own_clause_and_by_no_other(
    clean: ImageIndex, profile: DataProfile
) -> None:
    index = clean
    for path, column, value in ROWS.values():
        index = put(column, value, path)(index)

    report = validate_profile(index, profile)

    assert {(row.check, row.path) for row in report.offending} == {
        (f"profile_{clause}", path) for clause, (path, _, _) in ROWS.items()
    }
    assert len(report.failures) == len(ROWS)
    for failed in report.failures:
        assert (failed.count, failed.error) == (1, None)
        assert failed.advice
        assert failed.rows[0] in failed.sentence
        assert len(failed.sentence.splitlines()) == 1


def test_reviewed_set__passes_its_own_profile(clean: ImageIndex, profile: DataProfile) -> None:
    report = validate_profile(clean, profile)

    assert report.passed, report.sentence
    assert report.offending == ()
    assert (report.images, report.quarantined) == (20, 0)


@pytest.mark.parametrize("name", SETS)
def test_planted_change__fails_its_own_clause_with_its_files(
    name: str, clean: ImageIndex, profile: DataProfile
) -> None:
    clause, plant, rows = SETS[name]

    report = validate_profile(plant(clean), profile)

    assert not report.passed
    assert [result.name for result in report.results if not result.passed] == [f"profile_{clause}"]
    (failed,) = report.failures
    assert failed.error is None
    assert failed.advice
    assert len(failed.sentence.splitlines()) == 1
    if rows:
        assert (failed.rows, failed.count) == (rows, len(rows))


def test_shares__name_the_class_and_a_missing_one_is_told_by_name(
    clean: ImageIndex, profile: DataProfile
) -> None:
    text = profile.to_json().decode().replace('"high": 1.0', '"high": 0.6')
    tight = DataProfile.from_json(text.encode())
    fewer = only(lambda path: path.startswith("ok") or at_least(4)(path))(clean)

    (shares,) = validate_profile(fewer, tight).failures
    (gone,) = validate_profile(SETS["a class is gone"][1](clean), profile).failures

    assert shares.name == "profile_class_shares"
    assert set(shares.rows) == {path for path in clean.frame["path"] if path.startswith("ok")}
    assert gone.observed == "no image of scratch"


def test_quarantined_files__count_for_the_quarantine_only(
    clean: ImageIndex, profile: DataProfile
) -> None:
    torn = put("label", "dent")(put("width", 9999)(put("quarantine", "truncated")(clean)))

    report = validate_profile(torn, profile)

    assert report.passed, report.sentence
    assert report.quarantined == 1


def test_nothing_usable__fails_and_does_not_crash(clean: ImageIndex, profile: DataProfile) -> None:
    assert not validate_profile(clean.where([False] * 20), profile).passed
    with pytest.raises(DataError, match="no usable, labelled image"):
        profile_of(clean.where([False] * 20))
    with pytest.raises(DataError, match=r"'ok/00\.png' has no brightness"):
        profile_of(put("brightness", None)(clean))


def test_suite__is_a_real_one(clean: ImageIndex, profile: DataProfile) -> None:
    import great_expectations as gx

    suite = suite_of(profile)

    assert isinstance(suite, gx.ExpectationSuite)
    assert len(suite.expectations) == len(list(questions_of(profile)))
    columns = set(profile_frame(clean, profile).columns)
    assert {str(vars(expectation)["column"]) for expectation in suite.expectations} <= columns


def test_profile__does_not_depend_on_the_order_of_rows(clean: ImageIndex) -> None:
    turned = ImageIndex(clean.root, clean.frame.iloc[::-1].reset_index(drop=True))

    assert profile_of(turned).to_json() == profile_of(clean).to_json()


def test_flagged_images__do_not_stretch_the_ranges(clean: ImageIndex) -> None:
    dark = put("brightness", 3.0)(clean)
    found = Outlier(FIRST, "all", "brightness", 3.0, 90.0, 150.0, "too dark")
    quality = QualityReport(20, (), (found,))

    assert profile_of(dark).brightness.low < 3
    assert profile_of(dark, quality).brightness.low > 80
    (failed,) = validate_profile(dark, profile_of(dark, quality)).failures
    assert failed.rows == (FIRST,)


def test_margin__widens_light_as_a_lamp_would(clean: ImageIndex) -> None:
    frame = clean.frame
    wide, none = profile_of(clean, margin=0.5), profile_of(clean, margin=0.0)

    assert wide.brightness.low == pytest.approx(frame["brightness"].min() * 0.5, rel=0.02)
    assert wide.sharpness.high == pytest.approx(frame["sharpness"].max() * 2.25, rel=0.02)
    assert none.contrast.low <= frame["contrast"].min() <= frame["contrast"].max()
    assert frame["contrast"].max() <= none.contrast.high
    with pytest.raises(DataError, match="margin 1 is no share"):
        profile_of(clean, margin=1.0)


def test_file__reads_back_and_joins_the_gate(
    clean: ImageIndex, profile: DataProfile, tmp_path: Path
) -> None:
    path = tmp_path / "line3.profile.json"
    profile.save(path)
    checks = ChecksConfig(profile=path)
    first = validate_index(clean, checks)

    joined = with_profile(first, put("width", 64)(clean), checks)

    assert load_profile(path) == profile
    assert load_profile(path).to_json() == profile.to_json()
    assert [result.name for result in joined.failures] == ["profile_width"]
    assert with_profile(first, clean, ChecksConfig()) is first


EDITS: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "unknown key": (("widht",), 3, "widht: no such key"),
    "key below": (("width", "max"), 3, "width.max: no such key"),
    "upside down": (("width",), {"low": 9, "high": 3}, "low 9 is above high 3"),
    "negative": (("contrast",), {"low": -1, "high": 3}, "low -1 is below 0"),
    "text": (("width", "low"), "48", "width.low: .*number"),
    "no share": (("boxed", "high"), 20, "boxed up to 20 is no share"),
    "class share": (("classes", "ok", "share", "high"), 25, "share up to 25 is no share"),
    "quarantine": (("max_quarantined",), 5, "max_quarantined 5 is no share"),
    "column": (("required",), ["kamera"], "'kamera' is none of label, camera"),
    "no classes": (("classes",), {}, "classes is empty"),
    "version": (("version",), 2, "version 2 is not 1"),
    "nan": (("brightness", "high"), float("nan"), "brightness.high"),
}


@pytest.mark.parametrize("name", EDITS)
def test_edit_by_hand__is_refused_with_file_and_key(
    name: str, profile: DataProfile, tmp_path: Path
) -> None:
    keys, value, told = EDITS[name]
    document = json.loads(profile.to_json())
    place = document
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=told) as caught:
        load_profile(path)

    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"version": 1}'])
def test_unreadable_file__is_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)

    with pytest.raises(DataError, match=re.escape(str(path))) as caught:
        load_profile(path)
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(DataError, match="cannot be read"):
        load_profile(tmp_path / "gone.json")


def test_difference__is_told_in_sentences(clean: ImageIndex, profile: DataProfile) -> None:
    other = put("label", "dent")(put("width", 64)(put("channels", 1)(clean)))
    other = put("camera", None)(other)
    told = diff(profile, profile_of(other))
    assert diff(profile, profile) == ()
    assert told[0] == "class 'dent' is new"
    assert "width: 48 becomes 48 to 64" in told
    assert "channels now allows 1" in told
    assert "required no longer has camera" in told
    assert "class 'dent' is gone" in diff(profile_of(other), profile)
    assert str(Range(1, 1)) == "1"
