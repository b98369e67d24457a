"""A run's teacher, tuned first when asked: one door for the rest of the pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspection.data.index import ImageIndex
from inspection.features.extract import extract_features
from inspection.learning_config import SelfSupervisionConfig, TeacherConfig
from inspection.store import Store
from inspection.training.prepared_teacher import PreparedTeacher, prepare_teacher
from tests.unit.learning_material import surfaces

pytestmark = pytest.mark.training
TEACHER = TeacherConfig(backbone="test_resnet", image_size=32)
TUNE = SelfSupervisionConfig(
    epochs=2, batch_size=8, local_crops=1, local_size=16, outputs=32, hidden=32, bottleneck=16
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    return surfaces(tmp_path_factory.mktemp("images"), 48)


def test_a_teacher_that_is_not_tuned_is_itself(index: ImageIndex, tmp_path: Path) -> None:
    made = prepare_teacher(index, TEACHER, store=Store(tmp_path), seed=1, device="cpu")
    assert made == PreparedTeacher(TEACHER)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_tuned_teacher_is_used_from_its_file_and_its_gain_is_told(
    index: ImageIndex, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    config = TEACHER.model_copy(update={"tune": TUNE})
    made = prepare_teacher(index, config, store=store, seed=1, device="cpu")
    assert made.config.tune is None
    assert Path(made.config.weights).is_relative_to(store.tuned)
    assert made.gain is not None
    assert "points" in made.gain.sentence
    assert PreparedTeacher.from_json(made.to_json()) == made
    after = extract_features(index, made.config, store=store, seed=1, device="cpu")
    before = extract_features(index, TEACHER, store=store, seed=1, device="cpu")
    assert after.backbone.weights_digest != before.backbone.weights_digest
    again = prepare_teacher(index, config, store=store, seed=1, device="cpu")
    assert again == made
