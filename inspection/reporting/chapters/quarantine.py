"""Chapter: what was set aside and why, and what was used all the same with a warning."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from inspection.reporting.blocks import Section, badge, card, filters, gallery, path, shot, table
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.thumbnails import Pictures
from inspection.reporting.wording import count, plain

QUARANTINE_SHOWN = 48
PATHS_NAMED = 4


def quarantine(run: RunReport, pictures: Pictures) -> Section:
    """What was set aside and why; the files themselves were not touched."""
    frame = run.index.frame[run.index.frame["quarantine"].notna()]
    warned = run.index.usable().frame
    warned = warned[warned["warnings"].map(len) > 0]
    if frame.empty:
        lead = "Nothing had to be set aside."
    else:
        lead = (
            f"{count(len(frame), 'file')} of {len(run.index):,} set aside. "
            "The sources are unchanged; mend or remove them there and run again."
        )
    blocks = [
        _set_aside(frame, pictures) if len(frame) else None,
        _warnings(warned),
    ]
    return Section("quarantine", "Quarantine", "Quarantine", lead, join(blocks))


def _set_aside(frame: pd.DataFrame, pictures: Pictures) -> Html:
    reasons = Counter(str(reason) for reason in frame["quarantine"])
    options = [(reason, f"{plain(reason)} ({n})") for reason, n in reasons.most_common()]
    shots = []
    for row in _fairly(frame, QUARANTINE_SHOWN):
        reason, detail = str(row["quarantine"]), row["detail"]
        sentence = str(detail) if isinstance(detail, str) else ""
        words = [badge(plain(reason), "warn"), path(str(row["path"])), tag("p", sentence)]
        alt = f"Quarantined: {row['path']}, {plain(reason)}"
        shots.append(shot(pictures.of(str(row["path"])), alt, *words, reason=reason))
    left = len(frame) - len(shots)
    note = f"The first {len(shots)}, every reason among them; the index has all." if left else ""
    return card(
        filters("reason", options, label="Show one reason"),
        gallery(shots, label="Quarantined files", kind="told"),
        note=note,
    )


def _fairly(frame: pd.DataFrame, most: int) -> list[dict[Any, Any]]:
    """At most `most` rows, taking turns between reasons so that the rare one is not drowned."""
    turn = frame.groupby("quarantine").cumcount()
    chosen = frame.assign(turn=turn).sort_values(["turn", "quarantine", "path"]).head(most)
    # Equal pixels stand together: the two sides of a conflict are best judged side by side.
    return chosen.sort_values(["quarantine", "pixel_id", "path"]).to_dict(orient="records")


def _warnings(frame: pd.DataFrame) -> Html | None:
    found: dict[str, list[str]] = {}
    for name, warnings in zip(frame["path"], frame["warnings"], strict=True):
        for warning in warnings:
            found.setdefault(str(warning).split(":", 1)[0], []).append(str(name))
    if not found:
        return None
    rows = [
        [
            plain(code),
            f"{len(paths):,}",
            join(tag("span", path(name), class_="listed") for name in paths[:PATHS_NAMED]),
        ]
        for code, paths in sorted(found.items(), key=lambda item: -len(item[1]))
    ]
    return card(
        table(
            ["warning", "files", "for example"],
            rows,
            caption="Used all the same, with a warning",
            numeric=frozenset({1}),
        ),
        title="Warnings",
    )
