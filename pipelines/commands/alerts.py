"""`plumbline alerts`: the channels, tried out."""

from __future__ import annotations

from datetime import datetime

from inspection.errors import Refused, UserError
from pipelines.alerts.channels import channels_of, send_all
from pipelines.alerts.config import FILE, load_alerts, place_of
from pipelines.alerts.told import Event, message_of
from pipelines.output import Answer, Table
from pipelines.settings import Settings


def try_channels(settings: Settings, now: datetime) -> Answer:
    """One message over each channel, held back by nothing."""
    path = place_of(settings.store, settings.variables)
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file; write it (docs/how-to/alerts.md shows one), or name another in {FILE}"
        )
    alerts = load_alerts(path, settings.variables)
    event = Event(
        "completed", "test of alerts", "Nothing happened: somebody tries the way.", "test"
    )
    ways = channels_of(alerts, settings.variables)
    sent = send_all(ways, message_of(event, 0, alerts.window, now), alerts.timeout)
    failed = [name for name, outcome in sent.items() if outcome != "sent"]
    return Answer(
        document={"file": str(path), "sent": sent, "tell": list(alerts.tell)},
        table=Table(("channel", "outcome"), list(sent.items())),
        lines=[f"Told are  {', '.join(alerts.tell)}; equal ones once in {alerts.window}"],
        exit_code=Refused.exit_code if failed else 0,
    )
