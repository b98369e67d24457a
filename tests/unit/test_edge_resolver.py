"""Which runtime is chosen, what is said of those passed over, and that a required one is never replaced."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.edge.cli import main
from deploy.edge.engines import registry
from deploy.edge.engines.base import Engine
from deploy.edge.engines.cuda_library import LIBRARY, library_present
from deploy.edge.engines.resolver import ORDER, PassedOver, candidates, resolve, spoken
from deploy.edge.errors import BundleError, EngineError, EngineUnavailable, UserError
from deploy.edge.inspector import Inspector
from tests.edge_bundles import write_bundle
from tests.unit.edge_cli_material import Captured, lines

without_gpu = pytest.mark.skipif(
    library_present(LIBRARY, os.environ), reason="there is an NVIDIA driver here"
)


def test_order__ends_with_the_runtime_that_runs_everywhere() -> None:
    assert ORDER == ("tensorrt", "onnxruntime-cuda", "onnxruntime")
    assert set(ORDER) <= set(registry.ENGINES)


@pytest.mark.parametrize(
    ("engine", "require", "tried"),
    [
        ("auto", None, ORDER),
        ("tensorrt", None, ("tensorrt",)),
        ("auto", "tensorrt", ("tensorrt",)),
        ("onnxruntime", "onnxruntime", ("onnxruntime",)),
    ],
)
def test_candidates(engine: str, require: str | None, tried: tuple[str, ...]) -> None:
    assert candidates(engine, require) == tried


@pytest.mark.parametrize(
    ("engine", "require", "says"),
    [
        ("onnxruntime", "tensorrt", "exclude each other"),
        ("auto", "tensorr", "did you mean 'tensorrt'"),
        ("auto", "auto", "unknown engine 'auto'"),
        ("tensort", None, "did you mean 'tensorrt'"),
    ],
)
def test_contradictions_and_unknown_names__are_refused(
    engine: str, require: str | None, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        candidates(engine, require)


def opener(faults: Mapping[str, Exception]) -> Callable[[str], str]:
    def attempt(name: str) -> str:
        if name in faults:
            raise faults[name]
        return f"opened {name}"

    return attempt


UNAVAILABLE = EngineUnavailable("TensorRT", "no driver", "buy a GPU")


@pytest.mark.parametrize(
    ("faults", "chosen", "passed"),
    [
        ({}, "tensorrt", []),
        ({"tensorrt": UNAVAILABLE}, "onnxruntime-cuda", [("tensorrt", "no driver")]),
        (
            {"tensorrt": UNAVAILABLE, "onnxruntime-cuda": EngineError("nodes run\nelsewhere")},
            "onnxruntime",
            [("tensorrt", "no driver"), ("onnxruntime-cuda", "nodes run elsewhere")],
        ),
        ({"tensorrt": OSError(28, "No space left")}, "onnxruntime-cuda",
         [("tensorrt", "[Errno 28] No space left")]),
        ({"tensorrt": BundleError("golden self-test: 2 labels differ")}, "onnxruntime-cuda",
         [("tensorrt", "golden self-test: 2 labels differ")]),
    ],
)  # fmt: skip
def test_auto__takes_the_first_that_runs_and_keeps_every_reason(
    faults: dict[str, Exception], chosen: str, passed: list[tuple[str, str]]
) -> None:
    found = resolve("auto", opener(faults))
    assert (found.engine, found.opened) == (chosen, f"opened {chosen}")
    assert found.passed_over == tuple(PassedOver(*pair) for pair in passed)
    line = spoken(found.engine, found.passed_over)
    assert bool(line) == bool(passed)
    assert all(name in line and reason in line for name, reason in passed)
    assert "\n" not in line


def test_faults_of_our_own__are_not_taken_for_a_missing_device() -> None:
    with pytest.raises(ZeroDivisionError):
        resolve("auto", opener({"tensorrt": ZeroDivisionError()}))


def test_named_or_required__is_never_replaced() -> None:
    faults = {"tensorrt": UNAVAILABLE}
    for engine, require in (("tensorrt", None), ("auto", "tensorrt"), ("tensorrt", "tensorrt")):
        with pytest.raises(EngineUnavailable, match="no driver; buy a GPU"):
            resolve(engine, opener(faults), require)


def test_last_one__fails_with_its_own_error() -> None:
    faults = {name: EngineError(name) for name in ORDER}
    with pytest.raises(EngineError, match=r"^onnxruntime$"):
        resolve("auto", opener(faults))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@without_gpu
def test_inspector__tells_what_runs_and_why_nothing_faster(bundle: Path) -> None:
    inspector = Inspector.open(bundle, engine="auto", threads=1)
    facts = json.loads(json.dumps(inspector.describe()))
    assert facts["engine"] == "onnxruntime"
    reasons = {passed["engine"]: passed["reason"] for passed in facts["passed_over"]}
    assert reasons == dict.fromkeys(
        ORDER[:2], f"no NVIDIA driver library ({LIBRARY}) on this machine"
    )
    assert Inspector.open(bundle, threads=1).describe()["passed_over"] == []


@without_gpu
def test_verify__shows_the_backend_and_every_reason(bundle: Path, capsys: Captured) -> None:
    assert main(["verify", str(bundle), "--unsigned", "--threads", "1"]) == 0
    found = capsys.readouterr()
    assert "nodes on CPUExecutionProvider" in found.out
    assert "not tensorrt" in found.out
    assert "no NVIDIA driver library" in found.out
    (told,) = [line for line in found.err.splitlines() if line.startswith("engine onnxruntime (")]
    assert "not tensorrt: no NVIDIA" in told
    assert "not onnxruntime-cuda:" in told
    assert main(["verify", str(bundle), "--unsigned", "--json"]) == 0
    ((facts,), _) = lines(capsys)
    assert [passed["engine"] for passed in facts["engine"]["passed_over"]] == list(ORDER[:2])


def test_engine_named__is_not_commented(bundle: Path, capsys: Captured) -> None:
    assert main(["verify", str(bundle), "--unsigned", "--engine", "onnxruntime"]) == 0
    found = capsys.readouterr()
    assert "not tensorrt" not in found.out + found.err


@without_gpu
@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "--require", "tensorrt"],
        ["verify", "--engine", "tensorrt"],
        ["bench", "--require", "onnxruntime-cuda"],
        ["compile"],
        ["compile", "--batch", "4", "--workspace", "256"],
    ],
)
def test_without_a_gpu__what_needs_one_ends_with_one_sentence_and_code_2(
    arguments: list[str], bundle: Path, tmp_path: Path, capsys: Captured
) -> None:
    command, *rest = arguments
    if command == "compile":
        rest += ["--cache", str(tmp_path / "engines")]
    assert main([command, str(bundle), "--unsigned", *rest]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.count("\n") == 1
    assert (
        f"cannot run here: no NVIDIA driver library ({LIBRARY}) on this machine; use" in found.err
    )
    assert not (tmp_path / "engines").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compile", "BUNDLE", "--batch", "0"], "batch must be 1 to 1024"),
        (["compile", "BUNDLE", "--workspace", "0"], "workspace must be 1 to"),
        (["compile", "BUNDLE", "--variant", "int4"], "no variant 'int4'"),
        (["compile", "absent"], "no bundle folder"),
        (["verify", "BUNDLE", "--engine", "onnxruntime", "--require", "tensorrt"], "exclude"),
    ],
)
def test_mistakes__are_one_line(
    arguments: list[str], says: str, bundle: Path, capsys: Captured
) -> None:
    line = [str(bundle) if word == "BUNDLE" else word for word in arguments]
    assert main([*line, "--unsigned"]) == 2
    found = capsys.readouterr()
    assert found.err.count("\n") == 1
    assert says in found.err


def test_golden_failure_of_a_faster_runtime__is_passed_over_with_its_reason(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runtime that answers something else is planted where TensorRT would be."""
    sound = registry.ENGINES["onnxruntime"]

    class Wrong:
        def __init__(self, engine: Engine) -> None:
            self.engine, self.name = engine, "tensorrt"

        def run(self, images: Any) -> Any:
            answers = self.engine.run(images)
            answers.probabilities[:] = answers.probabilities[:, ::-1]
            return answers

        def describe(self) -> dict[str, Any]:
            return self.engine.describe()

    def planted(model: Path, **options: Any) -> Engine:
        return Wrong(sound(model, **options))

    monkeypatch.setattr(registry, "ENGINES", {**registry.ENGINES, "tensorrt": planted})
    inspector = Inspector.open(bundle, engine="auto", threads=1)
    assert inspector.engine.name != "tensorrt"
    assert "golden self-test" in inspector.passed_over[0].reason
    with pytest.raises(BundleError, match="golden self-test"):
        Inspector.open(bundle, require="tensorrt", engine="auto", threads=1)
