"""What TensorRT refuses, planted one fault at a time into a graph that it accepts."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from deploy.export.errors import ExportError
from deploy.export.precision.dialect import check_tensorrt_dialect

GOOD = """<ir_version: 10, opset_import: ["": 20]>
good (uint8[batch, 8, 8, 3] image) => (float[batch, 4, 8, 8] y) {
    float = Cast <to = 1> (image)
    x = Transpose <perm = [0, 3, 1, 2]> (float)
    q = QuantizeLinear (x, scale, zero)
    d = DequantizeLinear (q, scale, zero)
    w = DequantizeLinear <axis = 0> (stored, scales, zeros)
    y = Conv (d, w, bias)
}"""
WEIGHTS = {
    "scale": np.float32(2.0),
    "zero": np.int8(0),
    "stored": np.ones((4, 3, 1, 1), np.int8),
    "scales": np.full(4, 0.1, np.float32),
    "zeros": np.zeros(4, np.int8),
    "bias": np.zeros(4, np.float32),
}


def graph(changes: dict[str, str] | None = None, **weights: object) -> onnx.ModelProto:
    text = GOOD
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    model = onnx.parser.parse_model(text)
    for name, value in {**WEIGHTS, **weights}.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return model


def test_the_graph_without_a_fault_is_accepted():
    model = graph()
    onnx.checker.check_model(model, full_check=True)
    check_tensorrt_dialect(model)


Y = "y = Conv (d, w, bias)"
FAULTS = {
    "newer opset": (
        graph({'"": 20': '"": 21'}),
        "opset 21; export with opset 20",
    ),
    "zero point": (graph(zero=np.int8(3)), "QuantizeLinear .* zero point that is not 0"),
    "zero point of one channel": (
        graph(zeros=np.array([0, 0, 1, 0], np.int8)),
        "DequantizeLinear .* zero point that is not 0",
    ),
    "uint8": (graph(zero=np.uint8(0)), "QuantizeLinear .* uint8 as quantised type; use int8"),
    "uint8 weights": (
        graph(stored=np.ones((4, 3, 1, 1), np.uint8), zeros=np.zeros(4, np.uint8)),
        "DequantizeLinear .* uint8 as quantised type",
    ),
    "int32 bias": (
        graph(stored=np.ones((4, 3, 1, 1), np.int32), zeros=np.zeros(4, np.int32)),
        "DequantizeLinear .* int32 bias; leave biases as floats",
    ),
    "a scale of zero": (graph(scales=np.zeros(4, np.float32)), "a scale is not positive"),
    "a scale that is not finite": (graph(scale=np.float32(np.inf)), "a scale is not positive"),
    "a scale that is computed": (
        graph({"q = Q": "s = Abs (scale) q = Q", "(x, scale, zero)": "(x, s, zero)"}),
        "its scale is computed; use a constant",
    ),
    "dynamic quantisation": (
        graph({Y: "a, b, c = DynamicQuantizeLinear (d) y = Conv (d, w, bias)"}),
        "DynamicQuantizeLinear quantises while it runs; use static",
    ),
    "integer convolution": (
        graph({Y: "i = ConvInteger (q, stored) y = Cast <to = 1> (i)"}),
        "ConvInteger quantises while it runs",
    ),
    "antialias": (
        graph(
            {Y: 'r = Resize <antialias = 1, mode = "linear"> (d, , sides) y = Conv (r, w, bias)'},
            sides=np.array([1, 1, 1, 1], np.float32),
        ),
        "Resize .* antialiased resizing; resize before the graph",
    ),
    "cubic": (
        graph(
            {Y: 'r = Resize <mode = "cubic"> (d, , sides) y = Conv (r, w, bias)'},
            sides=np.array([1, 1, 1, 1], np.float32),
        ),
        "cubic resizing; use linear or nearest",
    ),
    "policy": (
        graph(
            {
                Y: 'r = Resize <axes = [2, 3], keep_aspect_ratio_policy = "not_larger"> (d, , , sides)'
                " y = Conv (r, w, bias)"
            },
            sides=np.array([8, 8], np.int64),
        ),
        "resizing by policy not_larger",
    ),
    "mixed types": (
        graph({Y: "h = Cast <to = 10> (d) m = Add (h, d) y = Conv (d, w, bias)"}),
        "Add .* inputs of type FLOAT and FLOAT16; cast to one",
    ),
    "double": (
        graph({Y: "h = Cast <to = 11> (d) y = Conv (d, w, bias)"}),
        "Cast .* double precision; use FP32",
    ),
    "moving uint8": (
        graph(
            {
                "float = Cast <to = 1> (image)": "float = Transpose <perm = [0, 3, 1, 2]> (image)",
                "x = Transpose <perm = [0, 3, 1, 2]> (float)": "x = Cast <to = 1> (float)",
            }
        ),
        "Transpose .* computes on uint8; cast it first",
    ),
    "making uint8": (
        graph({Y: "h = Cast <to = 2> (d) y = Conv (d, w, bias)"}),
        "Cast .* makes uint8; that type is for the graph's input only",
    ),
    "a foreign operator": (
        graph({'"": 20]': '"": 20, "com.microsoft": 1]', Y: "g = com.microsoft.Gelu (d)" + Y}),
        "Gelu is an operator of 'com.microsoft'; use those of ONNX",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_named_in_one_line(fault):
    model, says = FAULTS[fault]
    with pytest.raises(ExportError, match=f"TensorRT would refuse .*{says}") as caught:
        check_tensorrt_dialect(model)
    assert "\n" not in str(caught.value)


def test_half_precision_between_its_own_pairs_is_accepted():
    """Strong typing forbids mixing, not FP16."""
    model = graph(
        {
            "x = T": "x32 = T",
            "q = Q": "x = Cast <to = 10> (x32) q = Q",
            Y: "z = Conv (d, w, bias) y = Cast <to = 1> (z)",
        },
        scale=np.float16(2.0),
        scales=np.full(4, 0.1, np.float16),
        bias=np.zeros(4, np.float16),
    )
    onnx.checker.check_model(model, full_check=True)
    check_tensorrt_dialect(model)
    mixed = graph(bias=np.zeros(4, np.float16))
    with pytest.raises(ExportError, match=r"Conv .* inputs of type FLOAT and FLOAT16"):
        check_tensorrt_dialect(mixed)
    assert TensorProto.FLOAT16 in {tensor.data_type for tensor in model.graph.initializer}
