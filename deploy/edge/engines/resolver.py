"""Which runtime runs here: the fastest that can, and the reason for every one passed over.

Nothing falls back unsaid, and what is required is not replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from deploy.edge.engines.registry import check_engine
from deploy.edge.errors import EngineUnavailable, PlumblineError, UserError

AUTO = "auto"
ORDER = ("tensorrt", "onnxruntime-cuda", "onnxruntime")
"""Fastest first; the last runs everywhere."""
_Opened = TypeVar("_Opened")


@dataclass(frozen=True)
class PassedOver:
    """A runtime that was tried before the one that runs, and why it does not."""

    engine: str
    reason: str


@dataclass(frozen=True)
class Resolved(Generic[_Opened]):
    """`opened` by `engine`; `passed_over` in the order they were tried."""

    engine: str
    opened: _Opened
    passed_over: tuple[PassedOver, ...] = ()


def candidates(engine: str, require: str | None = None) -> tuple[str, ...]:
    """The runtimes to try: one if it was named or required, else all in `ORDER`."""
    if engine != AUTO:
        check_engine(engine)
    if require is not None:
        check_engine(require)
    if require is None:
        return ORDER if engine == AUTO else (engine,)
    if engine not in (AUTO, require):
        raise UserError(f"engine '{engine}' and require '{require}' exclude each other: drop one")
    return (require,)


def resolve(
    engine: str, attempt: Callable[[str], _Opened], require: str | None = None
) -> Resolved[_Opened]:
    """What `attempt` opens for the first runtime that can; the error of the last where none can."""
    *before, last = candidates(engine, require)
    passed: list[PassedOver] = []
    for name in before:
        try:
            return Resolved(name, attempt(name), tuple(passed))
        except EngineUnavailable as error:
            passed.append(PassedOver(name, error.reason))
        except (PlumblineError, OSError) as error:  # a golden image that differs, a full disk
            passed.append(PassedOver(name, " ".join(str(error).split())))
    return Resolved(last, attempt(last), tuple(passed))


def spoken(engine: str, passed_over: Sequence[PassedOver]) -> str:
    """The choice as one line for people; empty where there was none to make."""
    if not passed_over:
        return ""
    reasons = "; ".join(f"not {passed.engine}: {passed.reason}" for passed in passed_over)
    return f"engine {engine} ({reasons})"
