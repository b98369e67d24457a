"""Who is told of what: `alerts.yaml`, checked as strictly as a run's config.

Covered: misspelt keys, a password that would travel in the clear, a password or `${NAME}` that is not set. Not covered:
whether anybody reads the mail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from inspection.durations import Duration
from inspection.errors import ConfigError
from inspection.store import Store
from inspection.strict import Strict, spelled
from pipelines.door import read_yaml, validated

PASSWORD = "PLUMBLINE_SMTP_PASSWORD"
FILE = "PLUMBLINE_ALERTS"
Kind = Literal["failed", "refused", "killed", "missed", "completed"]
Address = Annotated[
    str,
    spelled(r"[^@\s]+@[^@\s]+", "write one mail address alone, such as 'line-3@plant.example'"),
]


class Email(Strict):
    """A mail server and who is written to; `ca` is a file with the certificate of a plant's own authority."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "ssl", "none"] = "starttls"
    user: str | None = None
    sender: Address
    to: Annotated[tuple[Address, ...], Field(min_length=1)]
    ca: Path | None = None


class Webhook(Strict):
    """An address that takes `{"text": …}`, as Slack, Mattermost and others do."""

    url: Annotated[
        str,
        spelled(
            r"https?://[^\s/]+.*",
            "begin with http:// or https:// and a server's name",
            secret=True,  # whoever knows a webhook may write to it
        ),
    ]
    ca: Path | None = None


class Alerts(Strict):
    """`tell`: the ends that are told; equal ones within `window` of the last are counted and told with the next."""

    tell: tuple[Kind, ...] = ("failed", "refused", "killed", "missed")
    window: Duration = "1h"
    timeout: Annotated[float, Field(gt=0, le=60)] = 10.0
    email: Email | None = None
    webhook: Webhook | None = None
    file: Path | None = None


def place_of(store: Store, variables: Mapping[str, str]) -> Path:
    """The file that says who is told, whether it is there or not."""
    named = variables.get(FILE)
    return Path(named).expanduser() if named else store.root / "alerts.yaml"


def load_alerts(path: Path, variables: Mapping[str, str], root: Path) -> Alerts:
    """Read `path`; a relative path in it counts from `root`, the store. ConfigError with every fault of it."""
    tree = read_yaml(path, "lines such as 'window: 1h', see docs/how-to/alerts.md")
    alerts, missing, faults = validated(Alerts, tree, variables, "write {key} out in the file")
    if alerts is not None:
        alerts = _placed(alerts, root)
        faults = [*faults, *_contradictions(alerts, variables)]
    faults = [f"{path}: {fault}" for fault in (*missing, *faults)]
    if faults or alerts is None:
        raise ConfigError(faults)
    return alerts


def _placed(alerts: Alerts, root: Path) -> Alerts:
    """With paths that mean the same wherever the command was typed."""
    places = {}
    if alerts.file is not None:
        places["file"] = root / alerts.file.expanduser()
    sections = {
        key: section.model_copy(update={"ca": root / section.ca.expanduser()})
        for key, section in (("email", alerts.email), ("webhook", alerts.webhook))
        if section is not None and section.ca is not None
    }
    return alerts.model_copy(update={**places, **sections})


def _contradictions(alerts: Alerts, variables: Mapping[str, str]) -> Iterator[str]:
    email, hook = alerts.email, alerts.webhook
    if email is None and hook is None and alerts.file is None:
        yield "nobody is told; give at least one of email, webhook, file"
    for key, section in (("email", email), ("webhook", hook)):
        if section is not None and section.ca is not None and not section.ca.is_file():
            yield f"{key}.ca: there is no file '{section.ca}'; mend the path or leave it out"
    if email is None or email.user is None:
        return
    if email.security == "none":
        yield "email.security: 'none' would send the password in the clear; use starttls or ssl, or no user"
    if not variables.get(PASSWORD):
        yield f"email.user: its password is not set; export {PASSWORD}=… (or put it in .env)"
