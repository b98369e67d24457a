"""What a run and an export say alike of their gate and of their place in the registry."""

from __future__ import annotations

from typing import Any

from pipelines.launcher.launch import Flight


def noted(trip: Flight, made: dict[str, Any]) -> dict[str, Any]:
    """What was made, now also in the record of `trip`, which is refused where the gate said no."""
    gate = made["gate"]
    refused = {} if gate["passed"] else {"status": "refused", "sentence": gate["sentence"]}
    trip.note(made=made, **refused)
    return made


def registered(made: dict[str, Any]) -> str:
    """The version that was made of it, or why there is none."""
    if not made["gate"]["passed"]:
        return "nothing: the gate refused"
    return f"{made['model']} version {made['version']} ({', '.join(made['aliases'])})"
