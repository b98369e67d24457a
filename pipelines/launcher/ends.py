"""How a run ended, and whom that concerns.

ZenML's own success hooks are called for each step, and for none that is cached; so the launcher tells of the end of a
pipeline, and the failure hook (`hooks.py`) of a failure where it happens. Of one run people hear once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from inspection.errors import Interrupted, PlumblineError, Refused
from inspection.store import Store
from pipelines.alerts.config import Kind
from pipelines.alerts.told import Event, origin_of_run, tell
from pipelines.faults import as_ours
from pipelines.launcher.run_records import Status
from pipelines.settings import load_settings

ENDS: Mapping[int, Status] = {Refused.exit_code: "refused", Interrupted.exit_code: "stopped"}
"""How a run ended, by the exit code of what ended it; everything else failed."""
KINDS: Mapping[Status, Kind] = {"completed": "completed", "refused": "refused", "failed": "failed"}
"""Ends that concern somebody; who stopped a run knows it."""
STAMP = 3
"""Parts at the end of a run's name that differ from run to run."""


def status_of(error: BaseException) -> Status:
    """How a run ended that `error` ended."""
    return ENDS.get(as_ours(error).exit_code, "failed")


def variables_here() -> Mapping[str, str]:
    """The environment over `.env`; a `.env` that cannot be read costs an alert its settings, never a run its end."""
    try:
        return load_settings(os.environ, Path.cwd()).variables
    except (PlumblineError, OSError):
        return os.environ


def alert_of_run(store: Store, pipeline: str, run: str, status: Status, sentence: str) -> None:
    """Tell whoever wants to know of such ends; warns on stderr where it cannot, and never fails."""
    kind = KINDS.get(status)
    if kind is None:
        return
    variables = variables_here()
    what = f"{pipeline} of {run.rsplit('-', STAMP)[0]}"
    tell(store, variables, Event(kind, what, sentence, origin_of_run(run, variables)))
