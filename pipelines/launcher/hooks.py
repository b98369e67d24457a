"""What a run says while it goes: a line when a step starts, one sentence kept with the step that failed.

ZenML calls these in the process of the step, wherever that is, for each step that is not cached.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pipelines.faults import sentence_of
from pipelines.launcher.ends import alert_of_run, status_of
from pipelines.settings import load_settings


def say_start() -> None:
    """One line on stderr per step that really runs."""
    from zenml import get_step_context

    print(f"▸ {get_step_context().step_run.name}", file=sys.stderr, flush=True)


def say_failure(exception: BaseException) -> None:
    """The cause in one sentence in the step's metadata, where the dashboard shows it; the command line says it last.

    Whoever is to be alerted hears of it from here, which is where the step runs, be it a pod.
    """
    from zenml import get_step_context, log_metadata

    context = get_step_context()
    print(f"✗ {context.step_run.name}", file=sys.stderr, flush=True)
    log_metadata({"failure": sentence_of(exception)})
    store = load_settings(os.environ, Path.cwd()).store
    names = (context.pipeline.name, context.pipeline_run.name)
    alert_of_run(store, *names, status_of(exception), sentence_of(exception))
