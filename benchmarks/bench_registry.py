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
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from machine import RESULTS, write_result
from mlflow.exceptions import MlflowException

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from deploy.edge.bundle import open_bundle  # noqa: E402
from deploy.registry.aliases import DIGEST, Hand, Standing, stand  # noqa: E402
from deploy.registry.history import reigned, reigns  # noqa: E402
from deploy.registry.ledger import Holder  # noqa: E402
from deploy.registry.ledger_server import APPLIED, ledger_name  # noqa: E402
from deploy.registry.models import mark_judged, register_bundle  # noqa: E402
from deploy.registry.moving import Overtaken, enlist, move, ready  # noqa: E402
from deploy.registry.promotion import promote, roll_back  # noqa: E402
from deploy.registry.tracking import URI_SETTING, TrackedRun, open_tracking, track_run  # noqa: E402
from inspection.store import Store  # noqa: E402
from tests.edge_bundles import write_bundle  # noqa: E402
from tests.registry_server import registry_server  # noqa: E402

RACES, KILLS, MOMENTS, ROLLBACKS = 200, 100, 1000, 5
PLAIN_RACES, MOVES, FILLER = 50, 60, 30
START = datetime(2025, 1, 1, tzinfo=UTC)


def champion(store: Store, seen: Standing, version: int, who: str) -> int:
    """The number of the entry that made `version` champion; Overtaken for the loser."""
    holder = Holder(version, f"{version:064x}")
    before = seen.holders.get("champion")

    def wanted(now: Any) -> dict[str, Holder]:
        return {**now, "champion": holder, **({"previous": before} if before else {})}

    _, link = move(store, seen, "champion", wanted, Hand("race", who=who), "promote")
    assert link is not None
    return link.number


def empty_versions(store: Store, name: str, count: int) -> None:
    """Versions to move aliases between."""
    client = open_tracking(store)
    client.create_registered_model(name)
    for number in range(1, count + 1):
        client.create_model_version(name, "plumbline:/none", tags={DIGEST: f"{number:064x}"})


def racer(home: str, who: str, plain: bool, line: Connection) -> None:
    """A process of its own: sees how the model stands, waits for the word, promotes, says what became of it."""
    store = Store(Path(home))
    while (asked := line.recv()) is not None:
        name, version = asked
        seen = stand(store, name)
        line.send("seen")
        line.recv()
        try:
            if plain:
                client = open_tracking(store)
                expected = seen.found.get("champion")
                now = client.get_registered_model(name).aliases.get("champion")
                if now is not None and int(now) != expected:  # the best that a plain client can do
                    raise Overtaken("moved meanwhile")
                client.set_registered_model_alias(name, "champion", str(version))
                line.send(("won", 0, ""))
            else:
                line.send(("won", champion(store, seen, version, who), ""))
        except (Overtaken, MlflowException) as error:
            line.send(("lost", 0, str(error)))


def races(folder: Path, name: str, count: int, *, plain: bool) -> list[list[tuple[str, int, str]]]:
    """What the two racers said, race by race."""
    context = multiprocessing.get_context("spawn")
    lines, processes = [], []
    for who in ("ann", "bob"):
        ours, theirs = context.Pipe()
        home = str(folder / f"{who}-{name}")
        processes.append(context.Process(target=racer, args=(home, who, plain, theirs)))
        processes[-1].start()
        lines.append(ours)
    said = []
    for number in range(count):
        for i, line in enumerate(lines):
            line.send((name, 1 + (2 * number + i) % 10))
        for line in lines:
            line.recv()
        for line in lines:
            line.send("go")
        said.append([line.recv() for line in lines])
    for line, process in zip(lines, processes, strict=True):
        line.send(None)
        process.join()
    return said


def race_figures(folder: Path, count: int) -> dict[str, Any]:
    """Ours, then MLflow's own alias call with a look before it."""
    judge = Store(folder / "judge")
    figures: dict[str, Any] = {}
    for name, plain in (("plumbline", False), ("mlflow_alone", True)):
        empty_versions(judge, name, 10)
        said = races(folder, name, min(count, PLAIN_RACES) if plain else count, plain=plain)
        winners = [sum(word == "won" for word, _, _ in race) for race in said]
        figures[name] = {
            "count": len(said),
            "exactly_one_won": winners.count(1),
            "both_believed_they_won": winners.count(2),
            "nobody_won": winners.count(0),
            "server_errors": sum("psycopg2" in text for race in said for _, _, text in race),
        }
        if not plain:
            losers = [text for race in said for word, _, text in race if word == "lost"]
            numbers = [number for race in said for word, number, _ in race if word == "won"]
            figures[name] |= {
                "losers_told_who_was_first": sum("was moved meanwhile: entry" in t for t in losers),
                "winners_entries_in_the_ledger": _in_ledger(judge, name, numbers),
                **_whole(judge, name),
                "won_by_the_first_process": sum(race[0][0] == "won" for race in said),
            }
    return figures


def _in_ledger(store: Store, name: str, numbers: list[int]) -> bool:
    return [link.number for link in stand(store, name).ledger.links] == numbers


def _whole(store: Store, name: str) -> dict[str, Any]:
    standing = stand(store, name)
    return {
        "entries": len(standing.ledger.links),
        "void_entries": len(standing.ledger.void),
        "findings": len(standing.ledger.findings),
        "aliases_as_the_ledger_says": not standing.strays,
    }


def killed_move(home: str, name: str, version: int, line: Connection) -> None:
    """Ready, told so, then the move."""
    store = Store(Path(home))
    seen = ready(store, name, Hand("kill"))
    line.send("ready")
    line.recv()
    champion(store, seen, version, "killed")
    line.send("done")


def kill_figures(folder: Path, count: int) -> dict[str, Any]:
    """Each move in a process forked from one that has imported everything, killed after a share of a move's time."""
    name, judge = "killed", Store(folder / "judge")
    empty_versions(judge, name, 11)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["mlflow", "mlflow.store.model_registry.rest_store", "deploy.registry.promotion"]
    )
    whole = statistics.median(_move(context, folder, name, 1 + i, None)[0] for i in range(5))
    tally = {"kills": count, "counted": 0, "not_counted": 0, "finished_before_the_kill": 0}
    half_done = lost = doubled = wrong = 0
    previous = stand(judge, name)
    for number in range(count):
        version = 1 + number % 10
        version += version == previous.holders["champion"].version
        _, finished = _move(context, folder, name, version, whole * 1.1 * number / count)
        half_done += _is_half_done(judge, name)
        standing = stand(judge, name)  # which repairs
        news = len(standing.ledger.links) - len(previous.ledger.links)
        kept = standing.ledger.links[: len(previous.ledger.links)]
        lost += [link.hash for link in kept] != [link.hash for link in previous.ledger.links]
        doubled += news > 1
        wrong += standing.found != {a: h.version for a, h in standing.holders.items()}
        wrong += news == 1 and standing.found["champion"] != version
        tally["finished_before_the_kill"] += finished
        tally["counted"] += news == 1
        tally["not_counted"] += news == 0
        previous = standing
    return {
        **tally,
        "undisturbed_move_s": round(whole, 3),
        "entry_written_but_aliases_not_yet": half_done,
        "entries_lost": lost,
        "moves_doubled": doubled,
        "aliases_wrong_after_the_next_look": wrong,
        "findings": len(previous.ledger.findings),
    }


def _move(
    context: Any, folder: Path, name: str, version: int, delay: float | None
) -> tuple[float, bool]:
    """Seconds that it took or lived, and whether it said that it was done."""
    ours, theirs = context.Pipe()
    home = str(folder / f"killed-{version}")
    process = context.Process(target=killed_move, args=(home, name, version, theirs))
    process.start()
    ours.recv()
    begun = time.monotonic()
    ours.send("go")
    if delay is None:
        ours.recv()
    else:
        time.sleep(delay)
        process.kill()
        time.sleep(0.3)  # what the server had been asked by then, it does
    took = time.monotonic() - begun
    process.join()
    with contextlib.suppress(EOFError, OSError):
        return took, delay is not None and ours.poll() and ours.recv() == "done"
    return took, False


def _is_half_done(store: Store, name: str) -> bool:
    """The last entry as a plain client sees it, before anybody of ours looks."""
    found = open_tracking(store).search_model_versions(
        f"name = '{ledger_name(name)}'", max_results=10_000
    )
    return APPLIED not in max(found, key=lambda version: int(version.version)).tags


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
