"""Promotions as scheduled commands: what stands before them, the process that is one, and what became of the ledger.

A promotion looks who is champion and gives the alias to the next version, if nobody was quicker. What it was told
(entry number, or why not) goes into a record on another disk than the store's, so that a full one cannot hide it.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from schedule_days import Days

from deploy.edge.bundle import open_bundle
from deploy.registry.aliases import CHAMPION, Hand, Standing, stand
from deploy.registry.models import mark_judged, register_bundle
from deploy.registry.moving import Overtaken, ready
from deploy.registry.promotion import Terms, promote
from deploy.registry.tracking import TrackedRun, track_run
from inspection.errors import PlumblineError
from inspection.store import Store
from pipelines.faults import as_ours
from pipelines.settings import FIRING
from tests.edge_bundles import write_bundle

NAME = "line"
VERSIONS = 3
WON, OVERTAKEN, DISK = "won", "overtaken", "disk full"


def prepare(store: Store, folder: Path) -> None:
    """Versions with real bundles, each let through by its gate; the first is champion."""
    for number in range(1, VERSIONS + 1):
        made = write_bundle(folder / f"version-{number}", name=f"version-{number}")
        bundle = made.rename(made.with_name(open_bundle(made).digest))
        run = track_run(store, NAME, TrackedRun(f"run-{number}"))
        register_bundle(store, NAME, bundle, run_id=run)
        mark_judged(store, NAME, bundle.name, passed=True, sentence="passed.")
    promote(store, NAME, 1, Hand("the first"))


def promote_next(root: Path, now: Callable[[], datetime], record: Path) -> int:
    """The command of one firing; its exit code is that of `plumbline promote`; a log on a full disk takes no word."""
    firing, store = os.environ[FIRING], Store(root)
    try:
        hand = Hand(firing, who="schedule", now=now)
        seen = ready(store, NAME, hand)
        version = seen.holders[CHAMPION].version % VERSIONS + 1
        move = promote(store, NAME, version, hand, terms=Terms(seen=seen))
        told, code = f"{WON} {move.link.number if move.link else 0}", 0
    except Exception as error:  # as the command line's last line does
        ours = as_ours(error)
        told, code = _word(ours), ours.exit_code
    with record.open("a", encoding="utf-8") as stream:
        stream.write(f"{firing}\t{told}\n")
    return code


def _word(error: PlumblineError) -> str:
    if isinstance(error, Overtaken):
        return OVERTAKEN
    return DISK if "free some space" in str(error) else f"failed: {error}"


class Watch:
    """Looks at the ledger again and again: no entry that was there once may change or go."""

    def __init__(self, store: Store) -> None:
        self.store, self.looks, self.lost = store, 0, 0
        self.failed: Counter[str] = Counter()
        self.hashes: list[str] = []

    def look(self) -> None:
        """Once; on a full disk, which takes no copy of what is seen, a look fails."""
        try:
            standing = stand(self.store, NAME)
        except Exception as error:
            self.failed[_word(as_ours(error))] += 1
            return
        hashes = [link.hash for link in standing.ledger.links]
        self.lost += hashes[: len(self.hashes)] != self.hashes
        self.looks, self.hashes = self.looks + 1, hashes


def judged_moves(watch: Watch, record: Path) -> dict[str, Any]:
    """The ledger at the end, held against what the promotions were told."""
    watch.look()
    standing = stand(watch.store, NAME, whole=True)
    links = standing.ledger.links
    promotions = [link for link in links if link.entry.who == "schedule"]
    entries = {link.entry.reason: link.number for link in promotions}
    rows = [line.split("\t") for line in record.read_text(encoding="utf-8").splitlines()]
    told = dict(rows)
    won = {firing: int(word.split()[1]) for firing, word in told.items() if word.startswith(WON)}
    times = Counter(link.entry.reason for link in promotions)
    return {
        "told": dict(
            Counter(word.split()[0] if word.startswith(WON) else word for _, word in rows)
        ),
        "ledger_entries": len(links),
        "promotions_in_the_ledger": len(promotions),
        "entries_lost": sum(entries.get(firing) != number for firing, number in won.items()),
        "firings_promoted_twice": sum(count > 1 for count in times.values()),
        "promoted_but_told_that_not": sorted(set(entries) & (set(told) - set(won))),
        "killed_before_they_could_tell": len(set(entries) - set(told)),
        "looks_meanwhile": watch.looks,
        "looks_that_failed": dict(watch.failed),
        "looks_that_missed_an_entry": watch.lost,
        **_whole(standing),
    }


def _whole(standing: Standing) -> dict[str, Any]:
    entries = [link.entry for link in standing.ledger.links]
    return {
        "each_builds_on_the_one_before": all(
            dict(after.before) == dict(before.after)
            for before, after in itertools.pairwise(entries)
        ),
        "findings": len(standing.ledger.findings),
        "aliases_as_the_ledger_says": not standing.strays,
    }


if __name__ == "__main__":
    root, began, seconds, record = sys.argv[1:]
    clock = Days(float(began), float(seconds))
    sys.exit(promote_next(Path(root), clock.__call__, Path(record)))
