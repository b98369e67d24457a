"""Chapters of an export: what each conversion does to decisions, class by class, and which rows a device must fill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inspection.reporting.blocks import Section, card, table
from inspection.reporting.certified import CertificateLine, CertificateTable, ClassMoved
from inspection.reporting.chapters.proof import certificate_section
from inspection.reporting.export_run import ExportReport
from inspection.reporting.markup import Child, join, tag
from inspection.reporting.wording import count, small

SHOWN_CLASSES = 60
NOTHING_MOVED = "No class is recognised more or less often by any conversion."


def decisions(found: CertificateTable) -> Section:
    """The certificate, and how far probabilities and calibration moved."""
    section = certificate_section(found)
    rows = [_moved(row) for row in found.rows if row.measured is not None]
    more = table(
        ["conversion", "max |Δp|", "mean |Δp|", "calibration error before", "after"],
        rows,
        caption="How far probabilities moved",
        numeric=frozenset({1, 2, 3, 4}),
    )
    body = join([section.body, card(more, title="Probabilities")])
    return Section(section.anchor, section.short, "Decisions", section.lead, body)


def _moved(row: CertificateLine) -> list[Child]:
    seen = row.measured
    if seen is None:
        return [row.conversion, *["–"] * 4]
    return [
        row.conversion,
        small(seen.max_delta),
        small(seen.mean_delta),
        f"{seen.ece_before:.4f}",
        f"{seen.ece_after:.4f}",
    ]


def classes(found: CertificateTable) -> Section | None:
    """Recall by class with its exact interval; where nothing moved in any conversion, a sentence is enough."""
    every = list(_class_rows(found))
    if not every:
        return None
    moved = [(name, row) for name, row in every if row.hits_before != row.hits_after]
    # Where nothing moved, most conversions say the same of a class: once is enough.
    alike = {(row.label, row.recall_delta_low, row.recall_delta_high): row for _, row in every}
    still = [("each", row) for row in alike.values()]
    shown = sorted(moved, key=lambda pair: pair[1].recall_delta) or still
    body = table(
        ["conversion", "class", "test images", "right before", "right after", "Δ recall", "at worst", "at best"],
        [_class_row(*pair) for pair in shown[:SHOWN_CLASSES]],
        caption="Recall by class, before and after",
        numeric=frozenset(range(2, 8)),
        kinds=["bad" if row.recall_delta < 0 else "" for _, row in shown[:SHOWN_CLASSES]],
    )  # fmt: skip
    names = count(len({row.label for _, row in moved}), "class", "classes")
    where = count(len({name for name, _ in moved}), "conversion")
    lead = f"{names} changed, in {where}; the greatest loss first." if moved else NOTHING_MOVED
    note = "At worst, at best: what images not yet seen may show, with 95 % confidence (exact)."
    if len(shown) > SHOWN_CLASSES:
        note += f" {SHOWN_CLASSES} of {len(shown)} rows are shown, all are in the bundle's certificate.json."
    return Section("classes", "Classes", "Class by class", lead, card(body, note=note))


def _class_rows(found: CertificateTable) -> Iterator[tuple[str, ClassMoved]]:
    for row in found.rows:
        for one in row.measured.per_class if row.measured else ():
            yield row.conversion, one


def _class_row(conversion: str, row: ClassMoved) -> list[Child]:
    return [
        conversion,
        row.label,
        f"{row.support:,}",
        f"{row.hits_before:,}",
        f"{row.hits_after:,}",
        f"{100 * row.recall_delta:+.1f} %",
        f"{100 * row.recall_delta_low:+.1f} %",
        f"{100 * row.recall_delta_high:+.1f} %",
    ]


def pending(found: ExportReport) -> Section | None:
    """What nobody has measured yet, and the commands with which a device fills it."""
    rows = [row for row in found.certificate.rows if row.status == "pending"]
    if not rows:
        return None
    body = table(
        ["conversion", "why it is open"],
        [[row.conversion, row.reason or "not measured on this machine"] for row in rows],
        caption="Rows that are pending",
    )
    status, reason = found.compiled
    note = f"TensorRT on this machine: {status}, {reason}." if reason else ""
    lead = f"{count(len(rows), 'row')} of the certificate {'is' if len(rows) == 1 else 'are'} open, none is guessed."
    steps = card(*_commands(found, rows), title="How a device fills them")
    return Section(
        "pending", "Still open", "Still open", lead, join([card(body, note=note), steps])
    )


def _commands(found: ExportReport, rows: Sequence[CertificateLine]) -> list[Child]:
    """One command a row, to be copied as they stand but for the places on the device."""
    device, written = [], []
    for row in rows:
        engine, _, variant = row.conversion.partition(" ")
        written.append(f"{engine}-{variant}.json")
        device.append(
            f"plumbline-edge certify BUNDLE SET.npz --require {engine} --variant {variant} "
            f"--out {written[-1]} {found.edge_options}"
        )
    back = f"plumbline certify {found.bundle} {' '.join(written)}"
    return [
        tag("p", "Copy the bundle and its certification set (the frozen test images, prepared) to the device:"),
        tag("pre", tag("code", f"{found.bundle}\n{found.held}"), tabindex=0),
        tag("p", "On the device, with its own places of the two and of the keys:"),
        tag("pre", tag("code", "\n".join(device)), tabindex=0),
        tag("p", "Back in the workshop; the answer is a new bundle with the rows filled:"),
        tag("pre", tag("code", back), tabindex=0),
    ]  # fmt: skip
