"""Pixels become FP32 before anything else happens to them: TensorRT allows uint8 at the graph's input only."""

from __future__ import annotations

import onnx

from deploy.edge.engines.base import INPUT
from deploy.export.errors import ExportError

BYTE: int = onnx.TensorProto.UINT8
FLOAT: int = onnx.TensorProto.FLOAT
PIXELS = "pixels"


def cast_pixels_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same numbers, cast to FP32 before they are moved or measured; types are inferred anew."""
    types = element_types(model)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    cast = onnx.helper.make_node("Cast", [INPUT], [PIXELS], name=f"cast {PIXELS}", to=FLOAT)
    now, nodes = {INPUT: PIXELS}, [cast]
    for node in copy.graph.node:
        source = types.get(node.input[0]) if node.input else None
        node.input[:] = [now.get(name, name) for name in node.input]
        if node.op_type == "Cast" and source == BYTE and types[node.output[0]] == FLOAT:
            now[node.output[0]] = node.input[0]
        else:
            nodes.append(node)
    del copy.graph.node[:], copy.graph.value_info[:]
    copy.graph.node.extend(nodes)
    return onnx.shape_inference.infer_shapes(copy, strict_mode=True)


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """Type by tensor name: inputs, initializers and every node's outputs; ExportError where inference gave none."""
    graph = model.graph
    values = (*graph.input, *graph.value_info, *graph.output)
    types = {value.name: int(value.type.tensor_type.elem_type) for value in values}
    types |= {tensor.name: int(tensor.data_type) for tensor in graph.initializer}
    made = [name for node in graph.node for name in node.output if name]
    if unknown := [name for name in made if not types.get(name)]:
        raise ExportError(f"no element type could be inferred for tensor '{unknown[0]}'")
    return types
