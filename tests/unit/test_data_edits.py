"""Edits that fit are carried out and taken back byte for byte; all others are refused before anything is written."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.data.edits import EDITABLE, Edit, Edits, changes, counted, edited
from inspection.data.index import ImageIndex
from inspection.data.journal import apply_edits, history, journal_file, revert_edits
from inspection.errors import DataError

pytestmark = pytest.mark.thorough

BOX = {"x0": 0.1, "y0": 1.0, "x1": 7.3, "y1": 8.0, "label": "scratch"}


def small_index(root: Path) -> ImageIndex:
    """Three images: one with everything said of it, one with nothing, one in quarantine."""
    full: dict[str, Any] = {
        "path": "a/ä b.png",
        "image_id": "1" * 64,
        "label": "ok",
        "label_source": "folder",
        "boxes": [BOX],
        "regions": [{"label": "scratch", "counts": [3, 4, 9]}],
        "mask_path": "a/m.png",
        "group": "g",
        "split": "train",
        "captured_at": datetime.datetime(2026, 3, 29, 1, 30, tzinfo=datetime.UTC),
        "brightness": 0.1,
        "warnings": ["alpha_dropped: x"],
    }
    empty = {"path": "b.png", "image_id": "2" * 64}
    bad = {"path": "c.png", "image_id": "3" * 64, "quarantine": "truncated", "detail": "cut"}
    return ImageIndex.from_rows(root, [full, empty, bad])


VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{name: st.none() | st.text(max_size=5) for name in EDITABLE},
    "boxes": st.lists(st.just(BOX), max_size=2),
    "regions": st.lists(st.just({"label": "x", "counts": [1, 2]}), max_size=2),
    "warnings": st.lists(st.text(max_size=4), max_size=2),
}
PATHS = ["a/ä b.png", "b.png", "c.png"]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_apply_then_revert_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("edits")
    index, file = small_index(folder), folder / "index.parquet"
    index.save(file)
    kept = [file.read_bytes()]
    for _ in range(data.draw(st.integers(1, 3))):
        wanted: dict[str, Any] = {}
        for name in data.draw(st.lists(st.sampled_from(EDITABLE), unique=True, min_size=1)):
            wanted[name] = [data.draw(VALUES[name]) for _ in PATHS]
        before = ImageIndex.load(file)
        after = before.with_columns(**wanted)
        edits = Edits("test", changes(before, after))
        assert apply_edits(file, edits).digest() == ImageIndex.load(file).digest()
        assert changes(ImageIndex.load(file), after) == ()
        kept.append(file.read_bytes())
    while len(kept) > 1:
        kept.pop()
        revert_edits(file)
        assert file.read_bytes() == kept[-1]
    assert history(file).entries == ()
    assert not journal_file(file).exists()
    with pytest.raises(DataError, match="nothing was applied"):
        revert_edits(file)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit("d.png", "label", None, "x"), "'d.png' is not in the index"),
        (Edit("b.png", "label", "ok", "x"), "label is None, the edit expects 'ok'"),
        (Edit("b.png", "width", None, 3), "column 'width' cannot be edited"),
        (Edit("b.png", "boxes", [], "x"), "boxes must be a list"),
        (Edit("b.png", "label", None, 3), "label must be a text or null"),
    ],
)
def test_edits_that_do_not_fit_change_nothing(tmp_path: Path, edit: Edit, said: str) -> None:
    file = tmp_path / "index.parquet"
    small_index(tmp_path).save(file)
    kept = file.read_bytes()
    with pytest.raises(DataError, match=said):
        apply_edits(file, Edits("test", (Edit("c.png", "label", None, "x"), edit)))
    assert file.read_bytes() == kept
    assert not journal_file(file).exists()


def test_the_same_edits_do_not_fit_twice(tmp_path: Path) -> None:
    file = tmp_path / "index.parquet"
    small_index(tmp_path).save(file)
    edits = Edits("test", (Edit("b.png", "label", None, "x"),))
    apply_edits(file, edits)
    with pytest.raises(DataError, match="expects None"):
        apply_edits(file, edits)


@pytest.mark.parametrize("moment", ["apply", "revert"])
def test_a_kill_between_the_two_writes_is_recognised(tmp_path: Path, moment: str) -> None:
    file = tmp_path / "index.parquet"
    small_index(tmp_path).save(file)
    first, edits = file.read_bytes(), Edits("test", (Edit("b.png", "label", None, "x"),))
    apply_edits(file, edits)
    second = file.read_bytes()
    # Either way the journal names an entry that the file does not carry.
    file.write_bytes(first)
    assert history(file).entries == ()
    if moment == "apply":
        apply_edits(file, edits)
        assert file.read_bytes() == second
        revert_edits(file)
    assert file.read_bytes() == first


def test_an_index_written_by_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "index.parquet"
    small_index(tmp_path).save(file)
    apply_edits(file, Edits("test", (Edit("b.png", "label", None, "x"),)))
    small_index(tmp_path).with_columns(label="y").save(file)
    with pytest.raises(DataError, match="written by something else"):
        revert_edits(file)
    journal_file(file).write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        revert_edits(file)


def test_a_file_of_edits_is_read_strictly(tmp_path: Path) -> None:
    edits = Edits("labels", (Edit("b.png", "label", None, "x", "looked at it"),))
    edits.save(tmp_path / "e.json")
    assert Edits.read(tmp_path / "e.json") == edits
    assert counted(edits.edits) == {"label": 1}
    for text in ("", "{}", '{"kind": "x", "edits": [{"path": 3}]}', "\x00"):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(DataError, match="holds no edits"):
            Edits.read(tmp_path / "bad.json")
    with pytest.raises(DataError, match="does not exist"):
        Edits.read(tmp_path / "none.json")


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        apply_edits(tmp_path / "none.parquet", Edits("test", ()))


def test_changes_need_the_same_files(tmp_path: Path) -> None:
    index = small_index(tmp_path)
    with pytest.raises(DataError, match="list different files"):
        changes(index, index.where(index.frame["path"] != "b.png"))
    assert edited(index, Edits("test", ())).digest() == index.digest()
