"""A finished student that tells colours by hand-set weights, so that right answers are known without training.

Its graph is written as ONNX node by node: torch's exporter (which has tests of its own) needs seconds to warm up.
"""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx.parser
import torch
from onnx import numpy_helper
from torch import nn

from deploy.edge.files import sha256_file
from deploy.edge.spec import Preprocessing
from inspection.data.index import ImageIndex
from inspection.features.backbone import BackboneInfo
from inspection.models.graph import DeployGraph
from inspection.models.heads import Head, Teacher
from inspection.models.registry import build_student
from inspection.models.student_files import CARD, StudentCard, save_weights

CLASSES = ("blue", "green", "red")
SIZE, CROPPED = Preprocessing(16, 16, "pad"), Preprocessing(16, 16, "crop")
TEMPERATURE = 0.5
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)


class MeanColour(nn.Module):
    """The mean of each channel: an embedding that needs no weights."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3))


GRAPH = """<ir_version: 10, opset_import: ["": 20]>
colours (uint8[batch, 16, 16, 3] image) => (float[batch, 3] probabilities, float[batch, 3] embedding)
<int64[2] axes = {1, 2}> {
    float = Cast <to = 1> (image)
    scaled = Mul (float, scale)
    normalised = Add (scaled, shift)
    embedding = ReduceMean <keepdims = 0> (normalised, axes)
    logits = MatMul (embedding, weight)
    probabilities = Softmax <axis = 1> (logits)
}"""


def by_hand(graph: DeployGraph, _: Preprocessing, path: Path) -> Path:
    """The student's numbers in the graph above; its bias is zero."""
    constants = {
        "scale": graph.scale.numpy().reshape(1, 1, 1, 3),
        "shift": graph.shift.numpy().reshape(1, 1, 1, 3),
        "weight": graph.student.classifier.weight.detach().numpy().T
        / np.float32(graph.temperature),
    }
    model = onnx.parser.parse_model(GRAPH)
    model.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in constants.items())
    onnx.save(model, path)
    return path


def unfaithful(graph: DeployGraph, sizes: Preprocessing, path: Path) -> Path:
    """A converter that mixes the classes up."""
    turned = copy.deepcopy(graph)
    turned.student.classifier.weight.data.neg_()
    return by_hand(turned, sizes, path)


def written_student(folder: Path, *, gain: float = 4.0, **changes: Any) -> Path:
    """A finished student on disk, as training leaves it."""
    student = build_student("colours", 3)
    with torch.no_grad():
        student.classifier.weight.copy_(torch.eye(3).flip(0) * gain)
        student.classifier.bias.zero_()
    end = (TEMPERATURE, "none", "MIT", save_weights(folder, student))
    card = StudentCard("colours", CLASSES, SIZE, MEAN, STD, 3, 12, *end)
    dataclasses.replace(card, **changes).save(folder / CARD)
    return folder


def made_teacher(temperature: float = 1.0) -> Teacher:
    """Is never asked here, only named."""
    info = BackboneInfo("resnet10t", "hub-id", "d" * 64, "Apache-2.0", 2, 64, MEAN, STD, 9)
    head = Head("linear", {"weight_0": np.ones((3, 2), np.float32)})
    return Teacher(info, head, CLASSES, temperature)


def painted(root: Path, count: int = 45) -> ImageIndex:
    """Noisy colours; of each colour's images every fifth is val, every other one of the rest test."""
    root.mkdir()
    rng = np.random.default_rng(8)
    rows = []
    for i in range(count):
        label = CLASSES[i % 3]
        pixels = rng.integers(0, 120, (20, 28, 3), dtype=np.uint8)
        pixels[:, :, CLASSES.index(label)] += 110  # OpenCV writes blue, green, red
        path = root / f"{i:03d}.png"
        cv2.imwrite(str(path), pixels)
        split = "val" if i % 5 == 0 else "test" if i % 2 == 0 else "train"
        row = {"path": path.name, "label": label, "image_id": sha256_file(path), "split": split}
        rows.append(row)
    return ImageIndex.from_rows(root, rows)
