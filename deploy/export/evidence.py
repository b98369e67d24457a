"""What devices measured, as rows of a bundle's certificate: a new bundle that differs in nothing else.

Covered: evidence of another bundle, file or test set; edited or incomplete evidence that contradicts itself. Not
covered: a device that lies; evidence is believed as far as its carrier is, and its row says that nobody signed it.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from deploy.edge.bundle import Bundle, open_bundle
from deploy.edge.certification import DEVICE, EVIDENCE_SCHEMA, SET, SHOWN
from deploy.edge.errors import UserError
from deploy.edge.files import sha256_bytes, write_json
from deploy.edge.parity import Parity
from deploy.edge.shelf import put_up, workshop
from deploy.edge.signing import SIGNATURE, signature_document
from deploy.edge.spec import CERTIFICATE, MANIFEST
from deploy.export.bars import bar_of
from deploy.export.certificate import Certificate, CertificateRow, judged_row, with_intervals
from deploy.export.certification_set import set_file
from deploy.export.keys import sign_manifest
from deploy.export.precision_rows import PLAN
from inspection.store import Store

MAX_EVIDENCE_BYTES = 2**24
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
KEYS = {"schema", "bundle", "variant", "model_sha256", SET, "runtime", "machine", "parity"}


def fill_rows(store: Store, bundle: Path, evidence: Sequence[Path]) -> Bundle:
    """The bundle with the rows that `evidence` fills, on the shelf; UserError says which file does not belong."""
    opened = open_bundle(bundle)
    certificate = Certificate.from_json((opened.folder / CERTIFICATE).read_bytes())
    rows = {row.conversion: row for row in certificate.rows}
    for path in evidence:
        row = _row(path, opened, certificate)
        rows[row.conversion] = row
    filled = dataclasses.replace(certificate, rows=tuple(rows.values()))
    folder = _rewritten(store, opened, filled.to_json())
    held, target = set_file(store, opened.digest), set_file(store, folder.name)
    if held.is_file() and not target.exists():
        shutil.copyfile(held, target)
    return open_bundle(folder)


def _row(path: Path, bundle: Bundle, certificate: Certificate) -> CertificateRow:
    document = _document(path)
    variant = str(document["variant"])
    file = bundle.manifest.variant(variant).file
    belongs = {
        "bundle": bundle.digest,
        "model_sha256": bundle.manifest.files[file],
        SET: certificate.hashes.get(SET),
    }
    for key, ours in belongs.items():
        if document[key] != ours:
            raise UserError(
                f"'{path}' speaks of another {key} ({str(document[key])[:12]}, not {str(ours)[:12]}): "
                "certify this bundle on the device"
            )
    counts = _counts(path, document["parity"])
    bar = bar_of(variant, **_margins(bundle)) if certificate.trained else None
    row = judged_row(
        f"{document['runtime']['engine']} {variant}",
        with_intervals(counts),
        bar,
        model_sha256=str(document["model_sha256"]),
        runtime={**document["runtime"], "machine": document["machine"]},
    )
    return dataclasses.replace(row, source=_source(document["machine"]))


def _source(machine: Any) -> str:
    """Whose word the row rests on; older devices do not name themselves."""
    named = str(machine.get(DEVICE, "")) if isinstance(machine, dict) else ""
    device = f"device {named[:SHOWN]}" if _FINGERPRINT.fullmatch(named) else "of a device not named"
    return f"from an unsigned device report, {device}"


def _document(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_EVIDENCE_BYTES:
        raise UserError(f"'{path}' is no evidence: larger than {MAX_EVIDENCE_BYTES} bytes")
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"'{path}' is no evidence ({error}): certify on the device again"
        ) from error
    if not isinstance(found, dict) or set(found) != KEYS or found["schema"] != EVIDENCE_SCHEMA:
        raise UserError(
            f"'{path}' is no evidence of `plumbline-edge certify`: give the file it wrote"
        )
    if not isinstance(found["runtime"], dict) or "engine" not in found["runtime"]:
        raise UserError(f"'{path}' names no runtime: certify on the device again")
    return found


def _counts(path: Path, raw: Any) -> Parity:
    """Typed, and free of contradictions that an edit would leave."""
    try:
        counts = TypeAdapter(Parity).validate_python(raw)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise UserError(f"'{path}': parity.{where}: {fault['msg'].lower()}") from error
    rows = counts.per_class
    sums = {
        "images": (counts.images, sum(row.support for row in rows)),
        "flips": (counts.flips, sum(row.flips for row in rows)),
        "flipped_images": (counts.flips, len(counts.flipped_images)),
    }
    wrong = [name for name, (said, summed) in sums.items() if said != summed]
    wrong += [
        row.label for row in rows if row.hits_after != row.hits_before + row.gained - row.lost
    ]
    if wrong:
        raise UserError(f"'{path}' contradicts itself ({', '.join(wrong)}): certify again")
    return counts


def _margins(bundle: Bundle) -> Mapping[str, float]:
    """What INT8 was allowed to cost when the bundle was planned."""
    plan = bundle.folder / PLAN
    if not plan.is_file():
        return {}
    margins: Mapping[str, float] = json.loads(plan.read_bytes())["margins"]
    return margins


def _rewritten(store: Store, bundle: Bundle, certificate: bytes) -> Path:
    files = {**bundle.manifest.files, CERTIFICATE: sha256_bytes(certificate)}
    manifest = dataclasses.replace(bundle.manifest, files=files)
    with workshop(store.bundles) as bench:
        copy = Path(shutil.copytree(bundle.folder, bench / "copy"))
        (copy / CERTIFICATE).write_bytes(certificate)
        (copy / MANIFEST).write_bytes(manifest.to_json())
        # The old signatures were for the old manifest.
        (copy / SIGNATURE).unlink(missing_ok=True)
        if signatures := sign_manifest(store, manifest.to_json()):
            write_json(copy / SIGNATURE, signature_document(signatures))
        return put_up(copy, store.bundles)
