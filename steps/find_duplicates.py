"""Group the images that must not be torn apart by a split."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from data_checks.copies import turned_copies
from data_checks.duplicates import DuplicateReport, group_duplicates
from data_checks.results import GateReport
from inspection.config import SplitConfig
from inspection.data.index import ImageIndex


@step
def find_duplicates(
    index: ImageIndex, gate_report: GateReport, split_config: SplitConfig
) -> tuple[Annotated[ImageIndex, "grouped_index"], Annotated[DuplicateReport, "duplicate_report"]]:
    """Exact and near-copies share a `group`; data that failed its gate go no further."""
    gate_report.require()
    turned = turned_copies(index) if split_config.symmetries else ()
    grouped, report = group_duplicates(
        index, near_copies=split_config.group_near_copies, extra=turned
    )
    log_metadata({"pairs": len(report.pairs), "largest_group": report.largest_group})
    return grouped, report
