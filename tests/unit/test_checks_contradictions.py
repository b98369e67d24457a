from __future__ import annotations

from pathlib import Path

from data_checks.contradictions import quarantine_contradictions
from inspection.data.index import ImageIndex
from tests.unit.checks_material import indexed, surface

BOX = {"x0": 1.0, "y0": 2.0, "x1": 9.0, "y1": 8.0, "label": "scratch"}
OTHER = {**BOX, "x1": 12.0}


def reasons(index: ImageIndex) -> dict[str, str | None]:
    marks = index.frame["quarantine"]
    return {
        path: None if missing else str(mark)
        for path, mark, missing in zip(index.frame["path"], marks, marks.isna(), strict=True)
    }


def test_same_pixels_under_two_labels__are_all_set_aside(tmp_path: Path) -> None:
    twin = surface(1)
    index = indexed(tmp_path, {"ok/a.png": twin, "bad/b.png": twin, "ok/c.png": surface(2)})

    checked = quarantine_contradictions(index)

    assert reasons(checked) == {
        "ok/a.png": "label_conflict",
        "bad/b.png": "label_conflict",
        "ok/c.png": None,
    }
    detail = checked.frame.set_index("path")["detail"]
    assert detail["ok/a.png"] == (
        "labelled 'ok', but the same pixels are 'bad' in bad/b.png: "
        "keep the right one, delete the others"
    )
    assert index.frame["quarantine"].isna().all(), "the index given must not change"


def test_equal_pixels__count_whatever_the_file_is(tmp_path: Path) -> None:
    index = indexed(tmp_path, {"ok/a.png": surface(1), "bad/b.bmp": surface(1)})
    assert index.frame["image_id"].nunique() == 2

    assert set(reasons(quarantine_contradictions(index)).values()) == {"label_conflict"}


def test_plain_copies__stay(tmp_path: Path) -> None:
    index = indexed(tmp_path, {"ok/a.png": surface(1), "ok/b.png": surface(1)})

    assert set(reasons(quarantine_contradictions(index)).values()) == {None}


def test_same_pixels_with_different_boxes__are_set_aside(tmp_path: Path) -> None:
    images = {"ok/a.png": surface(1), "ok/b.png": surface(1), "ok/c.png": surface(1)}
    facts = {
        "ok/a.png": {"boxes": [BOX]},
        "ok/b.png": {"boxes": [OTHER]},
        "ok/c.png": {"boxes": [BOX]},
    }

    checked = quarantine_contradictions(indexed(tmp_path, images, facts))

    assert set(reasons(checked).values()) == {"box_conflict"}
    assert "1 boxes" in str(checked.frame["detail"].iloc[0])


def test_order_of_boxes__does_not_matter(tmp_path: Path) -> None:
    facts = {"ok/a.png": {"boxes": [BOX, OTHER]}, "ok/b.png": {"boxes": [OTHER, BOX]}}
    index = indexed(tmp_path, {"ok/a.png": surface(1), "ok/b.png": surface(1)}, facts)

    assert set(reasons(quarantine_contradictions(index)).values()) == {None}


def test_earlier_reasons__are_kept_and_take_no_part(tmp_path: Path) -> None:
    facts = {"bad/b.png": {"quarantine": "too_small", "detail": "said before"}}
    index = indexed(tmp_path, {"ok/a.png": surface(1), "bad/b.png": surface(1)}, facts)

    checked = quarantine_contradictions(index)

    assert reasons(checked) == {"ok/a.png": None, "bad/b.png": "too_small"}


def test_undecoded_rows__never_contradict(tmp_path: Path) -> None:
    facts = {path: {"pixel_id": None} for path in ("ok/a.png", "bad/b.png")}
    index = indexed(tmp_path, {"ok/a.png": surface(1), "bad/b.png": surface(1)}, facts)

    assert set(reasons(quarantine_contradictions(index)).values()) == {None}


def test_many_copies__make_a_short_sentence(tmp_path: Path) -> None:
    images = {f"{'ok' if n else 'bad'}/{n}.png": surface(1, size=32) for n in range(9)}

    checked = quarantine_contradictions(indexed(tmp_path, images))

    assert "and 5 more" in str(checked.frame["detail"].iloc[0])
