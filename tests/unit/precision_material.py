"""Three kinds of surface as image files, and small networks that tell them apart or merely answer, as FP32 ONNX."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import nn

from deploy.edge.files import sha256_file
from deploy.edge.spec import Preprocessing
from deploy.export.onnx_graph import export_onnx
from deploy.export.precision.calibration import Calibration, calibration_images
from deploy.export.precision.typed_graph import model_bytes
from inspection.data.index import ImageIndex
from inspection.models.graph import DeployGraph
from inspection.models.registry import build_student
from inspection.models.student import Student

KINDS = ("columns", "plain", "rows")
SIDE = 32
SIZE = Preprocessing(SIDE, SIDE)
PER_CLASS = 20
SMALL = ("plumbnet_s", "timm:test_resnet", "timm:test_convnext", "timm:test_vit")
CALIBRATED = 36


def surface(kind: str, seed: int) -> npt.NDArray[np.uint8]:
    """RGB (40, 40, 3): stripes one way or the other, or none, under noise and light of its own."""
    generator = np.random.default_rng(seed)
    wave = 40 * np.sin(np.arange(40) * generator.uniform(0.8, 1.4) + generator.uniform(0, 6))
    pattern = {"rows": wave[:, None, None], "columns": wave[None, :, None]}.get(kind, 0.0)
    noise = generator.normal(generator.uniform(90, 160), 12, (40, 40, 3))
    return (noise + pattern).clip(0, 255).astype(np.uint8)


def surfaces(root: Path, per_class: int = PER_CLASS) -> ImageIndex:
    """Of every class three fifths train, a fifth each val and test."""
    rows = []
    for kind in KINDS:
        for i in range(per_class):
            path = root / f"{kind}_{i:02d}.png"
            cv2.imwrite(str(path), surface(kind, 100 * KINDS.index(kind) + i))
            split = ("train", "train", "train", "val", "test")[i % 5]
            digest = sha256_file(path)
            rows.append({"path": path.name, "label": kind, "image_id": digest, "split": split})
    return ImageIndex.from_rows(root, rows)


@functools.cache
def calibrated() -> Calibration:
    """All 36 train images."""
    with tempfile.TemporaryDirectory() as folder:
        return calibration_images(surfaces(Path(folder)), SIZE, count=CALIBRATED)


@functools.cache
def _exported(architecture: str) -> bytes:
    student = build_student(architecture, len(KINDS), image_size=SIDE, seed=2)
    if architecture == "plumbnet_s":
        _taught(student)
    else:
        with torch.no_grad():
            # Untrained, it hardly decides; louder, its decisions are far enough apart to be compared.
            student.classifier.weight *= 20.0
    graph = DeployGraph(student.eval(), student.mean, student.std)
    with tempfile.TemporaryDirectory() as folder:
        return export_onnx(graph, SIZE, Path(folder) / "model.onnx").read_bytes()


def exported(architecture: str = "plumbnet_s") -> onnx.ModelProto:
    """A fresh copy of the FP32 graph: plumbnet_s trained on the surfaces, any other random."""
    return onnx.load_from_string(_exported(architecture))


def _taught(student: Student, steps: int = 60) -> None:
    calibration = calibrated()
    labels = torch.tensor([i % len(KINDS) for i in range(len(calibration))])
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (student.mean, student.std))
    pixels = torch.from_numpy(calibration.images).permute(0, 3, 1, 2) / 255.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        optimizer = torch.optim.AdamW(student.train().parameters(), lr=3e-3)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(student((pixels - mean) / std)[0], labels)
            loss.backward()
            optimizer.step()


def probabilities(model: onnx.ModelProto, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What ONNX Runtime answers, (N, C)."""
    return _answer(model, "probabilities", images)


def signal_to_noise(model: onnx.ModelProto, candidate: onnx.ModelProto) -> float:
    """Decibels by which the embedding is larger than what `candidate` changes in it."""
    before, after = (_answer(m, "embedding", calibrated().images) for m in (model, candidate))
    return float(10 * np.log10((before**2).sum() / ((after - before) ** 2).sum()))


def _answer(
    model: onnx.ModelProto, output: str, images: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model_bytes(model), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([output], {"image": images})[0])


def weight(model: onnx.ModelProto, node: str) -> onnx.TensorProto:
    """The initializer that weighted node `node` multiplies with."""
    name = next(found.input[1] for found in model.graph.node if found.name == node)
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def multiply(model: onnx.ModelProto, node: str, factor: float, *, bias: bool) -> None:
    """Scale a convolution's weights, and its bias if asked, in place."""
    found = next(entry for entry in model.graph.node if entry.name == node)
    for name in found.input[1 : 3 if bias else 2]:
        tensor = next(entry for entry in model.graph.initializer if entry.name == name)
        values = numpy_helper.to_array(tensor) * np.float32(factor)
        tensor.CopyFrom(numpy_helper.from_array(values, name))


def convolutions(model: onnx.ModelProto) -> list[str]:
    """Names, in the graph's order."""
    return [node.name for node in model.graph.node if node.op_type == "Conv"]
