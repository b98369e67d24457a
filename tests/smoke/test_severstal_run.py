"""The seven stages on data of Severstal's shape, by the config that carries its name, through the real command."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspection.evaluation.classifiers import DISTILLED, MLP, PROBE, SMALL_HEAD, TUNED_PROBE
from tests.cli_line import Line
from tests.severstal_folder import severstal

pytestmark = [pytest.mark.zenml, pytest.mark.training, pytest.mark.slow]
CONFIG = Path(__file__).resolve().parents[2] / "configs" / "severstal.yaml"
SMALL = (
    "checks.min_images_per_class=4",
    "teacher.backbone=resnet10t",
    "teacher.weights=none",
    "teacher.image_size=64",
    "teacher.pooling=levels",
    "teacher.tune.epochs=1",
    "teacher.tune.local_crops=1",
    "teacher.tune.freeze_blocks=0",
    "teacher.tune.outputs=64",
    "data.patches.size=64",
    "student.image_size=64",
    "student.epochs=6",
    "student.batch_size=16",
    "monitor.min_images=10",
)


def test_run_lengths_become_patches_a_tuned_teacher_and_a_student(tmp_path: Path) -> None:
    root = severstal(tmp_path / "severstal", images=48)
    line = Line(tmp_path / "line", CONFIG.read_text())
    answer = line.run(f"data.root={root}", *SMALL)
    assert answer["status"] == "completed"
    steps = answer["steps"]
    assert steps["cut_patches"] == steps["tune_teacher"] == "completed"
    assert (line.store / "patches").is_dir()
    assert list((line.store / "tuned").glob("*/backbone.safetensors"))
    # 96 patches, a quarter of them in the test set, every group whole.
    page = Path(answer["report"]).read_text()
    assert "points" in answer["tuned"]
    assert answer["tuned"] in page
    assert "scratch" in page
    for name in (PROBE, MLP, SMALL_HEAD, TUNED_PROBE, DISTILLED):
        assert f"<strong>{name}</strong>" in page
    assert "Features before and after tuning" in page
