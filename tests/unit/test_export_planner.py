"""What is planned for graphs whose right answer is known: kept, refused with the reason, or mended layer by layer."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import onnx
import pytest
import torch

from deploy.edge.bundle import open_bundle
from deploy.edge.files import sha256_file
from deploy.edge.inspector import Inspector
from deploy.edge.spec import Decision, Plan
from deploy.export.candidates import Candidate
from deploy.export.certificate import Certificate
from deploy.export.judge import Judge, Subject, ask
from deploy.export.onnx_graph import export_onnx
from deploy.export.planned import Planned
from deploy.export.planner import plan_precision
from deploy.export.precision_rows import as_certified
from deploy.export.release import Release, export_bundle
from inspection.config import ExportConfig
from inspection.data.index import ImageIndex
from inspection.errors import DataError, UserError
from inspection.store import Store
from tests.unit.colour_material import CLASSES, SIZE, painted, spec
from tests.unit.conv_material import ConvColours

pytestmark = pytest.mark.training

CONFIG = ExportConfig(calibration_images=16, max_seconds=2)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    return painted(tmp_path_factory.mktemp("painted"), count=120)


def subject(graph: ConvColours, folder: Path) -> Subject:
    file = export_onnx(graph, SIZE, folder / "fp32.onnx")
    return Subject(file, CLASSES, SIZE, Decision(ok_class="green"))


def planned_of(
    graph: ConvColours, index: ImageIndex, folder: Path, config: ExportConfig = CONFIG
) -> Planned:
    return plan_precision(subject(graph, folder), index, config, folder=folder)


@pytest.fixture(scope="module")
def plan(index: ImageIndex, tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return planned_of(ConvColours(), index, tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def released(plan: Planned, index: ImageIndex, tmp_path_factory: pytest.TempPathFactory) -> Release:
    store = Store(tmp_path_factory.mktemp("store"))
    return export_bundle(ConvColours(), spec(), index=index, store=store, planned=plan)


def test_every_precision_is_made_and_has_its_sentence(plan: Planned) -> None:
    assert [one.name for one in plan.precisions] == ["fp16", "int8_cpu", "int8_tensorrt"]
    for one in plan.precisions:
        assert one.file is not None
        assert onnx.load(one.file).ByteSize() > 0
        assert one.sentence.startswith(
            f"{one.name} {'not chosen' if one.fate == 'kept' else one.fate}"
        )
        assert "\n" not in one.sentence
    assert plan.precision("int8_tensorrt").fate == "pending"
    # A graph of microseconds: nothing can be gained, and FP16 travels for TensorRT all the same.
    assert plan.precision("fp16").fate in ("kept", "chosen")
    assert plan.plans["tensorrt"] == Plan("fp16")
    assert plan.plans["onnxruntime"].threads is not None
    assert plan.calibration["count"] == 16
    assert sum(plan.calibration["classes"].values()) == 16


def test_a_faster_precision_is_chosen_and_a_slower_one_refused(
    index: ImageIndex, tmp_path: Path
) -> None:
    """The bar of speed is set where the answer is certain: below any ratio, and above any."""
    eager = CONFIG.model_copy(update={"precisions": ("int8_cpu",), "min_speedup": 1000.0})
    found = planned_of(ConvColours(), index, tmp_path, eager)
    assert found.precision("int8_cpu").fate == "refused"
    assert "x the speed of fp32 here" in found.precision("int8_cpu").sentence
    assert "asked for 1000.00x" in found.precision("int8_cpu").sentence
    assert found.plans["onnxruntime"].variant == "fp32"
    assert found.travelling == ()


def test_overflow_in_fp16_is_kept_off_by_islands(index: ImageIndex, tmp_path: Path) -> None:
    graph = ConvColours(scale=1e6)
    found = planned_of(graph, index, tmp_path, CONFIG.model_copy(update={"precisions": ("fp16",)}))
    half = found.precision("fp16")
    assert half.fate != "refused"
    assert half.made["islands"]
    assert half.made["peak"] > 65504


def test_int8_that_hurts_is_refused_or_mended(index: ImageIndex, tmp_path: Path) -> None:
    """A bound that rounding must break: no recall may be lost and a threshold hangs on the last digits."""
    file = subject(ConvColours(), tmp_path)
    val = index.split("val")
    judge = Judge(file, val, ask(file.fp32, val, SIZE, 100.0), CONFIG, 100.0)
    permuted = tmp_path / "permuted.onnx"
    swapped = ConvColours()
    with torch.no_grad():
        swapped.head.weight.copy_(swapped.head.weight[[1, 0, 2]])
    export_onnx(swapped, SIZE, permuted)
    candidate = Candidate("int8_cpu", permuted, (), 0.0, {})
    judged = judge.judged(candidate)
    assert any("recall of 'blue' falls by 100.0%" in fault for fault in judged.faults)
    assert "validation images" not in judged.faults[-1]
    assert (
        judge.judged(dataclasses.replace(candidate, name="fp16")).faults[0].startswith("16 labels")
    )


def test_val_and_train_decide_and_test_images_are_not_opened(tmp_path: Path) -> None:
    for path in (moved := painted(tmp_path / "images", count=120)).split("test").paths:
        path.unlink()
    assert planned_of(ConvColours(), moved, tmp_path).plans


def test_without_training_images_there_is_no_calibration(index: ImageIndex, tmp_path: Path) -> None:
    val = index.split("val")
    with pytest.raises(DataError, match="calibration"):
        planned_of(ConvColours(), val, tmp_path)


def test_the_bundle_holds_what_passed_and_runs_as_planned(released: Release, plan: Planned) -> None:
    bundle = open_bundle(released.folder)
    assert set(bundle.manifest.variants) == {one.name for one in plan.travelling}
    assert "fp16" in bundle.manifest.variants
    inspector = Inspector.open(released.folder)
    assert inspector.variant == plan.plans["onnxruntime"].variant
    for name in bundle.manifest.variants:
        assert Inspector.open(released.folder, variant=name).golden_gap >= 0
    document = json.loads((released.folder / "plan.json").read_text())
    assert [one["name"] for one in document["precisions"]] == ["fp16", "int8_cpu", "int8_tensorrt"]
    assert str(plan.fp32.parent) not in (released.folder / "plan.json").read_text()


def test_the_certificate_has_a_row_for_each_and_pending_ones_for_the_device(
    released: Release,
) -> None:
    document = (released.folder / "certificate.json").read_bytes()
    certificate = Certificate.from_json(document)
    rows = {row.conversion: row for row in certificate.rows}
    half = rows["onnxruntime fp16"]
    assert half.status == "passed"
    assert half.measured is not None
    assert half.measured.flips == 0
    # Nothing seen in n images leaves up to 1 - 0.025 ** (1 / n).
    assert half.measured.flip_rate_high == pytest.approx(1 - 0.025 ** (1 / half.measured.images))
    assert half.runtime is not None
    assert len(half.runtime["calibration"]) == 64
    assert len(half.model_sha256) == 64
    pending = [name for name, row in rows.items() if row.status == "pending"]
    assert {"tensorrt fp32", "tensorrt fp16"} <= set(pending)
    assert all(rows[name].measured is None for name in pending)


@pytest.mark.parametrize("fault", ["gone", "changed", "folder gone"])
def test_files_that_went_after_planning_are_named(
    index: ImageIndex, tmp_path: Path, fault: str
) -> None:
    config = CONFIG.model_copy(update={"precisions": ("fp16",), "max_seconds": 0.1})
    folder = tmp_path / "precisions"
    planned = planned_of(ConvColours(), index, folder, config)
    half = planned.precision("fp16").file
    assert half is not None
    planned.check_files()
    if fault == "gone":
        half.unlink()
    elif fault == "changed":
        half.write_bytes(planned.fp32.read_bytes())
    else:
        shutil.rmtree(folder)
    store = Store(tmp_path / "store")
    with pytest.raises(UserError, match="export once more") as caught:
        export_bundle(ConvColours(), spec(), index=index, store=store, planned=planned)
    named = planned.fp32 if fault == "folder gone" else half
    assert str(named) in str(caught.value)
    assert ("it was changed" in str(caught.value)) == (fault == "changed")
    assert not list(tmp_path.glob("store/bundles/*"))


def test_what_the_test_set_refuses_stays_behind_and_fp32_runs_instead(
    plan: Planned, index: ImageIndex, tmp_path: Path
) -> None:
    """A file that nobody judged: its classes are permuted."""
    swapped = ConvColours()
    with torch.no_grad():
        swapped.head.weight.copy_(swapped.head.weight[[1, 0, 2]])
    file = export_onnx(swapped, SIZE, tmp_path / "permuted.onnx")
    precisions = tuple(
        dataclasses.replace(one, file=file, sha256=sha256_file(file), fate="chosen")
        if one.name == "int8_cpu"
        else one
        for one in plan.precisions
    )
    broken = dataclasses.replace(
        plan, precisions=precisions, plans={**plan.plans, "onnxruntime": Plan("int8_cpu", 1)}
    )
    store = Store(tmp_path / "store")
    release = export_bundle(ConvColours(), spec(), index=index, store=store, planned=broken)
    row = release.certificate.row("onnxruntime int8_cpu")
    assert row.status == "refused"
    assert "recall of 'blue' falls by 100.0%" in row.reason
    bundle = open_bundle(release.folder)
    assert "int8_cpu" not in bundle.manifest.variants
    assert bundle.manifest.plans["onnxruntime"] == plan.fallback
    assert release.evaluation.accuracy.value == 1.0
    # Whoever reads of the plan afterwards reads what runs, not what was hoped for.
    told = as_certified(broken, release.certificate.rows)
    assert told.plans == bundle.manifest.plans
    assert told.precision("int8_cpu").fate == "refused"
    assert "int8_cpu refused by the test set: accuracy falls" in told.precision("int8_cpu").sentence
    assert told.sentence == "fp32 runs: the test set refused int8_cpu, which is faster"
    assert json.loads((release.folder / "plan.json").read_bytes()) == told.document()
