"""What the gate is told beside two evaluations: costs, certificate, corrupted images, who has seen the gate set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from inspection.config import EconomicsConfig
from inspection.evaluation.economics import Rule
from inspection.records import Record


@dataclass(frozen=True)
class Cost:
    """One model on the device's runtime: median milliseconds per decoded image, bytes of the graph that runs."""

    latency_ms: float
    bytes: int


@dataclass(frozen=True)
class Corrupted:
    """How many of `images` each recognised under one corruption; gained and lost as in `head_to_head.Tally`."""

    name: str
    images: int
    challenger_hits: int
    champion_hits: int | None = None
    p_worse: float = 1.0
    """One-sided exact p of the challenger being wrong no more often than the champion."""


@dataclass(frozen=True)
class Evidence(Record):
    """All of it may be absent: what was not measured is told, and holds nobody up.

    `groups`: which thing an image of the gate set shows, by image id. `certificate`: what is wrong with it, empty where
    nothing is, None where nobody looked. `seen_by_*`: images of the gate set of whose group the model was trained on
    any; None where no record says. `rule`, `champion_rule`: how each bundle decides about a part.
    """

    groups: Mapping[str, str] = field(default_factory=dict)
    same_bundle: bool = False
    same_student: bool = False
    cost: Cost | None = None
    champion_cost: Cost | None = None
    corrupted: tuple[Corrupted, ...] = ()
    certificate: str | None = None
    seen_by_challenger: tuple[str, ...] | None = None
    seen_by_champion: tuple[str, ...] | None = None
    rule: Rule | None = None
    champion_rule: Rule | None = None
    economics: EconomicsConfig = field(default_factory=EconomicsConfig)


def seen(
    gate_set: Sequence[str], groups: Mapping[str, str], trained_on: Sequence[str]
) -> tuple[str, ...]:
    """Images of `gate_set` of whose group any image is in `trained_on`; an image in no group is its own.

    Not covered: a near-copy in `trained_on` that `groups` does not name, because today's data lacks it.
    """
    known = {groups.get(image, image) for image in trained_on}
    return tuple(image for image in gate_set if groups.get(image, image) in known)
