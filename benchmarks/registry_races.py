"""Two racers on one server, and movers that are killed: processes of their own, and what became of the ledger.

Nothing is shared but the server: each process has a store of its own.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from deploy.registry.aliases import DIGEST, Hand, Standing, stand
from deploy.registry.ledger import Holder
from deploy.registry.ledger_server import APPLIED, ledger_name
from deploy.registry.moving import Overtaken, move, ready
from deploy.registry.tracking import open_tracking
from inspection.store import Store

PLAIN_RACES = 50


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
