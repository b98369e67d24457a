"""Everything that may go wrong, one tree; the device carries these, the workshop adds its own.

    PlumblineError                exit code 1: ours
    ├── UserError                 exit code 2: the message says rule, value, remedy
    │   ├── ImageError            one image cannot be used (a batch goes on without it)
    │   ├── EngineUnavailable     this machine cannot run the engine that was asked for
    │   └── BundleError           a bundle is incomplete or does not fit this runtime
    │       ├── TamperedBundle    a file, a signature or a golden output is not what was promised
    │       └── UntrustedBundle   nobody whom this device trusts has signed it
    └── EngineError               the runtime failed on a graph that was accepted

`inspection/errors.py` continues the tree for everything above the device.
"""

from __future__ import annotations


class PlumblineError(Exception):
    """Root of every error raised on purpose; its message is one line for people."""

    exit_code = 1


class UserError(PlumblineError):
    """Something the user can mend; the message ends with how."""

    exit_code = 2


class ImageError(UserError):
    """One image cannot be used; `reason` is a stable short code such as ``truncated``."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class EngineUnavailable(UserError):
    """`engine` (its name for people) cannot run here; `reason` alone serves a list of those passed over."""

    def __init__(self, engine: str, reason: str, remedy: str) -> None:
        super().__init__(f"{engine} cannot run here: {reason}; {remedy}")
        self.reason = reason


class BundleError(UserError):
    """A bundle is missing, incomplete, or made for another schema."""


class TamperedBundle(BundleError):
    """A hash, a signature or a golden output does not match: never run it."""


class UntrustedBundle(BundleError):
    """Not signed, or only by keys that this device does not trust."""


class EngineError(PlumblineError):
    """The engine failed while running an accepted graph."""
