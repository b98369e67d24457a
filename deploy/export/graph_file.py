"""A trained student's FP32 graph as a file in the store, and what the planner has to know of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from deploy.edge.files import sha256_file, write_bytes
from deploy.edge.spec import Decision
from deploy.export.judge import Subject
from deploy.export.onnx_graph import export_onnx
from inspection.models.student_files import load_deploy_graph
from inspection.store import Store

FILE = "fp32.onnx"


def export_graph(student: Path, store: Store) -> Path:
    """The ONNX file of the student in the folder `student`, in a folder named by its content."""
    graph, card = load_deploy_graph(student)
    with tempfile.TemporaryDirectory(prefix="plumbline-") as scratch:
        made = export_onnx(graph, card.preprocessing, Path(scratch) / FILE)
        target = store.precisions / sha256_file(made)[:16] / FILE
        write_bytes(target, made.read_bytes())
    return target


def subject_of(student: Path, fp32: Path, ok_class: str | None) -> Subject:
    """The graph, how images come in and what its answers mean."""
    _, card = load_deploy_graph(student)
    return Subject(fp32, card.classes, card.preprocessing, Decision(ok_class=ok_class))
