"""Chapter: what conversion did to decisions (the certificate)."""

from __future__ import annotations

from collections.abc import Sequence

from inspection.reporting.blocks import Section, badge, card, facts, table
from inspection.reporting.certified import CertificateLine, CertificateTable
from inspection.reporting.markup import Child, Html, join
from inspection.reporting.run_report import RunReport
from inspection.reporting.wording import count, percent, short, small

STATES = {"passed": "good", "pending": "idle"}


def certificate(run: RunReport) -> Section | None:
    """The certificate of a run that came so far."""
    return certificate_section(run.certificate) if run.certificate is not None else None


def certificate_section(found: CertificateTable) -> Section:
    """Every conversion against the trained model, the ones not measured here included."""
    measured = [row.measured for row in found.rows if row.measured is not None]
    pending = sum(row.status == "pending" for row in found.rows)
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
    kinds = ["idle" if row.status == "pending" else "" for row in found.rows]
    body = table(
        head,
        [_certificate_row(row) for row in found.rows],
        caption="Certificate, conversion by conversion",
        numeric=frozenset(range(2, 9)),
        kinds=kinds,
    )
    note = f"Model {short(found.model_sha256)}, test set {short(found.test_digest)}."
    parts = join([card(body, note=note), _remarks(found.rows)])
    return Section("certificate", "Certificate", "Certificate", lead, parts)


def _certificate_row(row: CertificateLine) -> list[Child]:
    state = badge(row.status, STATES.get(row.status, "bad"))
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


def _remarks(rows: Sequence[CertificateLine]) -> Html | None:
    """Why a row is refused or open, and whose word it rests on; below the table, where sentences have room."""
    said = [(row.conversion, "; ".join(filter(None, (row.reason, row.source)))) for row in rows]
    told = [(name, words) for name, words in said if words]
    return card(facts(told), title="Remarks") if told else None
