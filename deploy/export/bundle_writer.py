"""The finished bundle on the shelf: assembled aside, verified, repeated once, then renamed to its digest.

Covered: equal inputs give the equal folder; what stands on the shelf has passed the device's own checks, and is signed
by every key of the store that signs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deploy.edge.bundle import Golden, open_bundle, self_test
from deploy.edge.engines.registry import open_engine
from deploy.edge.files import sha256_file, write_json
from deploy.edge.shelf import put_up, workshop
from deploy.edge.signing import SIGNATURE, signature_document
from deploy.edge.spec import (
    CERTIFICATE,
    DRIFT_REFERENCE,
    FP32,
    GOLDEN_FOLDER,
    GOLDEN_OUTPUTS,
    MANIFEST,
    Decision,
    Manifest,
    Plan,
    Preprocessing,
    Variant,
)
from deploy.export.archives import npz_bytes
from deploy.export.certificate import Certificate
from deploy.export.golden import TOLERANCE, encode_png
from deploy.export.keys import sign_manifest
from inspection.evaluation.answers import Answers
from inspection.store import Store

MODEL = "model.onnx"
MAX_DRIFT_ROWS = 2000


@dataclass(frozen=True)
class BundleSpec:
    """What the trainer decides about a bundle; `classes` in the order of the graph's probabilities.

    `hashes` goes into manifest and certificate: digests of weights, licences, the code's fingerprint; JSON-able.
    """

    name: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    decision: Decision
    temperature: float
    test_digest: str
    hashes: Mapping[str, Any]


@dataclass(frozen=True)
class BundleParts:
    """What is measured and made for it; `drift` are the val images' answers, `groups` their parts by image id.

    `precisions` are the graphs beside FP32 by name with their golden tolerance, `plans` the way of each engine,
    `documents` further files by name.
    """

    onnx: Path
    golden: Golden
    drift: Answers
    certificate: Certificate
    provenance: Mapping[str, Any]
    groups: Mapping[str, str]
    precisions: Mapping[str, tuple[Path, float]] = field(default_factory=dict)
    plans: Mapping[str, Plan] = field(default_factory=dict)
    documents: Mapping[str, bytes] = field(default_factory=dict)


def write_bundle(store: Store, spec: BundleSpec, parts: BundleParts) -> Path:
    """Put the bundle on `store.bundles` under its digest and give its folder; nothing is left if anything fails."""
    with workshop(store.bundles) as bench:
        folder = bench / "bundle"
        _fill(folder, parts)
        manifest = _manifest(folder, spec, parts)
        (folder / MANIFEST).write_bytes(manifest.to_json())
        if signatures := sign_manifest(store, manifest.to_json()):
            write_json(folder / SIGNATURE, signature_document(signatures))
        folder = folder.rename(bench / manifest.digest)
        bundle = open_bundle(folder)
        for name in (FP32, *manifest.variants):
            self_test(bundle, open_engine("onnxruntime", bundle.graph(name)), name)
        return put_up(folder, store.bundles)


def _fill(folder: Path, parts: BundleParts) -> None:
    (folder / GOLDEN_FOLDER).mkdir(parents=True)
    (folder / MODEL).write_bytes(parts.onnx.read_bytes())
    for name, (graph, _) in parts.precisions.items():
        (folder / file_of(name)).write_bytes(graph.read_bytes())
    for name, data in parts.documents.items():
        (folder / name).write_bytes(data)
    (folder / CERTIFICATE).write_bytes(parts.certificate.to_json())
    (folder / DRIFT_REFERENCE).write_bytes(_drift_bytes(parts.drift, parts.groups))
    outputs = parts.golden.outputs
    packed = npz_bytes(probabilities=outputs.probabilities, embedding=outputs.embedding)
    (folder / GOLDEN_OUTPUTS).write_bytes(packed)
    for i, pixels in enumerate(parts.golden.pixels):
        (folder / GOLDEN_FOLDER / f"{i:03d}.png").write_bytes(encode_png(pixels))


def _drift_bytes(drift: Answers, groups: Mapping[str, str]) -> bytes:
    """The validation images' figures, thinned evenly when there are very many.

    With the number of the part each shows: photographs of one part are no independent witnesses of drift.
    """
    rows = np.argsort(np.array(drift.image_ids), kind="stable")
    if len(rows) > MAX_DRIFT_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, MAX_DRIFT_ROWS).round().astype(int)]
    parts = [groups.get(drift.image_ids[row], drift.image_ids[row]) for row in rows]
    return npz_bytes(
        statistics=drift.statistics[rows],
        probabilities=drift.probabilities[rows],
        embedding=drift.embedding[rows],
        groups=np.unique(parts, return_inverse=True)[1].astype(np.int64),
    )


def _manifest(folder: Path, spec: BundleSpec, parts: BundleParts) -> Manifest:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return Manifest(
        name=spec.name,
        model=MODEL,
        classes=spec.classes,
        preprocessing=spec.preprocessing,
        decision=spec.decision,
        temperature=spec.temperature,
        embedding_size=int(parts.golden.outputs.embedding.shape[1]),
        golden_tolerance=TOLERANCE,
        files={path.relative_to(folder).as_posix(): sha256_file(path) for path in files},
        provenance=dict(parts.provenance),
        variants={
            name: Variant(file_of(name), tolerance)
            for name, (_, tolerance) in parts.precisions.items()
        },
        plans=dict(parts.plans),
    )


def file_of(precision: str) -> str:
    """The file of a precision inside its bundle."""
    return f"model.{precision}.onnx"
