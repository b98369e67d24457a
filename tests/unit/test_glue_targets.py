"""What `plumbline data` writes over, where, and what it says of data that are gone, odd or closed."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from deploy.edge.files import sha256_file
from inspection.config import DataConfig, SplitConfig
from inspection.data.index import ImageIndex
from inspection.data.readers.guess import passed_over
from inspection.errors import DataError, UserError
from pipelines.commands.target import checked_target, outside_images, replaceable
from pipelines.data_options import by_option, option_faults
from pipelines.faults import stopped_sentence
from pipelines.output import Table, _print_table
from tests.unit.checks_material import surface

pytestmark = pytest.mark.thorough

INDEX = "index.parquet"


def draw(root: Path, *, marks: bool = False) -> Path:
    """Nine images of each of two classes; with `marks` as image and mask pairs."""
    for label, seed in (("MT_Free", 0), ("MT_Crack", 100)) if marks else (("ok", 0), ("ng", 100)):
        folder = root / label / "Imgs" if marks else root / label
        folder.mkdir(parents=True)
        for number in range(9):
            suffix = "jpg" if marks else "png"
            cv2.imwrite(str(folder / f"{number}.{suffix}"), surface(seed + number, size=48))
            if marks:
                mask = np.zeros((48, 48), np.uint8)
                mask[20:30, 10:20] = 255 if seed else 0
                cv2.imwrite(str(folder / f"{number}.png"), mask)
    return root


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return draw(tmp_path / "images")


def fault(document: dict[str, Any]) -> str:
    (only,) = document["faults"]
    assert "\n" not in only
    return str(only)


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


# --- what is said


def test_import_names_what_it_sets_aside(images: Path, said: Any, told: Any) -> None:
    for number in range(7):
        (images / "ok" / f"bad {number}.png").write_bytes(b"no image")
    found = said("import", images)
    assert len(found["set_aside_files"]) == 7
    assert all(each["detail"] for each in found["set_aside_files"])
    text = told("import", images, "--out", "my index.parquet")
    assert "ok/bad 0.png: " in text
    assert "and 2 more: plumbline data view 'my index.parquet'" in text
    command = text.partition("Next:")[2].splitlines()[0]
    assert shlex.split(command) == ["plumbline", "data", "check", "my index.parquet"]


def test_no_usable_image_is_no_success(images: Path, said: Any, told: Any) -> None:
    for path in images.rglob("*.png"):
        path.write_bytes(b"no image")
    found = said("import", "images", code=3)
    assert found["next"] == [f"plumbline data view {INDEX}"]
    assert "no image is usable" in told("import", "images", code=3)


def test_images_without_a_label_are_not_called_nan(images: Path, said: Any) -> None:
    cv2.imwrite(str(images / "stray.png"), surface(500, size=48))
    assert said("import", "images")["labels"] == {"ok": 9, "ng": 9, "(no label)": 1}


def test_a_warning_of_the_whole_table_is_told_in_its_words(images: Path, told: Any) -> None:
    rows = [f"ok/{n}.png,ok" for n in range(4)] + [f"ng/{n}.png,ng" for n in range(4)]
    (images / "list.csv").write_text("\n".join(["path,label", *rows]))
    text = told("import", images)
    assert "images_unlisted: 10 below" in text
    assert "1 x images_unlisted" not in text


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("annotations.json", b"", "is empty"),
        ("annotations.json", b"[1, 2]", "no COCO file"),
        ("list.csv", b"", "is empty"),
        ("list.csv", b"file,klass\na,b\n", "'file,klass'"),
        ("list.csv", "path,label\n".encode("utf-16"), "no UTF-8"),
    ],
)
def test_annotation_files_that_are_passed_over_are_named(
    images: Path, said: Any, name: str, data: bytes, why: str
) -> None:
    assert passed_over(images, "folder") == []
    (images / name).write_bytes(data)
    (note,) = said("import", images)["notes"]
    assert name in note
    assert "looks like an annotation file and was not used" in note
    assert why in note


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--annotations", "missing.csv"), "--annotations: kind 'folder' reads no such file"),
        (("--kind", "yolo", "--class-name", "1=a", "--class-name", "1=b"), "is 'a' and 'b'"),
        (("--kind", "synthetic"), "--kind synthetic: no such layout"),
        (("--kind", "manifest", "--annotations", "no.csv"), "--annotations: no file 'no.csv'"),
        (("--ok-class", "fine"), "--ok-class: no image is labelled 'fine'"),
        (("--label-pattern", "["), "--label-pattern: "),
    ],
)
def test_import_speaks_of_options(
    images: Path, said: Any, arguments: tuple[str, ...], words: str
) -> None:
    answer = fault(said("import", images, *arguments, code=2))
    assert words in answer
    assert "data." not in answer


def test_patch_options_are_called_as_the_command_line_calls_them(images: Path, said: Any) -> None:
    said("import", images)
    assert fault(said("patches", INDEX, "p", "--per-image", 0, code=2)).startswith("--per-image is")
    assert "--ok-class" in fault(said("patches", INDEX, "p", "--ok-per-image", 2, code=2))


def test_faults_of_a_list_are_called_by_its_option() -> None:
    with pytest.raises(ValidationError) as caught:
        SplitConfig.model_validate({"keep_together": ["banana"], "val": 2})
    faults = option_faults(caught.value)
    assert [fault.partition(":")[0] for fault in faults] == ["--val", "--together"]


def test_both_names_become_the_option() -> None:
    error = by_option(DataError("give --ok-class (data.ok_class) below data.root"))
    assert str(error) == "give --ok-class below the image folder"


@pytest.fixture
def nobody() -> Iterator[None]:
    """A user whom closed folders stay closed to, also where tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


def test_a_closed_class_folder_is_not_an_empty_one(nobody: None) -> None:
    from inspection.data.readers.folder import read_folder

    with tempfile.TemporaryDirectory() as place:
        for label in ("ok", "ng"):
            (Path(place) / label).mkdir()
            (Path(place) / label / "a.png").write_bytes(b"x")
        (Path(place) / "ng").chmod(0)
        with pytest.raises(DataError, match=r"/ng' cannot be read .*change its permissions"):
            read_folder(Path(place), DataConfig(kind="folder", root=Path(place)))
        (Path(place) / "ng").chmod(0o755)


def test_an_index_of_another_version_is_told_in_short(images: Path, said: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    said("import", images)
    table = pq.read_table(INDEX)
    pq.write_table(table.drop(["fingerprint"]).append_column("hue", pa.nulls(len(table))), INDEX)
    answer = fault(said("view", INDEX, code=2))
    assert "another version (without fingerprint; with hue)" in answer
    pq.write_table(pa.table({"a": [1]}), "other.parquet")
    assert "plumbline data import writes one" in fault(said("view", "other.parquet", code=2))


def test_a_signal_costs_what_is_said() -> None:
    assert "what was read is kept" in stopped_sentence(["data", "import", "x"])
    assert "finished vectors" in stopped_sentence(["--json", "data", "embed", "i"])
    assert "no file is half-written" in stopped_sentence(["data", "view", "i"])
    assert "finished steps" in stopped_sentence(["run", "x.yaml"])


def test_tables_end_where_their_words_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = Table(("name", "what was seen"), [("a", "x" * 300), ("b", "short")])
    _print_table(table)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "b     short"
    assert lines[1].endswith("x" * 300)


def test_no_color_leaves_no_codes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, wanted in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", name)
        _print_table(Table(("name", "seen"), [("a", "b")]))
        assert ("\x1b[" in capsys.readouterr().out) == wanted


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


def test_a_seed_that_no_generator_takes_is_refused(images: Path, said: Any) -> None:
    said("import", images)
    assert "--seed" in fault(said("patches", INDEX, "p", "--seed", 10**20, code=2))
