"""`plumbline certify`: rows that devices measured, into a bundle's certificate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deploy.edge.spec import CERTIFICATE
from pipelines.output import Answer, Table
from pipelines.settings import Settings


def fill_certificate(bundle: Path, evidence: Sequence[Path], *, settings: Settings) -> Answer:
    """A new bundle on the shelf whose certificate holds what `plumbline-edge certify` wrote."""
    from deploy.export.certificate import Certificate
    from deploy.export.evidence import fill_rows
    from deploy.export.keys import edge_options

    made = fill_rows(settings.store, bundle, evidence)
    certificate = Certificate.from_json((made.folder / CERTIFICATE).read_bytes())
    rows = [
        (
            row.conversion,
            row.status,
            f"{row.measured.flips} of {row.measured.images}" if row.measured else "",
            f"{row.measured.max_delta:.1e}" if row.measured else "",
            "; ".join(filter(None, (row.reason, row.source))),
        )
        for row in certificate.rows
    ]
    return Answer(
        document={
            "bundle": str(made.folder),
            "digest": made.digest,
            "rows": [
                {
                    "conversion": row.conversion,
                    "status": row.status,
                    "reason": row.reason,
                    "source": row.source,
                }
                for row in certificate.rows
            ],
        },
        lines=[f"Bundle  {made.folder}"],
        table=Table(("conversion", "status", "labels changed", "largest change", "why"), rows),
        next=[f"plumbline-edge verify {made.folder} {edge_options(made.folder)}"],
    )
