"""Make the lower precisions, judge them on validation images, time them here, and choose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from deploy.export.graph_file import subject_of
from deploy.export.planned import Planned
from deploy.export.planner import plan_precision as plan
from inspection.config import ExportConfig
from inspection.data.index import ImageIndex
from inspection.training.student import StudentResult


@step(enable_cache=False)
def plan_precision(
    fp32: str,
    student: StudentResult,
    index: ImageIndex,
    ok_class: str | None,
    export_config: ExportConfig,
    max_megapixels: float,
) -> Annotated[Planned, "planned"]:
    """Measured on this machine, so never taken from a cache."""
    file = Path(fp32)
    planned = plan(
        subject_of(student.folder, file, ok_class),
        index,
        export_config,
        folder=file.parent,
        max_megapixels=max_megapixels,
    )
    log_metadata({"plan": planned.sentence, **planned.sentences})
    return planned
