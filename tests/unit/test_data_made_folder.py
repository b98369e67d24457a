"""A folder that is made as a whole: failures leave what was there, and only our own is ever replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspection.data.made_folder import check_target, made_folder, write_listing
from inspection.errors import DataError

LISTING, KIND = "list.json", "things"


def made(place: Path, name: str, words: str) -> None:
    with made_folder(place) as aside:
        (aside / "in").mkdir()
        (aside / "in" / name).write_text(words)
        write_listing(aside, LISTING, KIND, {})


def checked(tmp_path: Path, kind: str = KIND) -> Path:
    return check_target(tmp_path / "out", tmp_path / "data", LISTING, kind)


def test_a_folder_of_ours_is_replaced(tmp_path: Path) -> None:
    made(checked(tmp_path), "a", "old")
    made(checked(tmp_path), "b", "new")
    assert [path.name for path in (tmp_path / "out" / "in").iterdir()] == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    made(checked(tmp_path), "a", "new")
    assert (tmp_path / "out" / "in" / "a").read_text() == "new"


def fail(place: Path) -> None:
    with made_folder(place) as aside:
        (aside / "half").write_text("x")
        raise OSError(28, "No space left on device")


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    place = checked(tmp_path)
    made(place, "a", "old")
    with pytest.raises(OSError, match="No space"):
        fail(place)
    assert (place / "in" / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failure_of_the_last_rename_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = checked(tmp_path)
    made(place, "a", "old")
    rename = Path.rename

    def once(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        raise OSError(5, f"no rename of {self.name} to {target}")

    monkeypatch.setattr(Path, "rename", once)
    with pytest.raises(OSError, match="no rename"):
        made(place, "b", "new")
    assert (place / "in" / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("plant", ["file", "link", "list of another kind", "broken list"])
def test_anything_foreign_is_refused(tmp_path: Path, plant: str) -> None:
    place = checked(tmp_path)
    made(place, "a", "old")
    if plant == "file":
        (place / "in" / "mine").write_text("x")
    elif plant == "link":
        (place / "elsewhere").symlink_to(tmp_path)
    elif plant == "broken list":
        (place / LISTING).write_text('{"kind": "things"}')
    with pytest.raises(DataError, match="which is not from an earlier run; give a new or empty"):
        checked(tmp_path, "others" if plant.startswith("list") else KIND)
    assert (place / "in" / "a").read_text() == "old"
