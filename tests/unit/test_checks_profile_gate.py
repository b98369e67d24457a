"""The agreed profile as a gate: each planted change trips its own clause alone, and what is agreed passes."""

from __future__ import annotations

from typing import Any

import pytest

from data_checks.profile import DataProfile, profile_of
from data_checks.profile_gate import profile_frame, questions_of, suite_of, validate_profile
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from tests.unit.profile_material import BOX, Plant, agreed_index, at_least, only, put

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    return agreed_index(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def profile(clean: ImageIndex) -> DataProfile:
    return profile_of(clean)


def quarantined(index: ImageIndex) -> ImageIndex:
    reasons = ["truncated", "truncated", *[None] * (len(index) - 2)]
    return index.with_columns(quarantine=reasons, detail=reasons)


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
