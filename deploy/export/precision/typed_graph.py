"""The element type of every tensor of a graph, and the last touches before a converted graph may be written.

Covered: flat graphs, as the exporter makes them. Not covered: branches and loops (If, Loop, Scan), which are refused.
"""

from __future__ import annotations

import onnx
from onnx import numpy_helper

from deploy.export.errors import ExportError
from deploy.export.onnx_graph import strip

FLOAT: int = onnx.TensorProto.FLOAT
HALF: int = onnx.TensorProto.FLOAT16
OWN = "plumbline"


def flat_copy(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with inferred types, every node named, every constant an initializer; ExportError for nested graphs."""
    copy = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    nested = [node.op_type for node in copy.graph.node if _has_subgraph(node)]
    if nested or copy.functions:
        raise ExportError(
            f"precision candidates are made of flat graphs, this one has {nested or 'functions'}"
        )
    _lift_constants(copy.graph)
    _name_nodes(copy.graph)
    return copy


def shapes(model: onnx.ModelProto) -> dict[str, tuple[int | None, ...]]:
    """Shape by tensor name, None for a symbolic side; tensors without a known rank are absent."""
    graph = model.graph
    found: dict[str, tuple[int | None, ...]] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape"):
            found[value.name] = tuple(
                dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim
            )
    return found | {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}


def finished(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph as it is written: types inferred anew, nothing of the tools in it, fully checked."""
    del model.graph.value_info[:]
    _drop_unused(model)
    done = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    strip(done)
    done.producer_name, done.producer_version = OWN, ""
    done.graph.name = OWN
    used = {node.domain for node in done.graph.node} | {""}
    opsets = sorted((o for o in done.opset_import if o.domain in used), key=lambda o: str(o.domain))
    del done.opset_import[:]
    done.opset_import.extend(opsets)
    try:
        onnx.checker.check_model(done, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        said = str(error).strip().partition("\n")[0]
        raise ExportError(f"the converted graph is no valid ONNX: {said}") from error
    return done


def model_bytes(model: onnx.ModelProto) -> bytes:
    """The file's content: equal graphs give equal bytes."""
    return bytes(model.SerializeToString(deterministic=True))


def _has_subgraph(node: onnx.NodeProto) -> bool:
    graphs = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    return any(attribute.type in graphs for attribute in node.attribute)


def _lift_constants(graph: onnx.GraphProto) -> None:
    """`Constant` nodes that hold a tensor become initializers, so that there is one place to look for weights."""
    kept = []
    for node in graph.node:
        value = next((a for a in node.attribute if a.name == "value"), None)
        if node.op_type == "Constant" and value is not None:
            tensor = numpy_helper.from_array(numpy_helper.to_array(value.t), node.output[0])
            graph.initializer.append(tensor)
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _name_nodes(graph: onnx.GraphProto) -> None:
    """Reports and exclusions speak of nodes by name."""
    taken: set[str] = set()
    for i, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{i}"
        taken.add(node.name)


def _drop_unused(model: onnx.ModelProto) -> None:
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    used |= {value.name for value in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
