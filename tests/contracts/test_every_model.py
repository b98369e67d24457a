"""Every student in the registry can be trained, exported, and decides in ONNX Runtime as it does in torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from inspection.models.graph import DeployGraph
from inspection.models.registry import STUDENTS, build_student
from inspection.models.student import Student

ARCHITECTURES = [*STUDENTS, "timm:test_resnet"]
"""Our own, and one of timm's by the same door (its smallest)."""
CLASSES = 5

pytestmark = pytest.mark.parametrize("architecture", ARCHITECTURES)


@pytest.fixture
def student(architecture: str) -> Student:
    return build_student(architecture, CLASSES, image_size=64, seed=3)


def trained_a_little(student: Student) -> Student:
    """Batch statistics that are not the initial ones, so that folding them wrongly would show."""
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05)
    # Dropout draws from the global state, which is whatever the tests before left.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(3):
            logits, _ = student(torch.randn(8, 3, 64, 64))
            loss = torch.nn.functional.cross_entropy(logits, torch.arange(8) % CLASSES)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return student.eval()


def test_every_parameter_gets_a_gradient(student: Student) -> None:
    student.train()
    # A residual branch whose last norm starts at zero passes none on in the very first step.
    for module in student.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
    logits, embedding = student(torch.randn(4, 3, 64, 64))
    (logits.square().sum() + embedding.square().sum()).backward()
    without = [
        name
        for name, parameter in student.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert without == []


@pytest.mark.parametrize(("height", "width"), [(64, 64), (97, 61), (33, 50)])
def test_odd_sizes_pass(student: Student, height: int, width: int) -> None:
    student.eval()
    logits, embedding = student(torch.randn(2, 3, height, width))
    assert logits.shape == (2, CLASSES)
    assert embedding.shape == (2, student.embedding_size)
    assert torch.isfinite(logits).all()


def test_same_seed_same_student(architecture: str) -> None:
    first, again, other = (
        build_student(architecture, CLASSES, image_size=64, seed=seed).state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_building_leaves_the_global_random_state_alone(architecture: str) -> None:
    before = torch.random.get_rng_state()
    build_student(architecture, CLASSES, image_size=64, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_exported_graph_decides_as_torch(student: Student, tmp_path: Path) -> None:
    graph = DeployGraph(
        trained_a_little(student), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), temperature=0.7
    )
    generator = np.random.default_rng(0)
    colour = generator.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    grey = np.repeat(generator.integers(0, 256, (2, 64, 64, 1), dtype=np.uint8), 3, axis=3)
    images = np.concatenate([colour, grey])
    target = tmp_path / "model.onnx"
    torch.onnx.export(
        graph,
        (torch.from_numpy(images),),
        target,
        input_names=["image"],
        output_names=["probabilities", "embedding"],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},),
        opset_version=20,
        dynamo=True,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    for batch in (images, images[:1]):  # the batch axis is free
        with torch.inference_mode():
            expected = [output.numpy() for output in graph(torch.from_numpy(batch))]
        probabilities, embedding = session.run(None, {"image": batch})
        assert np.abs(probabilities - expected[0]).max() < 1e-5
        assert np.abs(embedding - expected[1]).max() < 1e-4
        assert np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
        assert (probabilities.argmax(axis=1) == expected[0].argmax(axis=1)).all()
