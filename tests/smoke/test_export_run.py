"""`plumbline export` as a user meets it: a run, its student in every precision, a device's evidence, wrong words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli_line import EDGE, Line
from tests.smoke.train_material import CONFIG

pytestmark = pytest.mark.slow

QUICK = ("export.max_seconds=2", "export.calibration_images=16")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return Line(tmp_path_factory.mktemp("line"), CONFIG)


@pytest.fixture(scope="module")
def trained(line: Line) -> dict[str, Any]:
    return line.run()


@pytest.fixture(scope="module")
def exported(line: Line, trained: dict[str, Any]) -> dict[str, Any]:
    assert trained["version"] == 1
    return line.json("export", str(line.config), *QUICK)


def test_every_precision_has_a_fate_and_the_bundle_is_registered(
    exported: dict[str, Any], trained: dict[str, Any]
) -> None:
    fates = {one["name"]: one["fate"] for one in exported["precisions"]}
    assert list(fates) == ["fp16", "int8_cpu", "int8_tensorrt"]
    assert exported["of"] == trained["run"]
    assert exported["version"] == 2
    rows = {row["conversion"]: row for row in exported["certificate"]}
    assert rows["onnxruntime fp32"]["status"] == "passed"
    assert rows["tensorrt fp32"]["status"] == "pending"
    assert rows["tensorrt fp32"]["reason"]
    # This machine has no NVIDIA driver, or it does: either way a reason stands beside the word.
    assert exported["tensorrt"]["status"] in ("pending", "built")
    assert exported["tensorrt"]["reason"]
    assert exported["digest"] != trained["digest"]
    # OpenVINO is installed where tests run: the same files are certified on it too.
    assert rows["openvino fp32"]["status"] == "passed"
    page = Path(exported["report"]).read_text(encoding="utf-8")
    assert all(one["sentence"].partition(": ")[2][:20] in page for one in exported["precisions"])
    assert "plumbline-edge certify BUNDLE SET.npz --require tensorrt" in page


def test_an_export_makes_its_files_again_where_somebody_cleared_them(
    line: Line, exported: dict[str, Any]
) -> None:
    shutil.rmtree(line.store / "precisions")
    again = line.json("export", str(line.config), *QUICK, "export.precisions=[fp16]")
    assert [one["name"] for one in again["precisions"]] == ["fp16"]
    assert again["of"] == exported["of"]
    assert Path(again["report"]).is_file()


def test_the_device_runs_it_and_certifies_it(line: Line, exported: dict[str, Any]) -> None:
    folder = Path(exported["bundle"])
    code, out, err = line.say("verify", str(folder), "--unsigned", door=EDGE)
    assert code == 0, err
    assert "match their hashes" in out
    held = folder.parent / ".certification" / f"{folder.name}.npz"
    row = line.folder / "row.json"
    arguments = ("certify", str(folder), str(held), "--out", str(row), "--unsigned")
    code, _, err = line.say(*arguments, door=EDGE)
    assert code == 0, err
    filled = line.json("certify", str(folder), str(row))
    rows = {one["conversion"]: one["status"] for one in filled["rows"]}
    assert rows[f"onnxruntime {json.loads(row.read_text())['variant']}"] == "passed"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("export.precisions=[int9]",), "export.precisions"),
        (("export.max_loss=2",), "export.max_loss"),
        (("export.calibration_images=3",), "export.calibration_images"),
        (("--run", "tinny"), "no run 'tinny'"),
    ],
)
def test_wrong_words_are_told_in_one_line(
    line: Line, exported: dict[str, Any], arguments: tuple[str, ...], says: str
) -> None:
    assert exported["version"] == 2
    answer = line.json("export", str(line.config), *arguments, code=2)
    (fault,) = answer["faults"]
    assert says in fault


def test_before_any_run_there_is_nothing_to_export(tmp_path: Path) -> None:
    line = Line(tmp_path / "empty", CONFIG)
    (fault,) = line.json("export", str(line.config), code=2)["faults"]
    assert "no finished run of 'tiny'" in fault
    assert "run its config first" in fault
