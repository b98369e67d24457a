"""Texts that make a machine run the scheduler by itself: a systemd unit, a line of a crontab.

Covered: absolute paths; blanks, `%` and quotes in them; the store and settings that the command was asked with. Not
covered: passwords, which stay in a `.env` of the folder.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from inspection.errors import UserError

UNIT = """[Unit]
Description=Plumbline's scheduler on {store}
After=network-online.target
Wants=network-online.target

[Service]
WorkingDirectory={folder}
{environment}
ExecStart={command}
Restart=always
RestartSec=10
# Runs under way outlive a restart of the scheduler.
KillMode=process

[Install]
WantedBy={target}
"""


def systemd_unit(
    program: Sequence[str], folder: Path, settings: Mapping[str, str], *, user: bool
) -> str:
    """A service that runs the scheduler, restarted by systemd whenever it ends; of a user, or of the system."""
    command = [*program, "schedule", "start"]
    _printable([*command, str(folder), *settings.values()])
    return UNIT.format(
        store=_percent(settings["PLUMBLINE_STORE"]),
        folder=_percent(str(folder)),
        environment="\n".join(f"Environment={_quoted(f'{k}={v}')}" for k, v in settings.items()),
        command=" ".join(_quoted(word).replace("$", "$$") for word in command),
        target="default.target" if user else "multi-user.target",
    )


def cron_line(program: Sequence[str], folder: Path, settings: Mapping[str, str]) -> str:
    """One line for `crontab -e`: a round of the scheduler every minute."""
    command = [*program, "schedule", "start", "--once"]
    _printable([*command, str(folder), *settings.values()])
    words = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    said = f"cd {shlex.quote(str(folder))} && {' '.join(words)} {shlex.join(command)}"
    # A bare % is a line break to cron.
    return "* * * * * " + said.replace("%", r"\%")


def _printable(words: Sequence[str]) -> None:
    odd = [word for word in words if not word.isprintable()]
    if odd:
        raise UserError(f"{odd[0]!r}: no unit or crontab can hold such a name; rename it")


def _quoted(word: str) -> str:
    escaped = _percent(word.replace("\\", "\\\\").replace('"', '\\"'))
    return f'"{escaped}"' if set(word) & set(" \"'\\;") else escaped


def _percent(text: str) -> str:
    return text.replace("%", "%%")
