"""Past logs as events of the loop: every batch they would have made, judged as the monitor judges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from inspection.config import RunConfig
from inspection.errors import UserError
from inspection.evaluation.loop import BatchJudged
from inspection.store import Store
from pipelines.loop.events import ALL


def judged_logs(config: RunConfig, logs: Sequence[Path], store: Store) -> Iterator[BatchJudged]:
    """The batches in `logs` that the champion's bundle made, oldest first."""
    from data_checks.drift_past import judge_past
    from data_checks.drift_reference import DriftReference
    from deploy.edge.bundle import load_drift_reference, open_bundle
    from deploy.registry.models import champion_bundle

    folder = champion_bundle(store, config.name)
    if folder is None:
        raise UserError(f"no champion of '{config.name}' in {store.root}: run its config first")
    bundle = open_bundle(folder)
    reference = DriftReference.from_arrays(load_drift_reference(bundle))
    past = judge_past(logs, bundle.digest, reference, config.monitor, bundle.manifest.classes)
    for one in past:
        verdict = one.verdict
        yield BatchJudged(
            time=one.time,
            stream=one.stream or ALL,
            model=bundle.digest,
            drifted=verdict.drifted,
            cause=verdict.cause,
            remedy=verdict.remedy,
        )
