"""Every student by name. A new one is one line here; `tests/contracts/test_every_model.py` finds it by itself."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inspection.errors import ConfigError, WeightsError
from inspection.features.backbone import embedding_size
from inspection.features.weights import (
    IMAGENET,
    IMAGENET_STD,
    INCEPTION,
    Blueprint,
    Triple,
    WeightsFile,
    create_network,
    load_weights,
    read_safetensors,
)
from inspection.models.plumbnet import PlumbNet, SurfacePool
from inspection.models.squeezenet import CHANNELS, squeezenet
from inspection.models.student import Student

TIMM = "timm:"


@dataclass(frozen=True)
class Start:
    """A built student and where its first weights came from."""

    student: Student
    weights: str
    """`none`, a hub id, or the file's name."""
    licence: str


@dataclass(frozen=True)
class Body:
    """A network from normalised images to embeddings (N, size)."""

    module: nn.Module
    size: int
    mean: Triple
    std: Triple
    weights: str = "none"
    licence: str = "none (trained from random weights)"


def _plumbnet(channels: tuple[int, ...], residuals: tuple[int, ...]) -> Callable[[], Body]:
    def build() -> Body:
        network = PlumbNet(channels, residuals)
        body = nn.Sequential(network, SurfacePool())
        return Body(body, 2 * network.channels, INCEPTION, INCEPTION)

    return build


STUDENTS: Mapping[str, Callable[[], Body]] = {
    "plumbnet_s": _plumbnet((16, 32, 64, 96), (0, 1, 1)),
    "plumbnet_m": _plumbnet((24, 48, 96, 160), (0, 1, 1)),
    "squeezenet": lambda: Body(squeezenet(), 2 * CHANNELS, IMAGENET, IMAGENET_STD),
}


def build_student(
    architecture: str,
    num_classes: int,
    *,
    weights: str = "none",
    image_size: int = 128,
    seed: int = 0,
) -> Student:
    """A student of `STUDENTS` or `timm:<name>`, random (from `seed`) or started from `weights`."""
    return start_student(
        architecture, num_classes, weights=weights, image_size=image_size, seed=seed
    ).student


def start_student(
    architecture: str, num_classes: int, *, weights: str, image_size: int, seed: int
) -> Start:
    """As `build_student`, and says where the weights came from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = _body(architecture, weights, image_size, seed)
        student = Student(body.module, body.size, num_classes, body.mean, body.std)
    return Start(student, body.weights, body.licence)


def _body(architecture: str, weights: str, image_size: int, seed: int) -> Body:
    if architecture.startswith(TIMM):
        return _timm(architecture.removeprefix(TIMM), weights, image_size, seed)
    if architecture not in STUDENTS:
        near = difflib.get_close_matches(architecture, STUDENTS, n=1) or list(STUDENTS)
        raise ConfigError(
            [
                f"student.architecture: no student '{architecture}': "
                f"use {' or '.join(near)}, or timm:<name>"
            ]
        )
    body = STUDENTS[architecture]()
    return body if weights == "none" else _started(body, architecture, weights)


def _started(body: Body, architecture: str, weights: str) -> Body:
    if weights == "hub":
        raise WeightsError(
            f"the hub has no weights of '{architecture}': use 'none' or a student.safetensors"
        )
    file = read_safetensors(Path(weights))
    # Of a finished student of ours only the body is wanted, the classes may be others.
    ours = any(name.startswith("body.") for name in file.tensors)
    tensors = {
        name.removeprefix("body."): tensor
        for name, tensor in file.tensors.items()
        if name.startswith("body.") or not ours
    }
    load_weights(body.module, WeightsFile(file.name, tensors, file.metadata), architecture)
    licence = file.metadata.get("license") or "not stated"
    return Body(body.module, body.size, body.mean, body.std, file.name, licence)


def _timm(name: str, weights: str, image_size: int, seed: int) -> Body:
    network = create_network(Blueprint(name, image_size), weights, seed=seed)
    module = TimmBody(network.module)
    size = embedding_size(module.eval(), name, image_size, key="student.image_size")
    return Body(module.train(), size, network.mean, network.std, network.source, network.licence)


class TimmBody(nn.Module):
    """A timm network up to its own embedding."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised float (N, 3, H, W) to (N, E)."""
        network: Any = self.network
        features = network.forward_features(images)
        return torch.as_tensor(network.forward_head(features, pre_logits=True))
