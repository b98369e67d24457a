"""When alarms of single batches are a drift: the one rule of the monitor's records and of the loop.

Covered: alarms from before a calm, which ended their drift, never count again. Not covered: when a confirmed drift is
over; the loop waits for `calm` batches, while a record says only what the last `window` batches were.
"""

from __future__ import annotations

from collections.abc import Sequence

from inspection.config import LoopConfig


def confirms(alarms: Sequence[bool], rule: LoopConfig) -> bool:
    """Whether `rule.confirm` of the last `rule.window` batches alarmed; `alarms` of one stream, oldest first."""
    counted = quiet = 0
    for alarm in reversed(alarms[-rule.window :]):
        quiet = 0 if alarm else quiet + 1
        if quiet >= rule.calm:
            break
        counted += alarm
    return counted >= rule.confirm


def rule_words(confirm: int, window: int) -> str:
    """What confirms a drift, for a sentence."""
    if window == 1:
        return "one batch alone"
    return f"{confirm} of the last {window} batches"
