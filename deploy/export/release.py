"""From the trained graph to the certified bundle on the shelf; stops before the shelf if decisions change."""

from __future__ import annotations

import platform
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from torch import nn

from deploy.edge.engines.registry import open_engine
from deploy.edge.files import sha256_file
from deploy.export.bundle_writer import BundleParts, BundleSpec, write_bundle
from deploy.export.certificate import Certificate, certify
from deploy.export.golden import choose_golden
from deploy.export.onnx_graph import export_onnx
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
) -> Release:
    """Export `graph`, certify it over the whole test split, shelve the bundle; ParityError if decisions change.

    `index` holds the splits: test is certified, val becomes the drift reference, golden images come from both.
    """
    provenance = {
        **spec.hashes,
        "index_digest": index.digest(),
        "test_digest": spec.test_digest,
        "tools": tool_versions(),
    }
    sizes, test = spec.preprocessing, _rows(index, "test")
    with tempfile.TemporaryDirectory(prefix="plumbline-") as scratch:
        onnx = export_onnx(graph, sizes, Path(scratch) / "model.onnx")
        engine = open_engine("onnxruntime", onnx)
        both = {"torch": TorchEngine(graph), "onnx": engine}
        answers = answer(test, sizes, both, max_megapixels=max_megapixels)
        certificate = certify(
            answers["torch"],
            answers["onnx"],
            classes=spec.classes,
            decision=spec.decision,
            model_sha256=sha256_file(onnx),
            test_digest=spec.test_digest,
            hashes=provenance,
        )
        only = {"onnx": engine}
        drift = answer(_rows(index, "val"), sizes, only, max_megapixels=max_megapixels)["onnx"]
        golden = choose_golden(index, sizes, engine, max_megapixels=max_megapixels)
        parts = BundleParts(onnx, golden, drift, certificate, provenance, _groups(index))
        folder = write_bundle(store, spec, parts)
        evaluation = evaluate_rows(
            spec.name,
            test,
            answers["onnx"].probabilities,
            spec.classes,
            test_digest=spec.test_digest,
        )
    return Release(folder, folder.name, certificate, evaluation)


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
