"""From the trained graph to the certified bundle on the shelf; stops before the shelf if decisions change."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

from deploy.edge.certification import SET
from deploy.edge.engines.base import Engine
from deploy.edge.engines.registry import open_engine
from deploy.edge.files import sha256_bytes, sha256_file, write_bytes
from deploy.edge.spec import FP32
from deploy.export.beside import engines_beside
from deploy.export.bundle_writer import BundleParts, BundleSpec, write_bundle
from deploy.export.certificate import Certificate, certify
from deploy.export.certification_set import set_bytes, set_file
from deploy.export.golden import choose_golden
from deploy.export.onnx_graph import export_onnx
from deploy.export.planned import Planned
from deploy.export.precision_rows import judge_precisions
from deploy.export.torch_engine import TorchEngine
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.evaluation.answers import answer, evaluate_rows
from inspection.evaluation.metrics import Evaluation
from inspection.records import Record
from inspection.store import Store

TOOLS = ("torch", "onnx", "onnxruntime", "onnxscript", "opencv-python-headless", "numpy")


@dataclass(frozen=True)
class Release(Record):
    """A bundle on the shelf, its certificate, and how the *exported* graph does on the frozen test set."""

    folder: Path
    digest: str
    certificate: Certificate
    evaluation: Evaluation


def export_bundle(
    graph: nn.Module,
    spec: BundleSpec,
    *,
    index: ImageIndex,
    store: Store,
    max_megapixels: float = 100.0,
    planned: Planned | None = None,
) -> Release:
    """Export `graph`, certify it over the whole test split, shelve the bundle; ParityError if decisions change.

    `index` holds the splits: test is certified, val becomes the drift reference, golden images come from both.
    `planned` brings the FP32 file and its other precisions (UserError if one is gone or was changed since it was
    judged); what the test set refuses stays behind.
    """
    provenance = _provenance(spec, index)
    sizes, test = spec.preprocessing, _rows(index, "test")
    with tempfile.TemporaryDirectory(prefix="plumbline-") as scratch:
        onnx = planned.fp32 if planned else export_onnx(graph, sizes, Path(scratch) / "model.onnx")
        files = {FP32: onnx, **(_travelling(planned) if planned else {})}
        engines = _engines(files, planned)
        answers = answer(
            test, sizes, {"torch": TorchEngine(graph), **engines}, max_megapixels=max_megapixels
        )
        verdict = judge_precisions(planned, answers, engines, spec) if planned else None
        held = set_bytes(test, sizes, answers["torch"], max_megapixels) if planned else b""
        if held:
            provenance[SET] = sha256_bytes(held)
        certificate = certify(
            answers["torch"],
            answers[FP32],
            classes=spec.classes,
            decision=spec.decision,
            model_sha256=sha256_file(onnx),
            test_digest=spec.test_digest,
            hashes=provenance,
            others=verdict.rows if verdict else None,
        )
        runs = verdict.plans["onnxruntime"].variant if verdict else FP32
        asked = {"it": engines[runs]}
        drift = answer(_rows(index, "val"), sizes, asked, max_megapixels=max_megapixels)["it"]
        golden = choose_golden(
            index,
            sizes,
            engines[FP32],
            others=[engines[name] for name in verdict.proven if name in engines] if verdict else [],
            max_megapixels=max_megapixels,
        )
        parts = BundleParts(onnx, golden, drift, certificate, provenance, _groups(index))
        folder = write_bundle(store, spec, verdict.completed(parts) if verdict else parts)
        if held:
            write_bytes(set_file(store, folder.name), held)
        rows = answers[runs].probabilities
        evaluation = evaluate_rows(
            spec.name, test, rows, spec.classes, test_digest=spec.test_digest
        )
    return Release(folder, folder.name, certificate, evaluation)


def _provenance(spec: BundleSpec, index: ImageIndex) -> dict[str, Any]:
    return {
        **spec.hashes,
        "index_digest": index.digest(),
        "test_digest": spec.test_digest,
        "tools": tool_versions(),
    }


def _travelling(planned: Planned) -> dict[str, Path]:
    """The files beside FP32, once all are known to be those that were judged."""
    planned.check_files()
    return {one.name: one.file for one in planned.travelling if one.file is not None}


def _engines(files: Mapping[str, Path], planned: Planned | None) -> dict[str, Engine]:
    """ONNX Runtime with each file by its name, and what runs beside it."""
    engines: dict[str, Engine] = {
        name: open_engine("onnxruntime", file) for name, file in files.items()
    }
    return engines | (engines_beside(planned, files) if planned else {})


def tool_versions() -> dict[str, str]:
    """The versions that made the graph, by distribution name."""
    return {"python": platform.python_version(), **{tool: version(tool) for tool in TOOLS}}


def _rows(index: ImageIndex, split: str) -> ImageIndex:
    rows = index.split(split)
    if len(rows) == 0:
        raise DataError(f"the {split} split is empty: a bundle needs test and val images")
    return rows


def _groups(index: ImageIndex) -> dict[str, str]:
    """Which part each image shows, by image id; images in no group are left out."""
    frame = index.frame[index.frame["group"].notna()]
    return dict(zip(frame["image_id"], frame["group"], strict=True))
