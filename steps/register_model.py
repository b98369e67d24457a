"""Write the run down in MLflow, and make its bundle champion if the gate let it through."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from deploy.export.release import Release
from deploy.registry.enrolment import Enrolment, enrol
from deploy.registry.tracking import TrackedRun
from deploy.registry.training_images import learned_from
from inspection.config import RunConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.gate import GateVerdict
from inspection.evaluation.searched import Searched
from inspection.reporting.pictures import write_pictures
from inspection.store import Store
from inspection.training.assessment import Assessment
from inspection.training.student import StudentResult


@step(enable_cache=False)
def register_model(
    release: Release,
    index: ImageIndex,
    assessment: Assessment,
    student: StudentResult,
    verdict: GateVerdict,
    searched: Searched | None,
    report: str,
    config: RunConfig,
    store: str,
) -> Annotated[Enrolment, "enrolment"]:
    """The same bundle twice is one version; a refused one is written down and not registered.

    Parameters are the config as given; what a search changed stands beside it, under `found`.
    """
    page = Path(report)
    both = (assessment.teacher, release.evaluation)
    pictures = write_pictures(both, student.history, page.parent / "pictures")
    found = {"found": searched.overrides} if searched else {}
    told = {"search": searched.sentence} if searched else {}
    run = TrackedRun(
        name=page.parent.name,
        params=config.model_dump(mode="json") | found,
        metrics=assessment.figures | release.evaluation.summary,
        tags={"bundle": release.digest, "gate": verdict.sentence} | told,
        pictures=(page, *pictures),
    )
    enrolment = enrol(
        Store(Path(store)),
        config.name,
        release.folder,
        verdict,
        run,
        learned_from(index),
        crowned=config.gate.promotion == "auto",
    )
    log_metadata({"run_id": enrolment.run_id, "version": str(enrolment.version)})
    return enrolment
