"""The agreed profile: drawn from a reviewed set, written, read strictly, compared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from data_checks.expectations import validate_index
from data_checks.profile import DataProfile, Range, diff, load_profile, profile_of
from data_checks.profile_gate import validate_profile, with_profile
from data_checks.quality import QualityReport
from data_checks.quality_measures import Outlier
from inspection.config import ChecksConfig
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from tests.unit.profile_material import FIRST, agreed_index, put

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    return agreed_index(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def profile(clean: ImageIndex) -> DataProfile:
    return profile_of(clean)


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
