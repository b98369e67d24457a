"""What is planned for OpenVINO: on times whose answer is known, on faults that are planted, and in a real bundle."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from deploy.edge.bundle import open_bundle
from deploy.edge.engines.registry import open_engine
from deploy.edge.errors import BundleError, PlumblineError
from deploy.edge.inspector import Inspector
from deploy.edge.spec import Decision, Plan
from deploy.export import beside as subject_module
from deploy.export import planner, release
from deploy.export.beside import Beside, Fit, beside, judged_beside
from deploy.export.candidates import Candidate
from deploy.export.judge import Judge, Subject
from deploy.export.onnx_graph import export_onnx
from deploy.export.planned import Planned
from deploy.export.release import export_bundle
from deploy.export.speed import Speed, Times, Way, best_ways
from inspection.config import ExportConfig
from inspection.data.index import ImageIndex
from inspection.store import Store
from tests.edge_bundles import graph
from tests.unit.colour_material import CLASSES, SIZE, painted, spec
from tests.unit.conv_material import ConvColours

BASE = Way("fp32", 1, False)
PLAIN, INT8 = Way("fp32", 2, False, "openvino"), Way("int8_cpu", 1, False, "openvino")


def times_of(int8_ms: float | None, plain_ms: float = 5.0) -> dict[Way, Times]:
    busy = np.linspace(1, 2, 41)
    found = {BASE: 4 * busy, PLAIN: plain_ms * busy}
    return found if int8_ms is None else {**found, INT8: int8_ms * busy}


def base_of(times: Mapping[Way, Times]) -> Speed:
    return best_ways(times)["fp32"]


@pytest.mark.parametrize(
    ("int8_ms", "reason", "plan", "says"),
    [
        (2.0, "", Plan("int8_cpu", 1), "OpenVINO runs it at 2.00x (3.00 ms, 1 thread): --engine"),
        (4.5, "", Plan("fp32", 2), "OpenVINO runs it at 0.89x (6.75 ms, 1 thread)"),
        (3.9, "", Plan("fp32", 2), "OpenVINO runs it at 1.03x"),  # less than was asked for
        (None, "recall falls", Plan("fp32", 2), "OpenVINO does not run it: recall falls"),
        (None, "", Plan("fp32", 2), ""),
    ],
)
def test_the_plan_for_openvino(int8_ms: float | None, reason: str, plan: Plan, says: str) -> None:
    times = times_of(int8_ms)
    found = beside(times, base_of(times), 1.05, Fit(("fp32",), reason))
    assert found.plan == plan
    assert found.words.startswith(says)
    assert found.carries("int8_cpu") == (plan.variant == "int8_cpu")
    assert not found.carries("fp32")
    assert found.of("fp16") == ""


def test_where_it_was_not_timed_there_is_no_plan() -> None:
    times = {BASE: np.ones(30)}
    assert beside(times, base_of(times), 1.05, Fit()) == Beside()
    refused = beside(times, base_of(times), 1.05, Fit(reason="no such operator"))
    assert refused == Beside(None, "OpenVINO does not run it: no such operator")


@dataclasses.dataclass
class Strict:
    """A judge that answers as told when OpenVINO is asked."""

    subject: Subject
    faults: tuple[str, ...] = ()
    max_delta: float = 0.0
    error: PlumblineError | None = None

    def judged(self, candidate: Candidate, engine: str) -> Candidate:
        assert engine == "openvino"
        if self.error:
            raise self.error
        return candidate.with_faults(self.faults, self.max_delta)


HALF = Candidate("fp16", Path("h"), (), 0.5, {})
ROUNDED = Candidate("int8_cpu", Path("f"), (), 0.01, {})


@pytest.fixture
def fp32(tmp_path: Path) -> Subject:
    (tmp_path / "fp32.onnx").write_bytes(graph().SerializeToString())
    return Subject(tmp_path / "fp32.onnx", CLASSES, SIZE, Decision())


def asked(judge: Strict, *found: Candidate) -> tuple[list[Candidate], Fit]:
    return judged_beside(cast(Judge, judge), found)


def test_the_larger_change_of_both_runtimes_sets_the_tolerance(fp32: Subject) -> None:
    found, fit = asked(Strict(fp32, max_delta=0.07), HALF, ROUNDED)
    assert [one.max_delta for one in found] == [0.5, 0.07]
    assert fit == Fit(("fp32", "int8_cpu"))


def test_what_openvino_spoils_or_refuses_it_does_not_run(fp32: Subject) -> None:
    spoilt = Strict(fp32, ("2 flips",), 0.9)
    assert asked(spoilt, HALF, ROUNDED) == ([HALF, ROUNDED], Fit(("fp32",), "2 flips"))
    refusing = Strict(fp32, error=BundleError("no such operator"))
    assert asked(refusing, ROUNDED) == ([ROUNDED], Fit(("fp32",), "no such operator"))
    broken = ROUNDED.with_faults(("slow",), 0.3)
    assert asked(Strict(fp32), broken) == ([broken], Fit(("fp32",)))


def test_a_graph_that_openvino_does_not_take_is_exported_all_the_same(fp32: Subject) -> None:
    fp32.fp32.write_bytes(b"no graph")
    found, fit = asked(Strict(fp32), ROUNDED)
    assert found == [ROUNDED]
    assert fit.variants == ()
    assert "refuses" in fit.reason


def test_where_it_is_not_installed_nothing_changes(
    fp32: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject_module, "is_here", lambda: False)
    assert asked(Strict(fp32), HALF, ROUNDED) == ([HALF, ROUNDED], Fit())


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Planned, ImageIndex]:
    """Times are planted, since a graph of microseconds gains nothing; files, decisions and rows are real."""
    planted = {
        ("onnxruntime", "fp32"): 4.0,
        ("onnxruntime", "int8_cpu"): 5.0,
        ("openvino", "fp32"): 6.0,
        ("openvino", "int8_cpu"): 2.0,
    }

    def timed(files: Any, images: Any, ways: Any, **_: Any) -> dict[Way, Times]:
        return {way: np.full(30, planted[way.engine, way.variant]) for way in ways}

    monkeypatch.setattr(planner, "time_ways", timed)
    index = painted(tmp_path / "painted", count=120)
    file = export_onnx(ConvColours(), SIZE, tmp_path / "fp32.onnx")
    config = ExportConfig(calibration_images=16, precisions=("int8_cpu",))
    subject = Subject(file, CLASSES, SIZE, Decision(ok_class="green"))
    return planner.plan_precision(subject, index, config, folder=tmp_path), index


@pytest.mark.training
def test_int8_that_pays_on_openvino_alone_travels_for_it(
    planned: tuple[Planned, ImageIndex], tmp_path: Path
) -> None:
    plan, index = planned
    one = plan.precision("int8_cpu")
    assert one.fate == "kept"
    assert one.sentence.startswith("int8_cpu not chosen: 0.80x the speed of fp32 here")
    assert one.sentence.endswith("OpenVINO runs it at 2.00x (2.00 ms, 1 thread): --engine openvino")
    assert plan.plans["onnxruntime"].variant == "fp32"

    store = Store(tmp_path / "store")
    made = export_bundle(ConvColours(), spec(), index=index, store=store, planned=plan)
    for conversion in ("openvino fp32", "openvino int8_cpu"):
        row = made.certificate.row(conversion)
        assert (row.status, row.measured and row.measured.flips) == ("passed", 0)
        assert row.runtime is not None
        assert row.runtime["engine"] == "openvino"
    assert open_bundle(made.folder).manifest.plans["openvino"].variant == "int8_cpu"
    assert Inspector.open(made.folder).variant == "fp32"
    assert Inspector.open(made.folder, engine="openvino").variant == "int8_cpu"


@pytest.mark.training
def test_what_the_test_set_refuses_on_openvino_is_not_planned_for_it(
    planned: tuple[Planned, ImageIndex], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, index = planned
    swapped = ConvColours()
    with torch.no_grad():
        swapped.head.weight.copy_(swapped.head.weight[[1, 0, 2]])
    wrong = export_onnx(swapped, SIZE, tmp_path / "swapped.onnx")
    engine = open_engine("openvino", wrong)
    monkeypatch.setattr(release, "engines_beside", lambda *_: {"openvino int8_cpu": engine})
    made = export_bundle(
        ConvColours(), spec(), index=index, store=Store(tmp_path / "store"), planned=plan
    )
    row = made.certificate.row("openvino int8_cpu")
    assert row.status == "refused"
    assert "recall of 'blue' falls by 100.0%" in row.reason
    assert made.certificate.row("onnxruntime int8_cpu").status == "passed"
    assert "openvino" not in open_bundle(made.folder).manifest.plans
    assert Inspector.open(made.folder, engine="openvino").variant == "fp32"
