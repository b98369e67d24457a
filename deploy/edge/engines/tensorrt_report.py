"""How TensorRT speaks to us: its log, its errors and the progress of a build.

The classes are plain; `bound` makes TensorRT call them, where there is a TensorRT.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Self, TypeVar

INTERVAL = 0.5
"""Seconds between two lines of progress."""
BAR = 20
MOST_KEPT = 200
_Listener = TypeVar("_Listener")


def bound(listener: type[_Listener], interface: type[Any]) -> _Listener:
    """An object of our class `listener` that TensorRT takes for its `interface`, such as `trt.ILogger`."""
    made: _Listener = type(listener.__name__, (listener, interface), {})()
    return made


class Log:
    """Keeps warnings (`warned`) and errors (`said`) as text. TensorRT calls it from many threads."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.warned: list[str] = []
        self._lock = threading.Lock()

    def log(self, severity: Any, msg: str) -> None:
        """One line of TensorRT's; the first `MOST_KEPT` of a kind are kept."""
        kinds = {"ERROR": self.said, "INTERNAL_ERROR": self.said, "WARNING": self.warned}
        with self._lock:
            kept = kinds.get(severity.name)
            if kept is not None and len(kept) < MOST_KEPT:
                kept.append(msg)


class Recorder:
    """Collects the errors of a builder or a runtime, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []
        self._codes: list[Any] = []

    def num_errors(self) -> int:
        """How many there are."""
        return len(self.errors)

    def get_error_code(self, arg0: int) -> Any:
        """Of one error."""
        return self._codes[arg0]

    def get_error_desc(self, arg0: int) -> str:
        """Of one error."""
        return self.errors[arg0]

    def has_overflowed(self) -> bool:
        """Never: a list grows."""
        return False

    def clear(self) -> None:
        """Forget them."""
        self.errors.clear()
        self._codes.clear()

    def report_error(self, arg0: Any, arg1: str) -> bool:
        """TensorRT calls this; False would say that it was not kept."""
        self._codes.append(arg0)
        self.errors.append(arg1)
        return True


class BuildProgress:
    """A bar on stderr while a person watches; Ctrl-C ends the build at its next step (`stopped`)."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = False
        self._phases: dict[str, tuple[int, int]] = {}
        self._visible = sys.stderr.isatty()
        self._start = self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._visible:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """A phase of the build begins; phases lie inside one another."""
        del parent_phase  # the order of beginning tells the same
        self._phases[phase_name] = (0, num_steps)

    def step_complete(self, phase_name: str, step: int) -> bool:
        """False stops the build. An exception must not leave: there is C++ above."""
        try:
            self._phases[phase_name] = (step + 1, self._phases.get(phase_name, (0, 0))[1])
            self._show()
        except KeyboardInterrupt:
            self.stopped = True
        return not self.stopped

    def phase_finish(self, phase_name: str) -> None:
        """It is over, well or not."""
        self._phases.pop(phase_name, None)

    def line(self, seconds: float) -> str:
        """'building the engine [#####...............] Tactics 12/40, 31 s'."""
        if not self._phases:
            return f"building the engine, {seconds:.0f} s"
        name, (done, steps) = next(reversed(self._phases.items()))
        filled = BAR * done // max(steps, 1)
        bar = "#" * filled + "." * (BAR - filled)
        return f"building the engine [{bar}] {name} {done}/{steps}, {seconds:.0f} s"

    def _show(self) -> None:
        now = time.monotonic()
        if self._visible and now - self._shown >= INTERVAL:
            self._shown = now
            print(f"\r\033[K{self.line(now - self._start)}", end="", file=sys.stderr, flush=True)
