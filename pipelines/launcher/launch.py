"""Running one pipeline to its end, and knowing afterwards how it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deploy.edge.files import write_bytes
from inspection.errors import Interrupted, PlumblineError
from inspection.store import Store
from pipelines.faults import as_ours, sentence_of
from pipelines.launcher.ends import alert_of_run, status_of
from pipelines.launcher.process import this_process
from pipelines.launcher.run_records import RunRecord, run_folder

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse
    from zenml.pipelines.pipeline_definition import Pipeline

TRACE = "traceback.txt"


@dataclasses.dataclass
class Flight:
    """A run under way: its record, and what ZenML knows of it."""

    store: Store
    record: RunRecord

    @property
    def folder(self) -> str:
        """Where this run's report and exports go."""
        return str(run_folder(self.store, self.record.name))

    def start(
        self, pipeline: Pipeline, parameters: Mapping[str, Any], *, fresh: bool = False
    ) -> PipelineRunResponse:
        """Run all steps; the original exception of the first failing step comes out as it is."""
        configured = pipeline.with_options(run_name=self.record.name)
        if fresh:
            configured.configure(enable_cache=False)
        try:
            run = configured(**parameters)
        finally:
            self._note_steps()
        if run is None:
            raise PlumblineError("ZenML started no run: unset ZENML_PREVENT_PIPELINE_EXECUTION")
        return run

    def _note_steps(self) -> None:
        """How far the run came, also when it failed."""
        from zenml.client import Client

        with contextlib.suppress(KeyError):  # it may have failed before there was a run
            steps = Client().get_pipeline_run(self.record.name).steps
            self.note(steps={name: str(step.status.value) for name, step in steps.items()})

    def note(self, **changes: Any) -> None:
        """Change the record and write it."""
        self.record = dataclasses.replace(self.record, **changes)
        self.record.write(self.store)


@contextlib.contextmanager
def flight(
    pipeline: str,
    config: str,
    store: Store,
    now: Callable[[], datetime],
    *,
    cell: str = "",
    recipe: str = "",
    asked: str = "",
) -> Iterator[Flight]:
    """A recorded run: however the block ends, the record says how. `cell` of a grid is part of its run's name."""
    started = now()
    title = f"{config}-{cell}" if cell else config
    name = f"{title}-{started.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    run_folder(store, name).mkdir(parents=True)
    record = RunRecord(name, pipeline, config, started, this_process(), recipe=recipe, asked=asked)
    this = Flight(store, record)
    this.note()
    try:
        yield this
    except BaseException as error:
        _crash(this, error, now())
        raise
    if this.record.status == "running":
        this.note(status="completed", ended=now())
    else:
        this.note(ended=now())
    _alert(this)


def _alert(this: Flight) -> None:
    record = this.record
    alert_of_run(this.store, record.pipeline, record.name, record.status, record.sentence)


def _crash(this: Flight, error: BaseException, at: datetime) -> None:
    ours = as_ours(error)
    if not isinstance(error, PlumblineError) and not isinstance(ours, Interrupted):
        trace = run_folder(this.store, this.record.name) / TRACE
        with contextlib.suppress(OSError):  # the disk may be the very thing that failed
            write_bytes(trace, "".join(traceback.format_exception(error)).encode())
    with contextlib.suppress(OSError):
        this.note(status=status_of(error), ended=at, sentence=sentence_of(error))
    alert_of_run(
        this.store, this.record.pipeline, this.record.name, status_of(error), sentence_of(error)
    )


def output(run: PipelineRunResponse, name: str) -> Any:
    """The value of the run's artifact `name`, loaded by its own materializer."""
    for step in run.steps.values():
        if name in step.outputs:
            return step.outputs[name][0].load()
    raise PlumblineError(f"the run '{run.name}' made no '{name}'")
