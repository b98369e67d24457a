"""The adapter asks TensorRT only for what 10.16 and 11.4 both have; read from its text, without TensorRT."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.contracts.tensorrt_names import Release, missing, releases, stub_lines, uses

RELEASES = releases()
each_release = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.version)


def adapter(root: Path) -> list[Path]:
    """Every module of ours that imports TensorRT."""
    pattern = re.compile(r"^\s*(import tensorrt|from tensorrt)\b", re.MULTILINE)
    folders = ("deploy", "inspection", "data_checks", "steps", "pipelines", "materializers")
    paths = (path for folder in folders for path in (root / folder).rglob("*.py"))
    return [path for path in paths if pattern.search(path.read_text())]


def test_releases__are_a_10_and_an_11() -> None:
    assert [release.version.split(".")[0] for release in RELEASES] == ["10", "11"]


@each_release
def test_adapter__uses_nothing_that_a_release_lacks(release: Release, root: Path) -> None:
    modules = adapter(root)
    assert {"tensorrt.py", "tensorrt_build.py"} <= {path.name for path in modules}
    used = {name for path in modules for name in uses(path.read_text(), release)}
    assert missing(used, release) == []
    # The reading is not blind: what a build and a run cannot do without was found.
    assert {
        ("", "OnnxParser"),
        ("BuilderFlag", "TF32"),
        ("NetworkDefinitionCreationFlag", "STRONGLY_TYPED"),
        ("Builder", "build_serialized_network"),
        ("IBuilderConfig", "set_timing_cache"),
        ("ICudaEngine", "get_tensor_profile_shape"),
        ("IExecutionContext", "execute_async_v3"),
    } <= used
    assert len(used) > 45


@each_release
def test_stub__declares_nothing_that_a_release_lacks(release: Release) -> None:
    declared = stub_lines()
    assert len(declared) > 70
    assert missing(declared, release) == []


def test_adapter__imports_tensorrt_inside_functions_alone(root: Path) -> None:
    for path in adapter(root):
        for node in ast.parse(path.read_text()).body:
            assert not (isinstance(node, ast.Import) and node.names[0].name == "tensorrt"), path


@pytest.mark.parametrize(
    ("source", "gone"),
    [
        ("config.set_flag(trt.BuilderFlag.FP16)", "trt.BuilderFlag.FP16"),
        ("trt.Builder(log).platform_has_fast_int8", "trt.Builder.platform_has_fast_int8"),
        (
            "builder = trt.Builder(log)\nconfig = builder.create_builder_config()\n"
            "config.int8_calibrator = None",
            "trt.IBuilderConfig.int8_calibrator",
        ),
        (
            "def f(engine: trt.ICudaEngine):\n    return engine.device_memory_size",
            "trt.ICudaEngine.device_memory_size",
        ),
        (
            "class A:\n    context: trt.IExecutionContext\n    def f(self):\n"
            "        return self.context.all_shape_inputs_specified",
            "trt.IExecutionContext.all_shape_inputs_specified",
        ),
        ("trt.IInt8EntropyCalibrator2()", "trt.IInt8EntropyCalibrator2"),
    ],
)
def test_planted_name_that_11_removed__is_found(source: str, gone: str) -> None:
    old, new = RELEASES
    used = uses(source, old)
    assert missing(used, old) == []
    assert missing(used, new) == [gone]


def test_planted_name_that_nobody_has__is_found() -> None:
    for release in RELEASES:
        found = missing(uses("trt.Builder(log).build_engine()", release), release)
        assert found == ["trt.Builder.build_engine"]


def test_planted_line_in_a_stub__is_found() -> None:
    line = stub_lines() | {("BuilderFlag", "INT8")}
    assert [missing(line, release) for release in RELEASES] == [[], ["trt.BuilderFlag.INT8"]]
