"""Ask the index what a person would ask, and set contradictory items aside."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from data_checks.contradictions import quarantine_contradictions
from data_checks.expectations import validate_index
from data_checks.profile_gate import with_profile
from data_checks.results import GateReport
from inspection.config import ChecksConfig
from inspection.data.index import ImageIndex


@step
def check_data(
    index: ImageIndex, checks: ChecksConfig
) -> tuple[Annotated[ImageIndex, "checked_index"], Annotated[GateReport, "gate_report"]]:
    """The answers travel on even when the gate says no: the next step refuses, and the report can show why."""
    checked = quarantine_contradictions(index)
    # A split that is here already is the data's own: it is made anew, or audited when it is kept.
    asked = checked.with_columns(split=None)
    report = with_profile(validate_index(asked, checks), checked, checks)
    log_metadata({"passed": report.passed, "quarantined": report.quarantined})
    return checked, report
