"""Escape and overkill as every page shows them: a name, a value, and what it is worth."""

from __future__ import annotations

from inspection.evaluation.economics import Economics
from inspection.reporting.wording import percent


def decision_figures(found: Economics) -> tuple[tuple[str, ...], ...]:
    """For one tile each: name, value, its exact 95 % interval, and what it is a share of."""
    value, low, high = found.escape_ppm
    ppm = "per million parts" if found.defect_rate else "per million defective parts"
    overkill = found.overkill
    return (
        ("Escape", f"{value:,.0f} ppm", f"{low:,.0f} to {high:,.0f}", ppm),
        (
            "Overkill",
            percent(overkill.value),
            f"{percent(overkill.low)} to {percent(overkill.high)}",
            f"{overkill.hits} of {overkill.total} good parts",
        ),
    )
