"""What a finished run leaves in MLflow: always its figures, and a model version only when the gate let it through."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.registry.aliases import Hand
from deploy.registry.measured import economics_tag
from deploy.registry.models import get_version, mark_judged, register_bundle
from deploy.registry.promotion import crown
from deploy.registry.tracking import TrackedRun, track_run
from deploy.registry.training_images import record_training_images
from inspection.evaluation.gate import GateVerdict
from inspection.records import Record
from inspection.store import Store


@dataclass(frozen=True)
class Enrolment(Record):
    """The MLflow run, and the version it became; `version` is None when the gate refused."""

    name: str
    run_id: str
    version: int | None
    aliases: tuple[str, ...]


def enrol(
    store: Store,
    name: str,
    bundle: Path,
    verdict: GateVerdict,
    run: TrackedRun,
    trained_on: Sequence[str] = (),
    *,
    crowned: bool = True,
) -> Enrolment:
    """Track `run`; when `verdict` passed, register the bundle and make it champion. The same bundle is one version.

    Not `crowned`, it stays challenger. Refused if the champion is not the one any more that the gate compared with.
    `trained_on` are the ids of the images it has learned from, which its successor's gate set is held against.
    """
    run_id = track_run(store, name, run)
    evidence = {"run": run.name, "test_set": verdict.test_digest}
    said, counted = verdict.sentence, economics_tag(verdict.economics)
    if not verdict.passed:
        mark_judged(store, name, bundle.name, passed=False, sentence=said, counted=counted)
        return Enrolment(name, run_id, None, ())
    hand = Hand(f"run {run.name}", evidence=evidence)
    registered = register_bundle(
        store, name, bundle, run_id=run_id, tags={"run": run.name}, hand=hand
    )
    if trained_on:
        record_training_images(store, registered.run_id, trained_on)
    mark_judged(store, name, registered.digest, passed=True, sentence=said, counted=counted)
    if crowned:
        hand = dataclasses.replace(hand, reason=f"the gate of run {run.name} let it through")
        crown(store, name, registered.version, hand, compared_with=verdict.champion)
    enrolled = get_version(store, name, registered.version)
    return Enrolment(name, run_id, enrolled.version, enrolled.aliases)
