"""What TensorRT 10 and 11 are known to refuse, read off the file before a device is asked.

Covered: opset, foreign operators, the Q/DQ dialect, uint8, mixed types, resizing. Not covered: whether a kernel exists
for each shape; only a build on the target says that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from deploy.export.errors import ExportError
from deploy.export.onnx_graph import OPSET
from deploy.export.pixels_first import element_types

Kind = onnx.TensorProto
FLOATS = frozenset({Kind.FLOAT, Kind.FLOAT16, Kind.BFLOAT16, Kind.DOUBLE})
QUANTISED_KINDS = frozenset({Kind.INT8, Kind.UINT8, Kind.INT16, Kind.UINT16})
INTEGER_OPERATORS = frozenset(
    {
        *("ConvInteger", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul"),
        *("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QGemm", "QLinearAdd"),
    }
)
MIXING = {("Resize", 1), ("Resize", 2)}
"""Inputs whose float type is their own."""

Weights = Mapping[str, npt.NDArray[np.generic]]


def check_tensorrt_dialect(model: onnx.ModelProto) -> None:
    """ExportError with the first fault, in one line, if TensorRT would refuse `model`."""
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for fault in _model_faults(model):
        raise ExportError(f"TensorRT would refuse this graph: {fault}")
    typed = onnx.shape_inference.infer_shapes(model)
    types = element_types(typed)
    for node in typed.graph.node:
        for fault in (*_node_faults(node), *_type_faults(node, types), *_qdq(node, types, weights)):
            raise ExportError(
                f"TensorRT would refuse {node.op_type} '{node.name or node.output[0]}': {fault}"
            )


def _model_faults(model: onnx.ModelProto) -> Iterator[str]:
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and entry.version > OPSET:
            yield f"opset {entry.version}; export with opset {OPSET}"
    for node in model.graph.node:
        if node.op_type in INTEGER_OPERATORS:
            yield f"{node.op_type} quantises while it runs; use static Q/DQ pairs"
        if node.domain not in ("", "ai.onnx"):
            yield f"{node.op_type} is an operator of '{node.domain}'; use those of ONNX"


def _node_faults(node: onnx.NodeProto) -> Iterator[str]:
    if node.op_type != "Resize":
        return
    said = {
        attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute
    }
    if said.get("antialias", 0):
        yield "antialiased resizing; resize before the graph"
    if said.get("mode", b"nearest") == b"cubic":
        yield "cubic resizing; use linear or nearest"
    policy = said.get("keep_aspect_ratio_policy", b"stretch").decode()
    if policy != "stretch":
        yield f"resizing by policy {policy}; only stretch is known"


def _type_faults(node: onnx.NodeProto, types: Mapping[str, int]) -> Iterator[str]:
    kinds = [(i, types[name]) for i, name in enumerate(node.input) if name]
    made = [types[name] for name in node.output if name]
    if Kind.DOUBLE in (*made, *(kind for _, kind in kinds)):
        yield "computes in double precision; use FP32"
    floats = {kind for i, kind in kinds if kind in FLOATS and (node.op_type, i) not in MIXING}
    if len(floats) > 1:
        names = " and ".join(sorted(Kind.DataType.Name(kind) for kind in floats))
        yield f"inputs of type {names}; cast to one"
    if node.op_type not in ("Cast", "QuantizeLinear", "DequantizeLinear"):
        if Kind.UINT8 in (*made, *(kind for _, kind in kinds)):
            yield "computes on uint8; cast it first"
    elif node.op_type == "Cast" and Kind.UINT8 in made:
        yield "makes uint8; that type is for the graph's input only"


def _qdq(node: onnx.NodeProto, types: Mapping[str, int], weights: Weights) -> Iterator[str]:
    if node.op_type == "DequantizeLinear":
        yield from _stored_faults(types[node.input[0]])
    elif node.op_type == "QuantizeLinear":
        yield from _stored_faults(types[node.output[0]])
    else:
        return
    scale = weights.get(node.input[1])
    if scale is None:
        yield "its scale is computed; use a constant"
    elif not (np.isfinite(scale).all() and bool((scale > np.float32(0)).all())):
        yield "a scale is not positive; quantise again without that layer"
    if len(node.input) > 2 and node.input[2]:
        zero = weights.get(node.input[2])
        if zero is None or bool((zero != 0).any()):
            yield "a zero point that is not 0; quantise symmetrically"


def _stored_faults(kind: int) -> Iterator[str]:
    if kind == Kind.INT32:
        yield "an int32 bias; leave biases as floats"
    elif kind == Kind.UINT8:
        yield "uint8 as quantised type; use int8"
    elif kind != Kind.INT8:
        yield f"{Kind.DataType.Name(kind)} as quantised type; use int8"
