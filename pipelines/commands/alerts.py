"""`plumbline alerts`: the channels, tried out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime

from inspection.data.readers.stated import one_line
from inspection.errors import Refused, UserError
from inspection.store import Store
from pipelines.alerts.channels import Message, channels_of, send_all
from pipelines.alerts.config import FILE, load_alerts, place_of
from pipelines.alerts.told import Event, keep, message_of, record_of
from pipelines.output import Answer, Table
from pipelines.settings import Settings


def try_channels(settings: Settings, now: datetime) -> Answer:
    """One message over each channel, held back by nothing."""
    path = place_of(settings.store, settings.variables)
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file; write it (docs/how-to/alerts.md shows one), or name another in {FILE}"
        )
    alerts = load_alerts(path, settings.variables, settings.store.root)
    event = Event(
        "completed", "test of alerts", "Nothing happened: somebody tries the way.", "test"
    )
    ways = channels_of(alerts, settings.variables)
    message = message_of(event, 0, alerts.window, now)
    sent = send_all(ways, message, alerts.timeout)
    _keep(settings.store, message, sent)
    failed = [name for name, outcome in sent.items() if outcome != "sent"]
    return Answer(
        document={"file": str(path), "sent": sent, "tell": list(alerts.tell)},
        table=Table(("channel", "outcome"), list(sent.items())),
        lines=[f"Tells of  {', '.join(alerts.tell)}; equal ones once in {alerts.window}"],
        exit_code=Refused.exit_code if failed else 0,
    )


def _keep(store: Store, message: Message, sent: Mapping[str, str]) -> None:
    try:
        keep(store, message, sent)
    except OSError as error:
        print(f"warning: not written to {record_of(store)}: {one_line(error)}", file=sys.stderr)
