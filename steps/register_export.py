"""Register the planned bundle if the gate let it through; without a certificate there is none to register."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from deploy.export.planned import Planned
from deploy.export.precision_rows import as_certified
from deploy.export.release import Release
from deploy.registry.enrolment import Enrolment, enrol
from deploy.registry.tracking import TrackedRun
from deploy.registry.training_images import learned_from
from inspection.config import RunConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.gate import GateVerdict
from inspection.store import Store


@step(enable_cache=False)
def register_export(
    release: Release,
    index: ImageIndex,
    planned: Planned,
    verdict: GateVerdict,
    config: RunConfig,
    run: str,
    store: str,
) -> Annotated[Enrolment, "enrolment"]:
    """The same bundle twice is one version; a refused one is written down and not registered."""
    tracked = TrackedRun(
        name=run,
        params=config.model_dump(mode="json"),
        metrics=release.evaluation.summary,
        tags={
            "bundle": release.digest,
            "gate": verdict.sentence,
            "plan": as_certified(planned, release.certificate.rows).sentence,
        },
    )
    enrolment = enrol(
        Store(Path(store)),
        config.name,
        release.folder,
        verdict,
        tracked,
        learned_from(index),
        crowned=config.gate.promotion == "auto",
    )
    log_metadata({"run_id": enrolment.run_id, "version": str(enrolment.version)})
    return enrolment
