"""The decisions around TensorRT that need none: profiles, keys, sentences, its reports, and what a machine lacks."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from deploy.edge.engines import tensorrt_ready
from deploy.edge.engines.cuda_probe import CudaProbe, Gpu
from deploy.edge.engines.tensorrt_key import (
    Batches,
    BuildOptions,
    EngineKey,
    differences,
    engine_key,
    profile_for,
    profiles,
    sentence,
)
from deploy.edge.engines.tensorrt_ready import this_machine, version_supported
from deploy.edge.engines.tensorrt_report import BuildProgress, Log, Recorder, bound
from deploy.edge.errors import EngineUnavailable, UserError

PROBE = CudaProbe(driver="540.4.0, CUDA 12060", devices=(Gpu("Orin", "8.7", 2**34),))
KEY = engine_key("ab" * 32, "10.3.0", PROBE, BuildOptions())


def test_profiles__are_one_image_and_up_to_n() -> None:
    assert profiles(1) == (Batches(1, 1, 1),)
    assert profiles(8) == (Batches(1, 1, 1), Batches(1, 8, 8))


def test_profile__is_the_tightest_that_fits() -> None:
    spans = profiles(8)
    assert [profile_for(count, spans) for count in (1, 2, 8)] == [0, 1, 1]
    assert profile_for(1, spans[1:]) == 0
    with pytest.raises(UserError, match="no profile of this engine takes 9 images"):
        profile_for(9, spans)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch": 0}, "batch must be 1 to 1024 images, got 0"),
        ({"batch": 1025}, "batch must be"),
        ({"workspace_mb": 0}, "workspace must be 1 to"),
    ],
)
def test_options_out_of_range__are_refused(options: dict[str, int], says: str) -> None:
    with pytest.raises(UserError, match=says):
        BuildOptions(**options)


CHANGES = {
    "model": "cd" * 32,
    "tensorrt": "11.4.0",
    "gpu": "Thor",
    "compute_capability": "11.0",
    "driver": "580.1.0, CUDA 13000",
    "platform": "Linux riscv64",
    "options": BuildOptions(batch=2),
    "adapter": KEY.adapter + 1,
}


def test_every_part_of_the_key__makes_another_file_and_is_named() -> None:
    assert set(CHANGES) == {field.name for field in fields(EngineKey)}
    files = {KEY.file}
    for name, value in CHANGES.items():
        other = replace(KEY, **{name: value})  # type: ignore[arg-type]
        files.add(other.file)
        assert differences(KEY, other.document).startswith(f"{name.replace('_', ' ')} ")
    assert len(files) == 1 + len(CHANGES)
    assert differences(KEY, KEY.document) == ""


def test_timings__are_shared_by_models_and_options_of_one_machine_alone() -> None:
    for name, value in CHANGES.items():
        other = replace(KEY, **{name: value})  # type: ignore[arg-type]
        assert (other.timing_file == KEY.timing_file) == (name in ("model", "options")), name


def test_options__may_differ_for_who_only_opens() -> None:
    other = replace(KEY, options=BuildOptions(batch=3)).document
    assert differences(KEY, other) != ""
    assert differences(KEY, other, options=False) == ""
    assert differences(KEY, {}, options=False).count("'unnamed'") == len(CHANGES) - 1


@pytest.mark.parametrize(
    ("messages", "line"),
    [
        ([], ""),
        (["a\n  b", "a"], "a; b"),
        (["In catchCudaError: cudaError 35", "Conv: no"], "Conv: no"),
        (["  spaced \t out  "], "spaced out"),
    ],
)
def test_sentence(messages: list[str], line: str) -> None:
    assert sentence(messages) == line


def test_sentence__has_an_end() -> None:
    assert len(sentence(["x" * 5000])) == 400


@pytest.mark.parametrize(
    ("version", "fits"),
    [("10.3.0", True), ("10.16.1.11", True), ("11.4.0.106", True), ("10.2.0", False),
     ("8.6.1", False), ("10", False), ("ten", False), ("", False)],
)  # fmt: skip
def test_versions(version: str, fits: bool) -> None:
    assert version_supported(version) == fits


class Interface:
    """Stands where the binding's own classes stand: it must be initialised."""

    def __init__(self) -> None:
        self.initialised = True


def test_listeners__initialise_what_they_are_bound_to() -> None:
    for kind in (Log, Recorder, BuildProgress):
        made = bound(kind, Interface)
        assert isinstance(made, Interface)
        assert isinstance(made, kind)
        assert made.initialised


def test_log__keeps_errors_and_warnings_apart_and_not_without_end() -> None:
    log = Log()
    for name in ("ERROR", "INTERNAL_ERROR", "WARNING", "INFO", "VERBOSE"):
        log.log(SimpleNamespace(name=name), name)
    assert (log.said, log.warned) == (["ERROR", "INTERNAL_ERROR"], ["WARNING"])
    for _ in range(500):
        log.log(SimpleNamespace(name="ERROR"), "again")
    assert len(log.said) == 200


def test_recorder__answers_as_tensorrt_asks() -> None:
    recorder = Recorder()
    assert recorder.report_error("INVALID_CONFIG", "no output")
    assert (recorder.num_errors(), recorder.has_overflowed()) == (1, False)
    assert (recorder.get_error_code(0), recorder.get_error_desc(0)) == (
        "INVALID_CONFIG",
        "no output",
    )
    recorder.clear()
    assert recorder.num_errors() == 0


def test_progress__shows_the_innermost_phase_and_stops_on_ctrl_c(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    progress = BuildProgress()
    assert progress.line(3.0) == "building the engine, 3 s"
    progress.phase_start("Build", None, 4)
    progress.phase_start("Tactics", "Build", 40)
    assert progress.step_complete("Tactics", 9)
    assert progress.line(31.0) == "building the engine [#####...............] Tactics 10/40, 31 s"
    progress.phase_finish("Tactics")
    assert "Build 0/4" in progress.line(32.0)
    assert progress.step_complete("never begun", 0)  # and no error inside TensorRT

    def interrupt(self: BuildProgress) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BuildProgress, "_show", interrupt)
    assert not progress.step_complete("Build", 1)
    assert progress.stopped


@pytest.fixture
def with_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt_ready, "library_present", lambda *_: True)
    monkeypatch.setattr(tensorrt_ready, "probe_cuda", lambda: PROBE)
    monkeypatch.setattr(tensorrt_ready, "cuda_bindings", lambda: None)


def planted(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("tensorrt")
    vars(module)["__version__"] = version
    module.__spec__ = importlib.util.spec_from_loader("tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt", module)


@pytest.mark.usefixtures("with_gpu")
def test_machine_with_everything__is_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    planted("10.3.0", monkeypatch)
    found = this_machine()
    assert (found.tensorrt, found.probe) == ("10.3.0", PROBE)


@pytest.mark.usefixtures("with_gpu")
def test_old_tensorrt__is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    planted("8.6.1", monkeypatch)
    with pytest.raises(EngineUnavailable, match=r"TensorRT 8\.6\.1 is installed, 10\.3 or newer"):
        this_machine()


@pytest.mark.usefixtures("with_gpu")
def test_missing_package__is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EngineUnavailable, match="package tensorrt is not installed; pip install"):
        this_machine()


@pytest.mark.usefixtures("with_gpu")
def test_package_that_does_not_load__is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tensorrt.py").write_text("raise OSError('libnvinfer.so.10:\\n cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(EngineUnavailable, match=r"loaded \(libnvinfer.so.10: cannot open\)"):
        this_machine()


@pytest.mark.usefixtures("with_gpu")
def test_gpu_that_does_not_answer__is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    planted("10.3.0", monkeypatch)
    monkeypatch.setattr(tensorrt_ready, "probe_cuda", lambda: CudaProbe("the driver shows no GPU"))
    with pytest.raises(EngineUnavailable) as caught:
        this_machine()
    assert caught.value.reason == "the driver shows no GPU"
    assert str(caught.value).startswith("TensorRT cannot run here: the driver shows no GPU; use")
