"""A torch graph as one ONNX file by the house's graph contract, without traces of the machine that made it.

Contract: input `image` uint8 (N, H, W, 3); outputs `probabilities` float32 (N, C) and `embedding` float32 (N, D);
opset 20, any batch size, weights inside the file.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from deploy.edge.engines.base import INPUT
from deploy.edge.files import write_bytes
from deploy.edge.spec import Preprocessing
from deploy.export.errors import ExportError
from deploy.export.pixels_first import cast_pixels_first

OPSET = 20
OUTPUTS = ("probabilities", "embedding")
MAX_BATCH = 4096


def export_onnx(graph: nn.Module, preprocessing: Preprocessing, target: Path) -> Path:
    """Write `graph` (uint8 NHWC -> probabilities, embedding) to `target`, checked; equal weights give equal bytes."""
    height, width = preprocessing.height, preprocessing.width
    # Two images: a batch of one would be baked in as a constant.
    example = torch.zeros((2, height, width, 3), dtype=torch.uint8)
    still = copy.deepcopy(graph).cpu().eval()
    with _quiet():
        program = torch.onnx.export(
            still,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=MAX_BATCH)},),
            verbose=False,
        )
    if program is None:
        raise ExportError("torch.onnx.export returned no program")
    model = cast_pixels_first(onnx.shape_inference.infer_shapes(program.model_proto))
    strip(model)
    check_contract(model, preprocessing)
    write_bytes(target, model.SerializeToString(deterministic=True))
    return target


def strip(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes about its own machine: stack traces, paths, scopes."""
    graph = model.graph
    del model.metadata_props[:]
    del graph.metadata_props[:]
    values = (*graph.input, *graph.output, *graph.value_info)
    for part in (model, graph, *values, *graph.initializer, *_nodes(graph)):
        part.ClearField("doc_string")
        if "metadata_props" in part.DESCRIPTOR.fields_by_name:
            part.ClearField("metadata_props")


def check_contract(model: onnx.ModelProto, preprocessing: Preprocessing) -> None:
    """Valid ONNX, and exactly the inputs, outputs, types and opset that every engine relies on."""
    onnx.checker.check_model(model, full_check=True)
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    names = [value.name for value in model.graph.input], [v.name for v in model.graph.output]
    faults = []
    if opsets.get("") != OPSET or model.functions:
        faults.append(f"opset {opsets} with {len(model.functions)} local functions")
    if names != ([INPUT], list(OUTPUTS)):
        faults.append(f"inputs and outputs {names}")
    else:
        asked = [(onnx.TensorProto.UINT8, [None, preprocessing.height, preprocessing.width, 3])]
        asked += [(onnx.TensorProto.FLOAT, [None, None])] * 2
        values = (*model.graph.input, *model.graph.output)
        faults += [
            f"{value.name} is {_described(value)}"
            for value, (kind, shape) in zip(values, asked, strict=True)
            if not _fits(value, kind, shape)
        ]
    if faults:
        raise ExportError(f"the exported graph breaks the contract: {'; '.join(faults)}")


def _fits(value: Any, kind: int, shape: list[int | None]) -> bool:
    """Type equal, rank equal, the batch symbolic, every fixed side as asked."""
    tensor = value.type.tensor_type
    found = tensor.shape.dim
    return (
        tensor.elem_type == kind
        and len(found) == len(shape)
        and bool(found[0].dim_param)
        and all(
            side is None or dim.dim_value == side for dim, side in zip(found, shape, strict=True)
        )
    )


def _described(value: Any) -> str:
    tensor = value.type.tensor_type
    sides = [dim.dim_param or str(dim.dim_value) for dim in tensor.shape.dim]
    return f"{onnx.TensorProto.DataType.Name(tensor.elem_type)} [{', '.join(sides)}]"


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node, those inside If and Loop bodies too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's advice to its own developers is not for people who inspect parts."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
