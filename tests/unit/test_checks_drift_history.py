"""The monitor's memory: a record per batch and stream, no batch counted twice, the config's rule confirms."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from data_checks.drift import DriftSignal, DriftVerdict, Watched
from data_checks.drift_history import Batch, BatchRecord, history, remember
from inspection.config import LoopConfig
from inspection.errors import DataError

BUNDLE = "ab" * 32
RULE = LoopConfig()


def look(*drifted: bool, streams: tuple[str, ...] = ("",), images: int = 100) -> Watched:
    verdicts = tuple(
        DriftVerdict(
            moved,
            (DriftSignal("focus", "ranks", 0.001 if moved else 0.4, 0.002, moved, -1.5, "softer"),),
            images,
            500,
            "told",
            stream,
            "focus or lens" if moved else "",
            "clean the lens" if moved else "",
        )
        for moved, stream in zip(drifted, streams, strict=True)
    )
    return Watched(any(drifted), "told", verdicts, ())


def at(hour: int, *streams: str, bundle: str = BUNDLE) -> Batch:
    times = dict.fromkeys(streams or ("",), f"2026-11-20T{hour:02d}:00:00.000+00:00")
    return Batch("line/3", bundle, times, "report.html")


def test_the_config_s_rule__confirms_and_is_written_down(tmp_path: Path) -> None:
    strict = LoopConfig(confirm=3, window=4, calm=3)
    kept = {}
    for name, rule in (("usual", RULE), ("strict", strict)):
        for hour, moved in ((8, True), (9, False), (10, True), (11, True)):
            found = remember(tmp_path, look(moved), replace(at(hour), name=name), rule)
            kept[name, hour] = found.confirmed
    assert [kept["usual", hour] for hour in (8, 9, 10, 11)] == [False, False, True, True]
    assert [kept["strict", hour] for hour in (8, 9, 10, 11)] == [False, False, False, True]
    last = history(tmp_path, "strict")[-1]
    assert (last.confirm, last.window) == (3, 4)


def test_record_from_before__is_read_as_it_was_judged(tmp_path: Path) -> None:
    remember(tmp_path, look(True), at(8), RULE)
    (path,) = tmp_path.rglob("*.json")
    document = json.loads(path.read_text())
    for name in ("decided", "confirm", "window"):
        del document[name]
    path.write_text(json.dumps(document))

    (old,) = history(tmp_path, "line/3")
    assert (old.decided, old.confirm, old.window) == (None, 2, 3)
    assert remember(tmp_path, look(True), at(9), RULE).confirmed


def test_records__come_back_oldest_first_with_what_was_found(tmp_path: Path) -> None:
    for hour, moved in ((9, False), (8, True), (10, True)):
        remember(tmp_path, look(moved), at(hour), RULE)

    records = history(tmp_path, "line/3")

    assert [record.time[11:13] for record in records] == ["08", "09", "10"]
    assert [record.drifted for record in records] == [True, False, True]
    assert records[-1].confirmed
    assert records[-1].cause == "focus or lens"
    assert records[-1].signals[0].effect == -1.5
    assert records[-1].level == 0.002
    assert BatchRecord.from_json(records[0].to_json()) == records[0]
    assert history(tmp_path, "another") == ()


def test_same_batch__is_judged_twice_but_counts_once(tmp_path: Path) -> None:
    for _ in range(3):
        kept = remember(tmp_path, look(True), at(8), RULE)

    assert len(history(tmp_path, "line/3")) == 1
    assert not kept.confirmed, "one batch, however often it is looked at, confirms nothing"
    assert remember(tmp_path, look(True), at(9), RULE).confirmed


def test_streams_and_bundles__are_counted_apart(tmp_path: Path) -> None:
    remember(
        tmp_path, look(True, False, streams=("line 3", "line 4")), at(8, "line 3", "line 4"), RULE
    )
    other = remember(tmp_path, look(True, streams=("line 4",)), at(9, "line 4"), RULE)
    new = remember(
        tmp_path, look(True, streams=("line 3",)), at(9, "line 3", bundle="cd" * 32), RULE
    )

    assert not other.confirmed
    assert not new.confirmed
    assert len(history(tmp_path, "line/3", stream="line 4")) == 2
    assert len(history(tmp_path, "line/3", bundle=BUNDLE)) == 3


def test_damaged_record__is_named(tmp_path: Path) -> None:
    remember(tmp_path, look(True), at(8), RULE)
    (path,) = tmp_path.rglob("*.json")
    path.write_text("{")

    with pytest.raises(DataError, match=rf"'{path}' is no record of the monitor: move it away"):
        history(tmp_path, "line/3")


def test_name_and_stream__cannot_leave_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "records"
    batch = replace(at(8, "../../x"), name="../..")
    remember(inside, look(True, streams=("../../x",)), batch, RULE)

    assert [path.is_relative_to(inside) for path in tmp_path.rglob("*.json")] == [True]
