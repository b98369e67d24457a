from __future__ import annotations

from pathlib import Path

import pytest

from data_checks.contradictions import quarantine_contradictions
from data_checks.label_decisions import Decision, decisions_to_edits, read_decisions
from inspection.data.edits import edited
from inspection.data.index import ImageIndex
from inspection.errors import DataError


def index() -> ImageIndex:
    rows = [
        {"path": "ok/1.png", "label": "ok", "label_source": "folder", "pixel_id": "p"},
        {"path": "ok/2.png", "label": "ok", "label_source": "folder", "pixel_id": "q"},
        {"path": "bad/3.png", "label": "bad", "label_source": "folder", "pixel_id": "p"},
        {"path": "bad/ü, 4.png", "label": "bad", "label_source": "folder", "pixel_id": "r"},
    ]
    return ImageIndex.from_rows(Path("/nowhere"), rows)


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


JSON = (
    '{"decisions": [{"path": "ok/1.png", "decision": "relabel", "label": "bad"}, '
    '{"path": "ok/2.png", "decision": "keep", "label": null}]}'
)
EXPECTED = (Decision("ok/1.png", "relabel", "bad"), Decision("ok/2.png", "keep"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("d.json", JSON),
        ("d.json", JSON.removeprefix('{"decisions": ').removesuffix("}")),
        ("d.csv", "path,decision,label\nok/1.png,relabel,bad\nok/2.png,keep,\n"),
        ("d.CSV", "\ufeffpath;decision;label\r\nok/1.png;Relabel ;bad\r\nok/2.png;KEEP;\r\n"),
        ("d.csv", "decision,path,label\nrelabel,ok/1.png,bad\n,bad/3.png,\nkeep,ok/2.png,\n"),
    ],
    ids=["page", "bare list", "by hand", "from Excel", "undecided lines"],
)
def test_read(name: str, text: str, tmp_path: Path) -> None:
    assert read_decisions(written(tmp_path, name, text)) == EXPECTED


def test_read__keeps_odd_names(tmp_path: Path) -> None:
    text = 'path,decision\n"bad/ü, 4.png",quarantine\n'

    assert read_decisions(written(tmp_path, "d.csv", text))[0].path == "bad/ü, 4.png"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("d.json", "{", "holds no decisions"),
        ("d.json", '{"decisions": 3}', "a list of decisions is expected"),
        ("d.json", '[{"path": 3, "decision": "keep"}]', "entry 1: 'path' must be a text"),
        ("d.json", '[{"path": "a", "decision": 1}]', "must be texts or null"),
        ("d.json", '[{"path": "a", "decison": "keep"}]', "unknown field 'decison'"),
        ("d.csv", "file,decision\na,keep\n", "columns path, decision and label"),
        ("d.csv", "path,decision\na,keep,b,c\n", "unknown field"),
    ],
)
def test_read__refuses_what_it_cannot_read(name: str, text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        read_decisions(written(tmp_path, name, text))


def test_read__a_missing_file() -> None:
    with pytest.raises(DataError, match="do not exist"):
        read_decisions(Path("/nowhere/decisions.json"))


def test_edits__relabel_keep_quarantine() -> None:
    decisions = [
        Decision("ok/1.png", "relabel", "bad"),
        Decision("ok/2.png", "keep"),
        Decision("bad/ü, 4.png", "quarantine"),
    ]

    edits = decisions_to_edits(index(), decisions)
    after = edited(index(), edits)

    assert edits.kind == "labels"
    assert list(after.frame["label"]) == ["bad", "ok", "bad", "bad"]
    assert list(after.frame["label_source"]) == ["audit", "audit", "folder", "folder"]
    assert after.frame["quarantine"].iloc[3] == "label_audit"
    assert list(after.usable().frame["path"]) == ["ok/1.png", "ok/2.png", "bad/3.png"]


def test_edits__can_be_undone() -> None:
    edits = decisions_to_edits(index(), [Decision("ok/1.png", "relabel", "bad")])

    back = edited(edited(index(), edits), edits.inverted())

    assert back.table().equals(index().table())


def test_edits__a_label_may_go_to_an_image_that_has_none() -> None:
    labels = [None, "ok", "bad", "bad"]
    without = index().with_columns(label=labels)

    after = edited(without, decisions_to_edits(without, [Decision("ok/1.png", "relabel", "ok")]))

    assert after.frame["label"].iloc[0] == "ok"


def test_edits__deciding_ends_a_contradiction() -> None:
    gated = quarantine_contradictions(index())
    assert list(gated.frame["quarantine"].notna()) == [True, False, True, False]

    decisions = [Decision("ok/1.png", "relabel", "bad"), Decision("bad/3.png", "keep")]
    after = edited(gated, decisions_to_edits(gated, decisions))

    assert len(quarantine_contradictions(after).usable()) == 4


def test_edits__a_contradiction_half_decided_is_found_again() -> None:
    gated = quarantine_contradictions(index())

    after = edited(gated, decisions_to_edits(gated, [Decision("ok/1.png", "keep")]))
    decided = after.with_columns(quarantine=None)

    assert quarantine_contradictions(decided).frame["quarantine"].notna().sum() == 2


def test_edits__other_quarantines_stay() -> None:
    dark = index().with_columns(quarantine=["undecodable", None, None, None])

    after = edited(dark, decisions_to_edits(dark, [Decision("ok/1.png", "keep")]))

    assert after.frame["quarantine"].iloc[0] == "undecodable"


def test_edits__every_fault_at_once() -> None:
    decisions = [
        Decision("gone.png", "keep"),
        Decision("ok/1.png", "relabel", "rose"),
        Decision("ok/2.png", "relabel"),
        Decision("bad/3.png", "delete"),
        Decision("bad/3.png", "keep"),
    ]

    with pytest.raises(DataError) as refused:
        decisions_to_edits(index(), decisions)

    said = str(refused.value)
    assert "(5)" in said
    for words in (
        "'gone.png' is not in the index",
        "unknown label 'rose', give one of bad, ok",
        "'ok/2.png': no label",
        "decision 'delete' is none of keep, relabel, quarantine",
        "'bad/3.png' is decided twice",
    ):
        assert words in said


def test_edits__deciding_twice_over_changes_nothing_more() -> None:
    decisions = [Decision("ok/1.png", "relabel", "bad")]
    once = edited(index(), decisions_to_edits(index(), decisions))

    assert decisions_to_edits(once, decisions).edits == ()
