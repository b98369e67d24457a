"""`plumbline drift history | ui`: the monitor's records, and Evidently's workspace over the same batches."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

from inspection.errors import UserError
from pipelines.commands.ui import HOST, check_free, until_stopped
from pipelines.launcher.environment import OFFLINE
from pipelines.output import Answer
from pipelines.settings import Settings

if TYPE_CHECKING:
    from data_checks.drift_history import BatchRecord

SHOWS = "the distributions of every batch, a project per model and stream; the verdicts are Plumbline's own"


def show_history(name: str, last: int, settings: Settings) -> Answer:
    """The newest records of `name`, oldest first."""
    from data_checks.drift_history import history

    records = history(settings.store.drift / "records", name)[-last:]
    if not records:
        raise UserError(
            f"no batch of '{name}' was judged in {settings.store.root}: run `plumbline monitor` on its log first"
        )
    return Answer(
        document={"records": [_document(record) for record in records]},
        lines=[_line(record) for record in records],
        next=["plumbline drift ui"],
    )


def _document(record: BatchRecord) -> dict[str, object]:
    return dataclasses.asdict(record)


def _line(record: BatchRecord) -> str:
    stream = f" {record.stream}" if record.stream else ""
    found = record.still.cause if record.still else record.cause
    cause = f": {found}" if found else ""
    rejected = f", rejected {record.decided.rejected.batch.value:.1%}" if record.decided else ""
    images = f"{record.images} images{rejected}, {record.bundle[:8]}"
    return f"{record.time[:19]}{stream} {_state(record)}{cause} ({images})"


def _state(record: BatchRecord) -> str:
    """`confirmed` is said of the stream, `steady` of the batch: both may be true."""
    if record.confirmed:
        return "confirmed" if record.drifted else "steady, drift still confirmed"
    return "alarm" if record.drifted else "steady"


def serve_workspace(settings: Settings, *, port: int, as_json: bool) -> Answer:
    """Evidently's own server, without a login, so on the loopback address only."""
    workspace = settings.store.drift / "evidently"
    if not workspace.is_dir():
        raise UserError(
            f"no batch was judged yet in {settings.store.root}: run `plumbline monitor` on a log first"
        )
    check_free(port)
    start = [sys.executable, "-m", "evidently.cli", "ui", "--workspace", str(workspace.resolve())]
    command = [*start, "--host", HOST, "--port", str(port)]
    return until_stopped(command, OFFLINE, f"http://{HOST}:{port}", "" if as_json else SHOWS)
