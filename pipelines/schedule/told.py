"""Alerts of firings that did not end well, and of due times that were missed and given up."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from inspection.data.readers.stated import one_line
from inspection.errors import PlumblineError
from pipelines.alerts.config import Kind
from pipelines.alerts.told import Event, origin_of_firing, tell
from pipelines.schedule.book import Firing
from pipelines.schedule.places import Places
from pipelines.settings import load_settings

KINDS: Mapping[str, Kind] = {
    "failed": "failed",
    "killed": "killed",
    "refused": "refused",
    "skipped": "missed",
}
"""Ends of a firing that are told; of good ends the run itself tells."""


def tell_of(places: Places, firing: Firing) -> None:
    """Tell whoever wants to know, each of them once; a run that has told of itself is not told of twice.

    Never raises for a fault outside, like a `.env` that cannot be read: the scheduler has other schedules.
    """
    kind = KINDS.get(firing.status)
    if kind is None:
        return
    try:
        variables = load_settings(os.environ, firing.schedule.folder).variables
    except (OSError, PlumblineError) as error:
        print(f"warning: no alert was sent: {one_line(error)}", file=sys.stderr)
        return
    times = f" ({firing.times} due times)" if firing.times > 1 else ""
    sentence, origin = f"{firing.sentence}{times}", origin_of_firing(firing.label)
    event = Event(kind, f"schedule '{firing.schedule.name}'", sentence, origin)
    tell(places.store, variables, event)
