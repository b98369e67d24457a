"""What a gate counted of a version's decisions, on the version itself: escapes and overkill with their bounds.

Covered: the latest gate's figures, with the model wherever its registry is. Not covered: versions judged before this
was kept, and bundles without a good class; both have no figures. The cost curve stays in the run's report.
"""

from __future__ import annotations

from dataclasses import replace

from deploy.registry.aliases import CHAMPION, stand
from deploy.registry.models import tags_of
from deploy.registry.tracking import nothing_yet, speaking
from inspection.evaluation.economics import Economics
from inspection.store import Store

ECONOMICS = "economics"
"""The tag, as JSON."""


def economics_tag(found: Economics | None) -> dict[str, str]:
    """Tags that say `found`; none where nothing could be counted."""
    if found is None:
        return {}
    return {ECONOMICS: replace(found, curve=()).to_json().decode()}


def champion_economics(store: Store, name: str) -> Economics | None:
    """What the latest gate counted of the champion; None where that is not known, or nobody is champion."""
    if nothing_yet(store):
        return None
    with speaking(store):
        version = stand(store, name).version(CHAMPION)
        return None if version is None else measured_economics(store, name, version)


def measured_economics(store: Store, name: str, version: int) -> Economics | None:
    """What the latest gate counted of a version, without the curve; None where that is not known."""
    said = tags_of(store, name, version).get(ECONOMICS, "")
    try:
        return Economics.from_json(said.encode()) if said else None
    except ValueError:
        # Written by another Plumbline, or by hand: no figure is better than a wrong one.
        return None
