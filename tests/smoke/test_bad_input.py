"""Bad input through the real command: what cannot go on says where, what and remedy in a line; single bad files are
set aside by name, with the reason, and the rest goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from inspection.data.index import ImageIndex
from tests.broken_sets import folder_set, mask_set, surface, voc_set
from tests.cli_line import Line

CONFIG = """
name: bad
data: {kind: folder, root: images}
checks: {min_images_per_class: 4, max_quarantined: 1.0}
teacher: {backbone: resnet10t, weights: none, image_size: 64}
student: {image_size: 64, epochs: 1, batch_size: 8}
"""
STOP_AFTER_CHECKS = "checks.min_images_per_class=5000"


def refused(line: Line, *changes: str) -> list[str]:
    """The faults of a run that must end with exit code 2 and leave nothing but its record."""
    code, out, err = line.say("run", str(line.config), *changes)
    assert code == 2, err
    assert out == ""
    assert "Traceback" not in err
    for shelf in ("bundles", "synthetic", "features", "checkpoints"):
        assert not list((line.store / shelf).glob("*")), f"{shelf} holds something"
    return [text for text in err.splitlines() if text.startswith("error: ")]


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path, CONFIG)


def test_a_missing_root_and_one_that_is_a_file(line: Line) -> None:
    (said,) = refused(line, "data.root=/nowhere/at/all")
    assert said.startswith("error: data.root: '/nowhere/at/all' does not exist; give ")
    (said,) = refused(line, f"data.root={line.config}")
    assert "is a file; give the folder" in said


def test_misspelt_keys_are_all_said_with_the_nearest_name(line: Line) -> None:
    said = refused(line, "student.epoch=3", "teacher.wieghts=none", "chekcs.min_side=3")
    assert len(said) == 3
    for wrong, right in (("epoch", "epochs"), ("wieghts", "weights"), ("chekcs", "checks")):
        assert any(f"{wrong}: unknown key: did you mean '{right}'?" in text for text in said)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """A line whose ZenML store exists already, with good images: only the change under test is wrong."""
    line = Line(tmp_path_factory.mktemp("opened"), CONFIG)
    folder_set(line.folder / "images")
    return line


@pytest.mark.slow
@pytest.mark.zenml
class TestNetworks:
    """Told before the first image is read."""

    def test_an_unknown_backbone(self, opened: Line) -> None:
        (said,) = refused(opened, "teacher.backbone=resnet18x")
        assert said.startswith("error: teacher: timm knows no network 'resnet18x': did you mean ")

    def test_weights_of_another_architecture(self, opened: Line) -> None:
        foreign = opened.folder / "foreign.safetensors"
        save_file({"stem.weight": surface(0, scratched=False)}, foreign)
        (said,) = refused(opened, f"teacher.weights={foreign}")
        assert "'foreign.safetensors' are not of resnet10t" in said
        assert "name the architecture these weights were saved from" in said

    def test_an_unreachable_hub(self, opened: Line, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody answers
        monkeypatch.setenv("HF_HOME", str(opened.folder / "hub"))
        (said,) = refused(opened, "teacher.weights=hub")
        assert "the hub cannot be reached" in said
        assert "give a local file" in said

    def test_no_image_was_read_for_any_of_these(self, opened: Line) -> None:
        for run in opened.json("runs")["runs"]:
            assert run["status"] == "failed"
            assert "ingest_images" not in run["steps"]


@pytest.mark.slow
@pytest.mark.zenml
def test_a_margin_of_a_class_that_is_not_there__is_refused_before_anything_is_learnt(
    opened: Line,
) -> None:
    (said,) = refused(opened, "gate.class_margins={scratsh: 0.05}")
    assert said.startswith("error: gate.class_margins: no class is called 'scratsh'; there are ")
    steps = opened.json("runs", "--last", "1")["runs"][0]["steps"]
    assert "train_teacher" not in steps


@pytest.mark.slow
@pytest.mark.zenml
def test_an_empty_class_is_refused_by_name(line: Line) -> None:
    folder_set(line.folder / "images")
    (line.folder / "images" / "dent").mkdir()
    (said,) = refused(line)
    assert said == "error: data.root: class folder 'dent' holds no images; fill it or remove it"


@pytest.mark.slow
@pytest.mark.zenml
@pytest.mark.parametrize(
    ("kind", "make"), [("folder", folder_set), ("mask_pairs", mask_set), ("voc", voc_set)]
)
def test_each_bad_file_is_named_with_its_reason_and_the_rest_goes_on(
    line: Line, kind: str, make: Callable[[Path], dict[str, str]]
) -> None:
    root = line.folder / "images"
    planted = make(root)
    before = facts(root)
    stopped = line.run(f"data.kind={kind}", STOP_AFTER_CHECKS, code=3)
    assert stopped["error"] == "CheckFailed"
    index = checked_index(line)
    rows = {row["path"]: row for row in index.table().to_pylist()}
    for path, code in planted.items():
        row = rows[path]
        said = [row["quarantine"], *(text.split(":")[0] for text in row["warnings"])]
        assert code in said, f"{path}: {said}"
        assert row["detail"] or row["warnings"]
    assert {path for path, row in rows.items() if row["quarantine"]} <= set(planted)
    page = Path(line.json("runs")["runs"][-1]["made"]["report"]).read_text()
    for path in (path for path, row in rows.items() if row["quarantine"]):
        assert path in page
    assert facts(root) == before, "a source was touched"


def facts(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file."""
    found = ((path, path.lstat()) for path in root.rglob("*"))
    return {str(path): (fact.st_size, fact.st_mtime_ns) for path, fact in found}


def checked_index(line: Line) -> ImageIndex:
    """The index with every quarantine that the run of `line` wrote."""
    tables = (p for p in (line.store / "zenml").rglob("index.parquet") if "checked_index" in str(p))
    return ImageIndex.load(max(tables, key=lambda path: path.stat().st_mtime_ns))


@pytest.mark.slow
@pytest.mark.zenml
@pytest.mark.training
def test_a_folder_with_every_fault_still_gives_a_certified_bundle(line: Line) -> None:
    folder_set(line.folder / "images")
    made = line.run()
    assert made["status"] == "completed"
    assert Path(made["bundle"], "certificate.json").is_file()


@pytest.mark.slow
@pytest.mark.zenml
@pytest.mark.assets
def test_sewer_frames_pass_through_the_checks_with_each_fault_named(
    line: Line, assets: Path
) -> None:
    shutil.copytree(assets / "data" / "pipe_frames", line.folder / "images" / "sewer")
    stopped = line.run(code=3)
    assert "two_classes" in stopped["faults"][0]
    codes = [
        text.split(":")[0]
        for row in checked_index(line).table().to_pylist()
        for text in row["warnings"]
    ]
    assert codes.count("wrong_extension") == 8
    assert codes.count("alpha_dropped") == 1
    page = Path(line.json("runs")["runs"][-1]["made"]["report"]).read_text()
    assert "wrong extension" in page
    assert "alpha dropped" in page
