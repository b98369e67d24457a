"""`plumbline-edge compile` on a machine with a GPU: the machine and its builder are planted, TensorRT is not here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.edge.bundle import Bundle, open_bundle
from deploy.edge.cli import main
from deploy.edge.commands import compile as command
from deploy.edge.compilation import Compilation, compile_bundle
from deploy.edge.engines.tensorrt_key import BuildOptions
from deploy.edge.engines.tensorrt_ready import Toolchain
from deploy.edge.errors import PlumblineError, TamperedBundle
from deploy.edge.spec import Plan, Variant
from tests.edge_bundles import graph, resign, write_bundle
from tests.unit.edge_cli_material import Captured
from tests.unit.engine_cache_material import MACHINE, Workshop


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def compiled(bundle: Bundle, shop: Workshop, cache: Path, **changes: Any) -> Compilation:
    tools = Toolchain(shop.build, shop.load)
    return compile_bundle(
        bundle, say=shop.said.append, cache=cache, machine=MACHINE, toolchain=tools, **changes
    )


def test_engine__is_proven_by_the_golden_images_and_kept(
    bundle: Path, shop: Workshop, tmp_path: Path
) -> None:
    cache = tmp_path / "engines"
    made = compiled(open_bundle(bundle), shop, cache)
    assert made.path.parent == cache
    assert made.path.is_file()
    assert made.variant == "fp32"
    assert made.target == "Orin, TensorRT 10.3.0, driver 540.4.0, CUDA 12060"
    assert 0 <= made.golden_gap <= 1e-4
    assert made.seconds == 1.5
    again = compiled(open_bundle(bundle), shop, cache)
    assert again == replace(made, seconds=None)
    assert shop.builds == 1


def test_engine_that_answers_otherwise__is_refused_and_not_kept(
    bundle: Path, shop: Workshop, tmp_path: Path
) -> None:
    def skewed(model: bytes, options: BuildOptions, known: bytes) -> Any:
        changed = graph()
        (scale,) = (value for value in changed.graph.initializer if value.name == "scale")
        scale.raw_data = np.float32(1 / 20).tobytes()
        return Workshop.build(shop, changed.SerializeToString(), options, known)

    shop.build = skewed  # type: ignore[method-assign]
    with pytest.raises(TamperedBundle, match="golden self-test"):
        compiled(open_bundle(bundle), shop, tmp_path / "engines")
    assert list((tmp_path / "engines").glob("*.engine")) == []


def test_plan__names_the_variant_and_its_tolerance_holds(
    bundle: Path, shop: Workshop, tmp_path: Path
) -> None:
    (bundle / "model.fp16.onnx").write_bytes((bundle / "model.onnx").read_bytes())
    resign(
        bundle,
        variants={"fp16": vars(Variant("model.fp16.onnx", 0.01))},
        plans={"tensorrt": vars(Plan("fp16"))},
    )
    assert compiled(open_bundle(bundle), shop, tmp_path / "engines").variant == "fp16"
    named = compiled(open_bundle(bundle), shop, tmp_path / "engines", variant="fp32")
    assert named.variant == "fp32"


def test_folder_that_cannot_keep_it__is_an_error(
    bundle: Path, shop: Workshop, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PlumblineError, match="give another --cache"):
        compiled(open_bundle(bundle), shop, tmp_path / "file" / "engines")


def test_command__prints_what_it_made_and_the_next_command(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    asked: dict[str, Any] = {}

    def planted(opened: Bundle, **options: Any) -> Compilation:
        asked.update(options, digest=opened.digest)
        return Compilation(tmp_path / "a.engine", "fp16", "Orin, TensorRT 10.3.0", 2e-4, 61.4)

    monkeypatch.setattr("deploy.edge.compilation.compile_bundle", planted)
    cache = tmp_path / "engines"
    line = [
        "compile",
        str(bundle),
        "--unsigned",
        "--batch",
        "4",
        "--workspace",
        "64",
        "--cache",
        str(cache),
    ]
    assert main(line) == 0
    found = capsys.readouterr()
    for text in (
        "a.engine",
        "Orin, TensorRT 10.3.0",
        "fp16, batches of 1 to 4",
        "in 61 s",
        "2.0e-04",
    ):
        assert text in found.out
    verify = (
        f"PLUMBLINE_ENGINES={cache} plumbline-edge verify {bundle} --unsigned --require tensorrt"
    )
    assert f"next: {verify}" in found.err
    assert asked["options"] == BuildOptions(batch=4, workspace_mb=64)
    assert (asked["cache"], asked["variant"], asked["digest"]) == (
        cache, None, open_bundle(bundle).digest,
    )  # fmt: skip
    assert command.say is asked["say"]
