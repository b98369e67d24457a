"""What the device decided on each stream of a batch, beside what it decides on the bundle's reference.

Covered: streams apart, each against the whole reference; a bundle without a good class says nothing. No alarm hangs on
it: the mix of classes and its confidence are signals of the verdict already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from data_checks.drift import Watched
from data_checks.drift_reference import DriftReference
from deploy.edge.spec import Decision
from inspection.config import EconomicsConfig
from inspection.evaluation.economics import Rule
from inspection.evaluation.in_service import in_service


def with_outcomes(
    found: Watched,
    batch: DriftReference,
    reference: DriftReference,
    classes: Sequence[str],
    decision: Decision,
    config: EconomicsConfig,
) -> Watched:
    """`found`, each verdict with the shares of its stream that were accepted, rejected and reviewed."""
    rule = Rule.of(decision)
    verdicts = tuple(
        replace(
            verdict,
            decided=in_service(
                batch.of_stream(verdict.stream).probabilities,
                reference.probabilities,
                classes,
                rule,
                config,
            ),
        )
        for verdict in found.verdicts
    )
    return replace(found, verdicts=verdicts)


def told_outcomes(found: Watched) -> list[str]:
    """A sentence for each stream that has outcomes, with its name where the log names any."""
    return [
        f"{verdict.stream}: {verdict.decided.sentence}"
        if verdict.stream
        else verdict.decided.sentence
        for verdict in found.verdicts
        if verdict.decided is not None
    ]
