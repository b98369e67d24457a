"""A device measures, the workshop believes what belongs to the bundle and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.edge.bundle import open_bundle
from deploy.edge.certification import device_fingerprint
from deploy.edge.cli import main
from deploy.export.certificate import Certificate
from deploy.export.certification_set import set_file
from deploy.export.evidence import fill_rows
from deploy.export.planner import plan_precision
from deploy.export.release import Release, export_bundle
from inspection.config import ExportConfig
from inspection.errors import UserError
from inspection.store import Store
from tests.unit.colour_material import painted, spec
from tests.unit.conv_material import ConvColours
from tests.unit.test_export_planner import subject

pytestmark = pytest.mark.training

CONFIG = ExportConfig(calibration_images=16, max_seconds=1, precisions=("fp16",))
Made = tuple[Store, Release, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("evidence")
    store, index = Store(folder / "store"), painted(folder / "images")
    plan = plan_precision(subject(ConvColours(), folder), index, CONFIG, folder=folder)
    release = export_bundle(ConvColours(), spec(), index=index, store=store, planned=plan)
    return store, release, set_file(store, release.digest)


def measured(made: Made, target: Path, *more: str) -> dict[str, Any]:
    """The device's command on the bundle; the evidence it wrote."""
    _, release, held = made
    arguments = [
        "certify",
        str(release.folder),
        str(held),
        "--out",
        str(target),
        "--unsigned",
        *more,
    ]
    assert main(arguments) == 0
    document: dict[str, Any] = json.loads(target.read_text())
    return document


def test_a_device_fills_a_row(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, release, held = made
    document = measured(made, tmp_path / "row.json", "--variant", "fp16")
    assert "labels    0 changed" in capsys.readouterr().out
    # As a TensorRT device would have written it.
    document["runtime"]["engine"] = "tensorrt"
    (tmp_path / "row.json").write_text(json.dumps(document))
    filled = fill_rows(store, release.folder, [tmp_path / "row.json"])
    assert filled.digest != release.digest
    before = {row.conversion: row for row in release.certificate.rows}
    text = (filled.folder / "certificate.json").read_bytes()
    after = {row.conversion: row for row in Certificate.from_json(text).rows}
    assert list(after) == list(before)
    assert (before["tensorrt fp16"].status, after["tensorrt fp16"].status) == ("pending", "passed")
    found, here = after["tensorrt fp16"].measured, before["onnxruntime fp16"].measured
    assert found is not None
    assert here is not None
    assert (found.images, found.flips) == (here.images, 0)
    assert found.max_delta == pytest.approx(here.max_delta, abs=1e-6)
    # Everything but the certificate is as it was, and the set fits the new bundle too.
    old, new = open_bundle(release.folder).manifest.files, filled.manifest.files
    assert {name for name in old if old[name] != new[name]} == {"certificate.json"}
    assert set_file(store, filled.digest).read_bytes() == held.read_bytes()


@pytest.mark.parametrize(
    ("machine", "says"),
    [
        (None, "from an unsigned device report, device "),
        ({"system": "Linux"}, "from an unsigned device report, of a device not named"),
        ({"device": "line 3, trust me"}, "from an unsigned device report, of a device not named"),
        ("a box", "from an unsigned device report, of a device not named"),
    ],
)
def test_a_row_from_a_device_says_that_nobody_signed_it(
    made: Made, machine: Any, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, release, _ = made
    document = measured(made, tmp_path / "row.json", "--variant", "fp16")
    told = capsys.readouterr().out
    named = document["machine"]["device"]
    if machine is not None:
        document["machine"] = machine
    (tmp_path / "row.json").write_text(json.dumps(document))
    filled = fill_rows(store, release.folder, [tmp_path / "row.json"])
    rows = Certificate.from_json((filled.folder / "certificate.json").read_bytes()).rows
    sources = {row.conversion: row.source for row in rows}
    assert sources["onnxruntime fp16"] == (says + named[:16] if machine is None else says)
    assert named[:16] in told
    # What this machine measured needs no such word.
    assert sources["onnxruntime fp32"] == ""


def test_a_device_is_called_the_same_every_time_and_its_identifier_stays_there(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("0123456789abcdef0123456789abcdef\n")
    second.write_text("ff23456789abcdef0123456789abcdef\n")
    assert device_fingerprint(first) == device_fingerprint(first) != device_fingerprint(second)
    assert "0123456789abcdef" not in device_fingerprint(first)
    assert len(device_fingerprint(tmp_path / "none")) == 64


Change = Callable[[dict[str, Any]], object]
SPOILT: list[tuple[Change, str]] = [
    (lambda d: d.update(bundle="f" * 64), "another bundle"),
    (lambda d: d.update(model_sha256="f" * 64), "another model_sha256"),
    (lambda d: d.update(certification_set="f" * 64), "another certification_set"),
    (lambda d: d.update(variant="int4"), "no variant 'int4'"),
    (lambda d: d.update(schema=2), "no evidence of"),
    (lambda d: d.pop("machine"), "no evidence of"),
    (lambda d: d.update(runtime={}), "names no runtime"),
    (lambda d: d["parity"].update(flips=1), "contradicts itself (flips, flipped_images)"),
    (lambda d: d["parity"].update(images=10**6), "contradicts itself (images)"),
    (lambda d: d["parity"].update(max_delta="small"), "parity.max_delta"),
    (lambda d: d["parity"]["per_class"][0].update(lost=-1), "contradicts itself (blue)"),
    (lambda d: d["parity"].pop("ece_after"), "parity.ece_after"),
]


@pytest.mark.parametrize(("change", "says"), SPOILT)
def test_evidence_that_does_not_belong_is_refused(
    made: Made, change: Change, says: str, tmp_path: Path
) -> None:
    store, release, _ = made
    document = measured(made, tmp_path / "row.json")
    change(document)
    (tmp_path / "row.json").write_text(json.dumps(document))
    with pytest.raises(UserError) as caught:
        fill_rows(store, release.folder, [tmp_path / "row.json"])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 10**5, b"[]", b"3"])
def test_what_is_no_evidence(made: Made, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "row.json").write_bytes(data)
    with pytest.raises(UserError, match="no evidence"):
        fill_rows(made[0], made[1].folder, [tmp_path / "row.json"])


def test_another_set_is_refused(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, release, held = made
    other = tmp_path / "other.npz"
    shutil.copy(held, other)
    with other.open("r+b") as stream:
        stream.seek(200)
        stream.write(b"x")
    out = str(tmp_path / "row.json")
    assert main(["certify", str(release.folder), str(other), "--out", out, "--unsigned"]) == 2
    assert "is not the set that" in capsys.readouterr().err
    assert (
        main(["certify", str(release.folder), str(tmp_path / "none"), "--out", out, "--unsigned"])
        == 2
    )
    assert "no certification set" in capsys.readouterr().err
    assert not Path(out).exists()
