"""Draw the run as one offline page, and its main pictures."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from data_checks.drift_reference import check_reference_size
from data_checks.duplicates import DuplicateReport, check_groups
from data_checks.leaks import LeakReport
from data_checks.results import GateReport
from deploy.export.keys import edge_options
from deploy.export.release import Release
from inspection.config import RunConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.classifiers import Classifiers
from inspection.evaluation.explanations import Explanations
from inspection.evaluation.gate import GateVerdict
from inspection.evaluation.latency import Latency
from inspection.evaluation.representation_maps import FeatureMaps
from inspection.evaluation.searched import Searched
from inspection.features.extract import Features
from inspection.reporting.occasion import Occasion
from inspection.reporting.report import write_report as draw
from inspection.reporting.run_report import RunReport
from inspection.training.assessment import Assessment
from inspection.training.prepared_teacher import PreparedTeacher
from inspection.training.student import StudentResult
from inspection.training.teacher import TeacherResult


@step(enable_cache=False)
def write_report(
    index: ImageIndex,
    gate_report: GateReport,
    duplicates: DuplicateReport,
    leaks: LeakReport,
    features: Features,
    prepared: PreparedTeacher,
    teacher: TeacherResult,
    student: StudentResult,
    assessment: Assessment,
    explanations: Explanations,
    release: Release,
    teacher_latency: Latency,
    student_latency: Latency,
    classifiers: Classifiers,
    feature_maps: FeatureMaps,
    verdict: GateVerdict,
    searched: Searched | None,
    config: RunConfig,
    folder: str,
    created: str,
    command: str,
) -> Annotated[str, "report"]:
    """The page's path; the student's figures are those of the exported graph, which is what ships."""
    occasion = Occasion.of(created, folder)
    report = RunReport(
        name=config.name,
        created=occasion.moment,
        config=config,
        index=index,
        checks=gate_report.with_results(
            check_groups(duplicates),
            check_reference_size(len(index.split("val")), config.monitor.min_images),
        ),
        duplicates=duplicates,
        leaks=leaks,
        features=features,
        gain=prepared.gain,
        maps=feature_maps,
        heads=teacher.heads,
        searched=searched,
        training=student,
        teacher=assessment.teacher,
        student=release.evaluation,
        explanations=explanations,
        classifiers=classifiers,
        latencies={"teacher": teacher_latency, "student": student_latency},
        certificate=release.certificate,
        gate=verdict,
        provenance=release.certificate.hashes,
        command=command,
        next_command=f"plumbline-edge predict {release.folder} {edge_options(release.folder)} IMAGES"
        if verdict.passed
        else "",
    )
    page = draw(report, occasion.folder / "report.html")
    log_metadata({"report": str(page)})
    return str(page)
