"""A split that the data came with is audited straight after its import, and stops no run that makes its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import pytest

from data_checks.expectations import validate_index
from data_checks.results import GateReport
from inspection.config import ChecksConfig
from inspection.data.index import ImageIndex
from tests.unit.checks_material import clean_index, surface

pytestmark = pytest.mark.thorough


def leaking(root: Path) -> list[str]:
    """`train/<class>/x.png` and `test/<class>/x.png`, a test image of each class being in train as well."""
    paths = []
    for label in ("ok", "dent"):
        for number in range(8):
            home = "test" if number > 5 else "train"
            seed = 1 if number == 7 else number
            path = root / home / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), surface(seed + 100 * (label == "ok"), size=64))
            paths.append(path.relative_to(root).as_posix())
    return paths


def as_manifest(root: Path, paths: list[str]) -> None:
    """The same images under names that tell nothing, and a table that tells all."""
    lines = ["path,label,split"]
    for number, path in enumerate(paths):
        home, label, _ = path.split("/")
        (root / path).rename(root / f"{number}.png")
        lines.append(f"{number}.png,{label},{home}")
    for home in ("train", "test"):
        shutil.rmtree(root / home)
    (root / "list.csv").write_text("\n".join(lines))


@pytest.mark.parametrize("kind", ["folder", "manifest"])
def test_the_authors_split_is_audited_after_import_and_replaced_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Any, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = leaking(tmp_path / "set")
    if kind == "manifest":
        as_manifest(tmp_path / "set", paths)
    read = said("import", "set")
    assert (read["kind"], read["labels"]) == (kind, {"ok": 8, "dent": 8})
    found = said("split", "index.parquet", "--audit", code=3)
    assert found["rates"]["train-test"] == 0.5
    assert {leak["cause"] for leak in found["leaks"]} == {"exact"}
    first = Path("index.parquet").read_bytes()
    assert "split leaks" in " ".join(said("split", "index.parquet", "--keep", code=3)["faults"])
    assert Path("index.parquet").read_bytes() == first
    assert sum(said("split", "index.parquet")["images"].values()) == 16
    assert said("split", "index.parquet", "--audit")["rates"]["train-test"] == 0.0
    frame = ImageIndex.load(Path("index.parquet")).frame
    assert frame.groupby("pixel_id")["split"].nunique().max() == 1
    assert set(frame["split"]) == {"train", "val", "test"}


def refused(report: GateReport) -> set[str]:
    return {check.name for check in report.results if not check.passed}


def test_the_gate_does_not_ask_a_split_that_the_run_will_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from steps.check_data import check_data

    # The store of metadata belongs to a running pipeline.
    monkeypatch.setattr("steps.check_data.log_metadata", lambda _: None)
    clean = clean_index(tmp_path)
    torn = clean.with_columns(group="one")
    fine = refused(validate_index(clean, ChecksConfig()))
    assert refused(validate_index(torn, ChecksConfig())) - fine == {"group_in_one_split"}
    index, report = check_data.entrypoint(torn, ChecksConfig())
    assert refused(report) == fine
    assert list(index.frame["split"]) == list(torn.frame["split"]), "it stays, to be kept"
