"""Closing the runs that SIGKILL left `running`: ZenML would show them as running for ever."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from inspection.store import Store
from pipelines.launcher.run_records import RunRecord, written_runs

if TYPE_CHECKING:
    from zenml.client import Client


def reconcile(client: Client, store: Store) -> list[str]:
    """Mark as failed, in ZenML and in our records, each run whose process is gone; return their names.

    A run of another host, or one that no record of ours names, is left alone: its process may live.
    """
    dead = [record for record in written_runs(store) if record.observed.status != record.status]
    for record in dead:
        steps = _close(client, record)
        # `ended` stays open: nobody saw the moment.
        dataclasses.replace(record.observed, steps=steps).write(store)
    return [record.name for record in dead]


def _close(client: Client, record: RunRecord) -> dict[str, str]:
    """Fail what ZenML believes to be running; how far each step came, or nothing if there was no run yet."""
    from zenml.orchestrators.publish_utils import (
        publish_failed_pipeline_run,
        publish_failed_step_run,
    )

    steps: dict[str, str] = {}
    for run in client.list_pipeline_runs(name=record.name, size=10, hydrate=True).items:
        for name, step in run.steps.items():
            steps[name] = str(step.status.value)
            if not step.status.is_finished:
                publish_failed_step_run(step.id)
                steps[name] = "failed"
        if not run.status.is_finished:
            publish_failed_pipeline_run(run.id)
    return steps
