"""The workshop's half of the error tree (the root and the device's half: `deploy/edge/errors.py`).

PlumblineError (exit 1)
├── Interrupted           stopped by Ctrl-C or SIGTERM (exit 130)
└── UserError (exit 2)
    ├── ConfigError           one or more faults in a config; all of them, one line each
    ├── DataError             the data set as a whole cannot be used
    │   └── CheckFailed       a gate on the data said no (exit 3)
    ├── WeightsError          backbone unknown, weights missing or of another architecture
    ├── MissingExtra          an optional dependency is not installed; prints the command
    └── Refused               a gate on the model said no (exit 3)
        └── ParityError       an export does not decide as the trained model does
"""

from __future__ import annotations

from collections.abc import Sequence

from deploy.edge.errors import PlumblineError, UserError

__all__ = [
    "CheckFailed",
    "ConfigError",
    "DataError",
    "Interrupted",
    "MissingExtra",
    "ParityError",
    "PlumblineError",
    "Refused",
    "UserError",
    "WeightsError",
]


class Interrupted(PlumblineError):
    """Somebody, or the system, asked the run to stop."""

    exit_code = 130


class ConfigError(UserError):
    """All faults of a config at once, one line each."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class DataError(UserError):
    """The data set as a whole cannot be used."""


class CheckFailed(DataError):
    """A gate on the data said no."""

    exit_code = 3


class WeightsError(UserError):
    """A backbone or its weights cannot be had as asked."""


class MissingExtra(UserError):
    """An optional dependency is missing; the message carries the install command."""

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(
            f"{what} needs the '{extra}' extra: pip install '.[{extra}]' in Plumbline's folder"
        )
        self.extra = extra


class Refused(UserError):
    """A gate on the model said no; the message says by how much."""

    exit_code = 3


class ParityError(Refused):
    """An exported model does not decide as the trained one."""
