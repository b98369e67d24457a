"""Certifying a bundle where it runs: the frozen test images as the workshop prepared them, and its trained answers.

The set is one .npz beside the bundle, too large to travel with every copy; the certificate names it by SHA-256, so a
device accepts no other. Covered: what this device's runtime does to decisions. Not covered: its camera and decoder; the
golden images and the drift reference watch those.
"""

from __future__ import annotations

import os
import platform
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.edge.bundle import Bundle
from deploy.edge.engines.base import Engine
from deploy.edge.errors import BundleError, TamperedBundle
from deploy.edge.files import sha256_bytes, sha256_file
from deploy.edge.parity import Parity, parity

EVIDENCE_SCHEMA = 1
SET = "certification_set"
"""Key of the set's SHA-256 in the certificate's hashes."""
DEVICE = "device"
"""Key of the device's fingerprint in what evidence says of the machine."""
SHOWN = 16
"""Of a fingerprint's digits, as with keys."""
MACHINE_ID = Path("/etc/machine-id")
ARRAYS = ("images", "probabilities", "labels", "image_ids")
BATCH = 8


@dataclass(frozen=True)
class CertificationSet:
    """Aligned: `images` uint8 (N, H, W, 3) as the graph takes them; the trained model's `probabilities` (N, C)."""

    images: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    image_ids: tuple[str, ...]


def load_set(path: Path, bundle: Bundle) -> CertificationSet:
    """The set of `bundle`, or a sentence why this file is none."""
    if not path.is_file():
        raise BundleError(f"no certification set '{path}': `plumbline export` says where it lies")
    promised = bundle.certificate().get("hashes", {}).get(SET)
    if promised is None:
        raise BundleError(
            f"bundle '{bundle.folder}' was certified without a set for devices: export it with `plumbline export`"
        )
    if sha256_file(path) != promised:
        raise TamperedBundle(
            f"'{path}' is not the set that '{bundle.folder}' was certified with ({promised[:12]}): copy that one"
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            images, probabilities, labels, ids = (archive[name] for name in ARRAYS)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BundleError(f"'{path}' cannot be read ({error}): copy it again") from error
    return CertificationSet(images, probabilities, tuple(labels.tolist()), tuple(ids.tolist()))


def measure_parity(bundle: Bundle, engine: Engine, held: CertificationSet) -> Parity:
    """What `engine` makes of the set, against the trained model's answers."""
    parts = [
        engine.run(held.images[start : start + BATCH]).probabilities
        for start in range(0, len(held.images), BATCH)
    ]
    found = np.concatenate(parts)
    if not np.isfinite(found).all():
        raise TamperedBundle(
            f"{engine.name} answers NaN or infinity on {bundle.folder}: do not run it here"
        )
    return parity(
        held.probabilities,
        found,
        labels=held.labels,
        image_ids=held.image_ids,
        classes=bundle.manifest.classes,
        decision=bundle.manifest.decision,
    )


def device_fingerprint(machine_id: Path = MACHINE_ID) -> str:
    """Hex name of this device, the same at every start: a digest, so that the machine's own identifier stays here.

    It tells devices apart and proves nothing.
    """
    try:
        name = machine_id.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        name = ""
    return sha256_bytes(f"plumbline device v1\n{name or platform.node()}".encode())


def evidence(bundle: Bundle, variant: str, engine: Engine, found: Parity) -> dict[str, Any]:
    """The document that the workshop turns into a row of the certificate."""
    file = bundle.manifest.variant(variant).file
    return {
        "schema": EVIDENCE_SCHEMA,
        "bundle": bundle.digest,
        "variant": variant,
        "model_sha256": bundle.manifest.files[file],
        SET: bundle.certificate()["hashes"][SET],
        "runtime": engine.describe(),
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
            DEVICE: device_fingerprint(),
        },
        "parity": asdict(found),
    }
