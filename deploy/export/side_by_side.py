"""Teacher and student on the same images, in turns: what distillation buys in milliseconds and bytes.

Both are timed from decoded pixels to probabilities, batch 1, on the CPU with equal threads; the teacher's backbone is
in its time. They run as they are used: the teacher in torch, the student's bundle in the device's runtime.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import onnx
import torch

from deploy.edge.bundle import load_golden
from deploy.edge.inspector import Inspector
from deploy.edge.preprocess import preprocess
from inspection.evaluation.latency import Contender, Latency, Pixels, measure
from inspection.features.backbone import load_backbone
from inspection.features.extract import teacher_preprocessing
from inspection.learning_config import TeacherConfig
from inspection.models.heads import Teacher


def measure_side_by_side(
    bundle: Path,
    teacher: Teacher,
    config: TeacherConfig,
    *,
    seed: int,
    threads: int = 1,
    repetitions: int = 200,
    max_seconds: float = 20.0,
) -> tuple[Latency, Latency]:
    """Latency of the teacher and of the bundle's student, over the bundle's golden images."""
    inspector = Inspector.open(bundle, threads=threads)
    images = load_golden(inspector.bundle).pixels
    contenders = {
        "teacher": teacher_contender(teacher, config, seed=seed, threads=threads),
        "student": student_contender(inspector, threads=threads),
    }
    with _torch_threads(threads):
        found = measure(contenders, images, repetitions=repetitions, max_seconds=max_seconds)
    return found["teacher"], found["student"]


def teacher_contender(
    teacher: Teacher, config: TeacherConfig, *, seed: int, threads: int
) -> Contender:
    """Preprocessing, backbone and head; `bytes` are the float32 weights."""
    backbone = load_backbone(config, seed=seed)
    cut = teacher_preprocessing(backbone.info)
    parameters = backbone.info.parameters + teacher.head.parameters

    def run(pixels: Pixels) -> object:
        return teacher.probabilities(backbone.embed(preprocess(pixels, cut)[None]))

    return Contender(run, "torch", threads, parameters, 4 * parameters)


def student_contender(inspector: Inspector, *, threads: int) -> Contender:
    """The device's own path, decision included; `bytes` is the ONNX file."""
    model = inspector.graph
    stored = onnx.load(model).graph.initializer
    numbers = sum(prod(t.dims) for t in stored if t.data_type == onnx.TensorProto.FLOAT)
    name = inspector.engine.name
    return Contender(inspector.inspect, name, threads, numbers, model.stat().st_size)


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
