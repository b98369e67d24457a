"""The trained student as one FP32 ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from deploy.export.graph_file import export_graph
from inspection.store import Store
from inspection.training.student import StudentResult


@step(enable_cache=False)
def export_onnx(student: StudentResult, store: str) -> Annotated[str, "fp32"]:
    """Where the file lies in the store; equal weights give the equal file."""
    file = export_graph(student.folder, Store(Path(store)))
    log_metadata({"bytes": file.stat().st_size})
    return str(file)
