"""The claim itself, on a machine with a GPU and TensorRT: compile, golden images, speed of the second start, refusal.

Everywhere else each test is skipped with the reason; REQUIRE_TRT=1 makes the skip a failure.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deploy.edge.cli import main
from deploy.edge.inspector import Inspector
from tests.devices import GPU_ENGINES, refusal, skip_unless_here
from tests.edge_bundles import HEIGHT, WIDTH, by_numpy, write_bundle

on_gpu = pytest.mark.gpu_trt


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    skip_unless_here("tensorrt")
    monkeypatch.setenv("PLUMBLINE_ENGINES", str(tmp_path / "engines"))
    return write_bundle(tmp_path / "bundle")


@on_gpu
@pytest.mark.slow
def test_compiled_bundle__runs_on_tensorrt_and_answers_as_promised(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", str(bundle), "--batch", "4"]) == 0
    assert main(["compile", str(bundle), "--batch", "4"]) == 0
    assert "found in the cache" in capsys.readouterr().out
    assert main(["verify", str(bundle), "--require", "tensorrt", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["engine"]["engine"] == "tensorrt"
    assert facts["engine"]["passed_over"] == []
    assert facts["golden_gap"] <= facts["golden_tolerance"]


@on_gpu
@pytest.mark.slow
def test_any_shape_in_any_order__and_the_graph(bundle: Path) -> None:
    engine = Inspector.open(bundle, engine="tensorrt").engine
    random = np.random.default_rng(0)
    for count in (1, 1, 1, 8, 8, 1, 3, 3, 3, 20, 1, 1, 1):
        images = random.integers(0, 256, (count, HEIGHT, WIDTH, 3)).astype(np.uint8)
        gap = np.abs(engine.run(images).probabilities - by_numpy(images).probabilities).max()
        assert gap < 1e-4
    assert engine.describe()["cuda_graph"][0] == "for 1 image"


@on_gpu
@pytest.mark.slow
def test_truncated_engine__is_built_anew(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(bundle)]) == 0
    (engine,) = (bundle.parent / "engines").glob("[!.]*.engine")
    engine.write_bytes(engine.read_bytes()[:-1])
    assert main(["verify", str(bundle), "--require", "tensorrt"]) == 0
    assert "is not used: it holds" in capsys.readouterr().err


@pytest.mark.parametrize("engine", GPU_ENGINES)
def test_skip__has_a_reason_and_require_makes_it_a_failure(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = refusal(engine)
    if not reason:
        pytest.skip(f"{engine} runs here")
    monkeypatch.delenv("REQUIRE_TRT", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no NVIDIA|was built without|tensorrt"):
        skip_unless_here(engine)
    monkeypatch.setenv("REQUIRE_TRT", "1")
    expected = pytest.fail.Exception if engine == "tensorrt" else pytest.skip.Exception
    with pytest.raises(expected):
        skip_unless_here(engine)
