"""What `plumbline data` writes over and where, and what it makes of images that are gone or others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.edge.files import sha256_file
from inspection.data.index import ImageIndex
from inspection.errors import UserError
from pipelines.commands.target import checked_target, outside_images, replaceable
from tests.unit.glue_material import INDEX, draw, fault

pytestmark = pytest.mark.thorough


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return draw(tmp_path / "images")


def refused(checked: dict[str, Any]) -> dict[str, list[str]]:
    return {each["name"]: each["rows"] for each in checked["checks"] if each["state"] == "refused"}


# --- files of the index


@pytest.mark.parametrize("quality", ["--quality", "--no-quality"])
def test_check_refuses_images_that_are_gone_or_others(
    images: Path, said: Any, quality: str
) -> None:
    said("import", images)
    assert said("check", INDEX, quality)["passed"]
    (images / "ok" / "0.png").unlink()
    (images / "ok" / "1.png").write_bytes((images / "ng" / "1.png").read_bytes())
    (images / "ok" / "2.png").unlink()
    (images / "ok" / "2.png").mkdir()
    found = said("check", INDEX, quality, code=3)
    assert refused(found) == {
        "files_there": ["ok/0.png"],
        "files_readable": ["ok/2.png"],
        "files_unchanged": ["ok/1.png"],
    }
    assert found["next"] == [f"plumbline data import {images} --out {INDEX}"]


def test_another_content_of_equal_size_is_seen_when_images_are_read(
    images: Path, said: Any
) -> None:
    said("import", images)
    file = images / "ok" / "3.png"
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(bytes(data))
    assert said("check", INDEX, "--no-quality")["passed"]
    assert refused(said("check", INDEX, code=3)) == {"files_unchanged": ["ok/3.png"]}


def test_no_image_left_is_no_good_quality(images: Path, said: Any, told: Any) -> None:
    said("import", images)
    images.rename(images.with_name("elsewhere"))
    text = told("check", INDEX, code=3)
    assert "none of 0 images" not in text
    assert "no image was measured" in text
    assert "18 of 18 images missing" in text
    assert said("check", INDEX, code=3)["next"] == [f"plumbline data view {INDEX}"]
    assert "No picture   18 x missing" in told("view", INDEX)


def test_patches_name_the_true_cause(tmp_path: Path, images: Path, said: Any) -> None:
    said("import", images)
    assert "these images have none" in fault(said("patches", INDEX, "p", code=2))
    tiles = draw(tmp_path / "tiles", marks=True)
    said("import", tiles, "--out", "tiles.parquet")
    tiles.rename(tmp_path / "away")
    assert "not what was read" in fault(said("patches", "tiles.parquet", "p", code=2))


# --- what stands there


def test_pages_replace_only_pages_of_their_own_kind(images: Path, said: Any) -> None:
    said("import", images)
    for _ in range(2):
        said("view", INDEX, "--page", "v.html")
        said("check", INDEX, "--page", "q.html")
    Path("mine.html").write_text("<html>mine</html>")
    for command in ("view", "check"):
        other = {"view": "q.html", "check": "v.html"}[command]
        for page in ("mine.html", other):
            before = sha256_file(Path(page))
            answer = fault(said(command, INDEX, "--page", page, code=2))
            assert "exists" in answer
            assert "--force" in answer
            assert sha256_file(Path(page)) == before
    said("view", INDEX, "--page", "mine.html", "--force")
    assert "Plumbline" in Path("mine.html").read_text("utf-8")


def test_a_profile_is_replaced_by_force_only(images: Path, said: Any) -> None:
    said("import", images)
    said("check", INDEX, "--write-profile", "profile.json")
    Path("profile.json").write_text("reviewed")
    assert "exists" in fault(said("check", INDEX, "--write-profile", "profile.json", code=2))
    assert Path("profile.json").read_text() == "reviewed"
    said("check", INDEX, "--write-profile", "profile.json", "--force")


def test_import_replaces_an_index_of_the_same_folder_only(
    tmp_path: Path, images: Path, told: Any
) -> None:
    told("import", images)
    assert "Replaced" in told("import", images)
    other = draw(tmp_path / "other")
    first = Path(INDEX).read_bytes()
    assert "is the index of" in told("import", other, code=2)
    Path("foreign.parquet").write_bytes(b"mine")
    assert "is no index" in told("import", images, "--out", "foreign.parquet", code=2)
    assert "was read as folder" in told("import", images, "--kind", "mask_pairs", code=2)
    assert Path(INDEX).read_bytes() == first
    told("import", other, "--force")
    assert ImageIndex.load(Path(INDEX)).root == other


def test_patches_of_other_options_or_images_are_kept(
    tmp_path: Path, images: Path, said: Any
) -> None:
    said("import", draw(tmp_path / "tiles", marks=True))
    cut = ("patches", INDEX, "p", "--size", 32)
    assert not said(*cut, "--pictures", "drawn")["replaced"]
    assert said(*cut, "--pictures", "drawn")["replaced"]
    held = sorted(path.name for path in Path("p").rglob("*"))
    assert "another --size" in fault(said("patches", INDEX, "p", "--size", 16, code=2))
    assert "another --seed" in fault(said(*cut, "--seed", 8, code=2))
    assert sorted(path.name for path in Path("p").rglob("*")) == held
    assert said("patches", INDEX, "p", "--size", 16, "--force")["replaced"]
    assert "two folders" in fault(said("patches", INDEX, "n", "--pictures", "n", code=2))
    next_page = said(*cut, "--force")["next"][0]
    assert next_page.endswith("--page p.html")


def test_an_index_with_edits_is_read_anew_by_force_only(images: Path, said: Any) -> None:
    said("import", images)
    first = Path(INDEX).read_bytes()
    said("split", INDEX)
    assert "--force" in fault(said("import", images, code=2))
    said("import", images, "--force")
    assert Path(INDEX).read_bytes() == first
    assert "nothing was applied" in fault(said("revert", INDEX, code=2))


# --- where


@pytest.mark.parametrize(
    "arguments",
    [
        ("view", INDEX, "--page", "images/x.html"),
        ("check", INDEX, "--page", "images/ok/x.html"),
        ("check", INDEX, "--write-profile", "images/x.json"),
        ("import", "images", "--out", "images/index.parquet"),
        ("patches", INDEX, "images/p"),
        ("patches", INDEX, "p", "--pictures", "images/p"),
    ],
)
def test_nothing_is_written_among_the_images(
    images: Path, said: Any, arguments: tuple[str, ...]
) -> None:
    said("import", "images")
    before = sorted(images.rglob("*"))
    assert "outside it" in fault(said(*arguments, code=2))
    assert sorted(images.rglob("*")) == before


def test_an_index_is_not_written_into_the_folder_it_reads(
    images: Path, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(images)
    assert "lies inside the image folder" in fault(said("import", ".", code=2))
    assert said("import", ".", "--out", "../index.parquet")["usable"] == 18


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file.txt/x.html", "is a file, not a folder"),
        ("no/such/x.html", "does not exist: make it"),
        ("/proc/x.html", "cannot be written to"),
    ],
)
def test_a_parent_that_takes_no_file_is_the_users_to_mend(
    images: Path, said: Any, place: str, reason: str
) -> None:
    Path("file.txt").write_text("x")
    said("import", images)
    for arguments in (
        ("view", INDEX, "--page", place),
        ("check", INDEX, "--page", place),
        ("import", images, "--out", place.replace(".html", ".parquet")),
        ("patches", INDEX, place),
    ):
        assert reason in fault(said(*arguments, code=2))


def test_rules_for_targets(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    assert checked_target(target, ".json") == target
    assert checked_target(tmp_path / "new" / "a.json", ".json")
    assert not replaceable(target, own=False, force=False)
    target.write_text("x")
    assert replaceable(target, own=True, force=False)
    with pytest.raises(UserError, match=r"exists and is mine: remove it, or give --force"):
        replaceable(target, own=False, force=False, why="is mine")
    (tmp_path / "images").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "images")
    with pytest.raises(UserError, match="lies inside the image folder"):
        outside_images(tmp_path / "link" / "x.json", tmp_path / "images")
    assert not list((tmp_path / "images").iterdir())


@pytest.mark.training
def test_features_of_other_settings_or_images_are_kept(
    tmp_path: Path, images: Path, said: Any
) -> None:
    said("import", images)
    embed = ("embed", INDEX, "feat", "--backbone", "test_resnet")
    said(*embed, "--image-size", 64)
    said(*embed, "--image-size", 64)
    kept = sha256_file(Path("feat/features.safetensors"))
    assert "another --image-size" in fault(said(*embed, "--image-size", 32, code=2))
    assert "other --weights or --seed" in fault(
        said(*embed, "--image-size", 64, "--seed", 8, code=2)
    )
    assert fault(said(*embed, "--image-size", 0, code=2)).startswith("--image-size: ")
    said("import", draw(tmp_path / "tiles", marks=True), "--out", "tiles.parquet")
    other = ("embed", "tiles.parquet", "feat", "--backbone", "test_resnet", "--image-size", 64)
    assert "features of other images" in fault(said(*other, code=2))
    assert "outside it" in fault(said("embed", INDEX, "images/feat", code=2))
    assert sha256_file(Path("feat/features.safetensors")) == kept
    said(*embed, "--image-size", 32, "--force")
    assert sha256_file(Path("feat/features.safetensors")) != kept
