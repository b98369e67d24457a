"""Alerts of firings that did not end well."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pipelines.alerts.config import Kind
from pipelines.alerts.told import Event, origin_of_firing, tell
from pipelines.schedule.book import Firing
from pipelines.schedule.places import Places
from pipelines.settings import load_settings

KINDS: Mapping[str, Kind] = {"failed": "failed", "killed": "killed", "refused": "refused"}
"""Ends of a firing that are told; of good ends the run itself tells."""


def tell_of(places: Places, firing: Firing) -> None:
    """Tell whoever wants to know; a run that has told of itself is not told of twice."""
    kind = KINDS.get(firing.status)
    if kind is None:
        return
    variables = load_settings(os.environ, firing.schedule.folder).variables
    event = Event(
        kind, f"schedule '{firing.schedule.name}'", firing.sentence, origin_of_firing(firing.label)
    )
    tell(places.store, variables, event)
