"""Chapter: what conversion did to decisions (the certificate)."""

from __future__ import annotations

from inspection.reporting.blocks import Section, badge, card, table
from inspection.reporting.markup import Child
from inspection.reporting.run_report import CertificateLine, RunReport
from inspection.reporting.wording import count, percent, short, small


def certificate(run: RunReport) -> Section | None:
    """Every conversion against the trained model, the ones not measured here included."""
    found = run.certificate
    if found is None:
        return None
    measured = [row.measured for row in found.rows if row.measured is not None]
    pending = sum(row.measured is None for row in found.rows)
    flips = sum(m.flips for m in measured)
    lead = f"Decisions of each conversion held against {found.reference}: {count(flips, 'flip')}"
    lead += f" in {count(max((m.images for m in measured), default=0), 'test image')}"
    lead += (
        f"; {count(pending, 'row')} pending until a machine can measure them." if pending else "."
    )
    head = [
        "conversion",
        "status",
        "images",
        "flips",
        "allowed",
        "95 % bound",
        "crossings",
        "max |Δp|",
        "allowed",
    ]
    kinds = ["" if row.measured is not None else "idle" for row in found.rows]
    body = table(
        head,
        [_certificate_row(row) for row in found.rows],
        caption="Certificate, conversion by conversion",
        numeric=frozenset(range(2, 9)),
        kinds=kinds,
    )
    note = f"Model {short(found.model_sha256)}, test set {short(found.test_digest)}."
    return Section("certificate", "Certificate", "Certificate", lead, card(body, note=note))


def _certificate_row(row: CertificateLine) -> list[Child]:
    state = badge(
        row.status, "good" if row.status == "passed" else "idle" if row.measured is None else "bad"
    )
    seen = row.measured
    if seen is None:
        return [row.conversion, state, *["–"] * 7]
    return [
        row.conversion,
        state,
        f"{seen.images:,}",
        str(seen.flips),
        "–" if row.max_flips is None else str(row.max_flips),
        percent(seen.flip_rate_high, 2),
        str(seen.crossings),
        small(seen.max_delta),
        "–" if row.max_delta is None else small(row.max_delta),
    ]
