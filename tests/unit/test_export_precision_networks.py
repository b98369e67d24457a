"""Every candidate of four kinds of network: near FP32, acceptable to the device, equal bytes when repeated."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from deploy.export.errors import ExportError
from deploy.export.onnx_graph import check_contract
from deploy.export.precision.dialect import check_tensorrt_dialect
from deploy.export.precision.fp16 import to_fp16
from deploy.export.precision.int8 import prepare, to_int8_cpu, to_int8_tensorrt
from deploy.export.precision.typed_graph import model_bytes
from tests.unit.precision_material import (
    SIZE,
    SMALL,
    calibrated,
    exported,
    probabilities,
    signal_to_noise,
)

pytestmark = [pytest.mark.training, pytest.mark.slow]
INT32, UINT8 = onnx.TensorProto.INT32, onnx.TensorProto.UINT8


@pytest.fixture(scope="module", params=SMALL)
def architecture(request):
    return request.param


@pytest.fixture(scope="module")
def prepared(architecture):
    return prepare(exported(architecture), calibrated())


def test_fp32_is_acceptable_to_tensorrt_as_exported(architecture):
    """One node reads the pixels, and casts them: moving or measuring uint8 is refused by the parser."""
    model = exported(architecture)
    check_tensorrt_dialect(model)
    (first,) = [node for node in model.graph.node if "image" in node.input]
    assert first.op_type == "Cast"


def test_fp16_decides_as_fp32_and_halves_the_file(architecture):
    model, calibration = exported(architecture), calibrated()
    half, report = to_fp16(model, calibration)
    check_contract(half, SIZE)
    check_tensorrt_dialect(half)
    before = probabilities(model, calibration.images)
    after = probabilities(half, calibration.images)
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    assert 0 < np.abs(before - after).max() < 5e-3
    assert len(model_bytes(half)) < 0.65 * len(model_bytes(model))
    assert report.converted > len(report.islands) > 0
    assert (report.images, report.calibration) == (len(calibration), calibration.digest)
    again, said = to_fp16(model, calibration)
    assert (model_bytes(again), said) == (model_bytes(half), report)


def test_int8_for_tensorrt_is_in_its_dialect_and_near_fp32(architecture, prepared):
    made, report = to_int8_tensorrt(prepared, calibrated())
    check_contract(made, SIZE)
    check_tensorrt_dialect(made)
    assert report.quantised == prepared.layers
    assert signal_to_noise(exported(architecture), made) > 20.0
    makers = {name: node for node in made.graph.node for name in node.output}
    stored = {tensor.name: tensor for tensor in made.graph.initializer}
    for node in made.graph.node:
        if node.name in report.quantised:
            pair = makers[node.input[1]]
            assert stored[pair.input[0]].data_type == onnx.TensorProto.INT8
            assert stored[pair.input[1]].dims[0] in stored[pair.input[0]].dims
    assert len(model_bytes(made)) < 0.5 * len(model_bytes(exported(architecture)))


def test_int8_for_cpus_has_the_types_x86_wants_and_is_near_fp32(architecture, prepared):
    made, report = to_int8_cpu(prepared, calibrated())
    check_contract(made, SIZE)
    assert report.quantised == prepared.layers
    assert signal_to_noise(exported(architecture), made) > 20.0
    kinds = {tensor.name: tensor.data_type for tensor in made.graph.initializer}
    pairs = [node for node in made.graph.node if node.op_type == "QuantizeLinear"]
    assert pairs
    assert {kinds[node.input[2]] for node in pairs} == {UINT8}
    with pytest.raises(ExportError, match=r"uint8 as quantised type|an int32 bias"):
        check_tensorrt_dialect(made)


def test_candidates_repeat_byte_for_byte(architecture, prepared):
    for build in (to_int8_cpu, to_int8_tensorrt):
        first, said = build(prepared, calibrated())
        second, again = build(exported(architecture), calibrated())
        assert (model_bytes(first), said) == (model_bytes(second), again)


def test_products_of_two_activations_are_left_out(architecture, prepared):
    fixed = {tensor.name for tensor in prepared.model.graph.initializer}
    products = [
        node.name
        for node in prepared.model.graph.node
        if node.op_type == "MatMul" and not fixed.intersection(node.input)
    ]
    assert bool(products) == (architecture == "timm:test_vit")
    assert prepared.attention == tuple(products)
    for build in (to_int8_cpu, to_int8_tensorrt):
        made, report = build(prepared, calibrated())
        pairs = {n.output[0] for n in made.graph.node if n.op_type == "DequantizeLinear"}
        left = [node for node in made.graph.node if node.name in products]
        assert len(left) == len(products) == len(report.attention)
        assert not any(pairs.intersection(node.input) for node in left)


REPEAT = """
import hashlib, sys
import numpy as np, onnx
from deploy.edge.spec import Preprocessing
from deploy.export.precision.calibration import Calibration
from deploy.export.precision.fp16 import to_fp16
from deploy.export.precision.int8 import prepare, to_int8_cpu, to_int8_tensorrt
from deploy.export.precision.typed_graph import model_bytes
model, images = onnx.load(sys.argv[1]), np.load(sys.argv[2])
calibration = Calibration(images, ("a",) * len(images), "d", {}, Preprocessing(32, 32))
for build in (to_fp16, to_int8_cpu, to_int8_tensorrt):
    print(hashlib.sha256(model_bytes(build(model, calibration)[0])).hexdigest())
"""


def test_another_process_with_another_hash_seed_writes_the_same_bytes(root: Path, tmp_path: Path):
    source, images = tmp_path / "model.onnx", tmp_path / "images.npy"
    source.write_bytes(model_bytes(exported("timm:test_vit")))
    np.save(images, calibrated().images)
    said = [
        subprocess.run(
            [sys.executable, "-c", REPEAT, str(source), str(images)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert len(said[0]) == 3
    assert all(len(line) == len(hashlib.sha256().hexdigest()) for line in said[0])
    assert said[0] == said[1]
