"""Aliases under races and kills against one MLflow server on PostgreSQL, the way back, and who was champion when.

Races: two processes with stores of their own, nothing shared but the server, see the same champion and promote
different versions at the same moment. Kills: a process that promotes is killed (SIGKILL) at moments spread over the
whole move; then another process looks. Rollback: the command's work on a ledger that holds all of that. Who: for
moments drawn at random, against a record kept by this script. Beside it what MLflow alone does in the same races.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from machine import RESULTS, write_result
from registry_races import empty_versions, kill_figures, race_figures

from deploy.edge.bundle import open_bundle
from deploy.registry.aliases import Hand, stand
from deploy.registry.history import reigned, reigns
from deploy.registry.ledger import Holder
from deploy.registry.models import mark_judged, register_bundle
from deploy.registry.moving import enlist, move, ready
from deploy.registry.promotion import promote, roll_back
from deploy.registry.tracking import URI_SETTING, TrackedRun, track_run
from inspection.store import Store
from tests.edge_bundles import write_bundle
from tests.registry_server import registry_server

RACES, KILLS, MOMENTS, ROLLBACKS = 200, 100, 1000, 5
MOVES, FILLER = 60, 30
START = datetime(2025, 1, 1, tzinfo=UTC)


def rollback_figures(folder: Path, count: int) -> dict[str, Any]:
    """Real bundles and a ledger of some length; each rollback from a home that has nothing yet."""
    name, factory = "rolled", Store(folder / "factory")
    holders, originals = [], []
    for called in ("first", "second"):
        made = write_bundle(folder / called, name=called)
        bundle = made.rename(made.with_name(open_bundle(made).digest))
        run = track_run(factory, name, TrackedRun(called))
        version = register_bundle(factory, name, bundle, run_id=run).version
        mark_judged(factory, name, bundle.name, passed=True, sentence="passed.")
        holders.append(Holder(version, bundle.name))
        originals.append(contents(bundle))
    for number in range(FILLER):
        enlist(factory, name, holders[number % 2], Hand("to make the ledger longer"))
    promote(factory, name, holders[0].version, Hand("first"))
    figures: dict[str, Any] = {"count": 2 * count, "equal_bit_for_bit": 0}
    for where in ("at_home", "from_a_home_that_has_nothing"):
        seconds = []
        for number in range(count):
            promote(factory, name, holders[1].version, Hand("second"))
            home = factory if where == "at_home" else Store(folder / f"rollback-{number}")
            begun = time.monotonic()
            back = roll_back(home, name, Hand("scratches escape"))
            seconds.append(time.monotonic() - begun)
            figures["equal_bit_for_bit"] += contents(back.bundle) == originals[0] != originals[1]
        figures[where] = {
            "median_s": round(statistics.median(seconds), 2),
            "slowest_s": round(max(seconds), 2),
        }
    return {**figures, "ledger_entries": len(stand(factory, name).ledger.links)}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below, byte for byte."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def who_figures(folder: Path, moments: int) -> dict[str, Any]:
    """Moves over a year and more by a clock of our own, on SQLite, and the same kept in a plain list."""
    name, store, dice = "who", Store(folder / "judge"), random.Random(5)
    empty_versions(store, name, 10)
    record: list[tuple[datetime, int]] = []
    at, clock = START, [START]
    for _ in range(MOVES):
        at += timedelta(seconds=dice.randrange(1, 20 * 24 * 3600))
        clock[0] = at
        version = dice.choice([v for v in range(1, 11) if not record or v != record[-1][1]])
        hand = Hand("on schedule", now=lambda: clock[0])
        enlist(store, name, Holder(version, f"{version:064x}"), hand)
        seen = ready(store, name, hand)
        move(
            store,
            seen,
            "champion",
            lambda now: {**now, "champion": now["challenger"]},
            hand,
            "promote",
        )
        record.append((at, version))
    now = datetime.now(UTC)
    every = reigns(stand(store, name).ledger, "champion", now)
    span = (record[-1][0] - START).total_seconds() + 7 * 24 * 3600
    asked = [
        START + timedelta(seconds=dice.uniform(-span / 50, span))
        for _ in range(moments - 2 * MOVES)
    ]
    asked += [at + timedelta(microseconds=gap) for at, _ in record for gap in (-1, 0)]
    right = 0
    for moment in asked:
        expected = [version for at, version in record if at <= moment][-1:]
        found = reigned(every, moment, moment)
        right += [reign.holder.version for reign in found if reign.holder] == expected
    return {"moves": len(record), "moments": len(asked), "right": right}


def measured(parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """`parts` over what the file says of the others."""
    path = RESULTS / "registry.json"
    before = json.loads(path.read_text())["figures"] if path.is_file() else {}
    return {**before, **parts}


def main() -> None:
    """Who on SQLite, the rest on one server; with --only the other parts stay as the file has them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=RACES)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--only", nargs="+", default=["who", "rollback", "kills", "races"])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as servers:
        folder = Path(scratch)
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "who": lambda: who_figures(folder / "sqlite", MOMENTS),
            "rollback": lambda: rollback_figures(folder, ROLLBACKS),
            "kills": lambda: kill_figures(folder, asked.kills),
            "races": lambda: race_figures(folder, asked.races),
        }
        for part in asked.only:
            if part != "who" and URI_SETTING not in os.environ:
                os.environ[URI_SETTING] = servers.enter_context(registry_server(workers=2))
            figures = parts[part]()
            figures["load_average_meanwhile"] = round(os.getloadavg()[1], 1)
            write_result("registry", measured({part: figures}))


if __name__ == "__main__":
    main()
