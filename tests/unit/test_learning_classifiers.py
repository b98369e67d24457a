"""The classifiers of a small run: fitted where missing, costed whole, each on its own features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from inspection.evaluation.answers import evaluate_rows
from inspection.evaluation.calibration import softmax
from inspection.evaluation.classifiers import (
    ALONE,
    DISTILLED,
    MLP,
    PROBE,
    SMALL_HEAD,
    TUNED_MLP,
    TUNED_PROBE,
)
from inspection.evaluation.latency import Latency
from inspection.features.backbone import load_backbone
from inspection.features.extract import Features, extract_features
from inspection.learning_config import SelfSupervisionConfig, StudentConfig, TeacherConfig
from inspection.models.arithmetic import multiply_accumulates
from inspection.store import Store
from inspection.training.classifiers import (
    FeatureClassifier,
    Shipped,
    compare_classifiers,
    feature_classifiers,
)
from inspection.training.prepared_teacher import PreparedTeacher, prepare_teacher
from inspection.training.student import predict_student, train_student
from inspection.training.teacher import TeacherResult, train_teacher
from inspection.training.tuning_maps import draw_maps, tuning_maps
from tests.unit.learning_material import SIDE, surfaces

pytestmark = pytest.mark.training
TEACHER = TeacherConfig(backbone="test_resnet", image_size=SIDE)
STUDENT = StudentConfig(image_size=SIDE, epochs=1, batch_size=16)
TUNE = SelfSupervisionConfig(
    epochs=1, batch_size=8, local_crops=1, local_size=16, outputs=32, hidden=32, bottleneck=16
)
SLOW = Latency("teacher", "torch", 40.0, 45.0, 200, 1, 1, 1)
FAST = Latency("student", "onnxruntime", 0.5, 0.6, 200, 1, 123_456, 500_000)


class Made:
    """A run up to its export, tuned or not."""

    def __init__(self, home: Path, tune: SelfSupervisionConfig | None = None, head: str = "auto"):
        self.store, self.index = Store(home / "s"), surfaces(home, 48)
        self.config = TEACHER.model_copy(update={"tune": tune, "head": head})
        self.prepared = prepare_teacher(
            self.index, self.config, store=self.store, seed=1, device="cpu"
        )
        self.features = self.extract(self.prepared.config)
        self.result = train_teacher(self.index, self.features, self.prepared.config, seed=1)

    def extract(self, config: TeacherConfig) -> Features:
        return extract_features(self.index, config, store=self.store, seed=1, device="cpu")

    def classifiers(self, result: TeacherResult | None = None) -> tuple[FeatureClassifier, ...]:
        return feature_classifiers(
            self.index,
            self.features,
            self.prepared,
            result or self.result,
            self.config,
            store=self.store,
            seed=1,
            device="cpu",
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("tuned"), TUNE)


@pytest.fixture(scope="module")
def shipped(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    folder = tmp_path_factory.mktemp("student")
    student = train_student(
        made.index,
        made.features,
        made.result.teacher,
        STUDENT,
        seed=1,
        folder=folder,
        device="cpu",
    )
    test = made.index.split("test")
    outputs = predict_student(student.folder, test, device="cpu")
    found = evaluate_rows(
        "x", test, softmax(outputs.logits, 1.0), made.index.classes, test_digest="d" * 64
    )
    return Shipped(student, STUDENT, found, FAST, SLOW)


def test_all_without_tuning_each_costed_whole(made: Made, shipped: Shipped) -> None:
    heads = made.classifiers()
    found = compare_classifiers(
        made.index, heads, made.result.teacher, made.prepared.config, shipped, seed=1
    )
    rows = {recipe.name: recipe for recipe in found.recipes}
    assert list(rows) == [PROBE, MLP, SMALL_HEAD, DISTILLED]
    backbone = load_backbone(TEACHER, seed=1)
    own = sum(parameter.numel() for parameter in backbone.module.parameters())
    for head in heads:
        cost = rows[head.name].cost
        assert cost.head_parameters == head.teacher.head.parameters > 0
        assert cost.parameters == own + head.teacher.head.parameters
        assert cost.latency_ms == SLOW.median_ms
        assert cost.head_ms is not None
        assert 0 < cost.head_ms < SLOW.median_ms
        assert cost.multiply_accumulates is not None
        assert cost.multiply_accumulates > multiply_accumulates(backbone.module, SIDE)
    assert rows[DISTILLED].cost.parameters == 123_456
    assert rows[DISTILLED].evaluations[0].predictions == shipped.evaluation.predictions
    taught = {"linear": PROBE, "mlp": MLP}[made.result.teacher.head.kind]
    assert found.taught == (taught,)
    assert "left out" in found.remarks[1]


def test_each_head_answers_for_its_own_images(made: Made, shipped: Shipped) -> None:
    heads = made.classifiers()
    config = made.prepared.config
    found = compare_classifiers(made.index, heads, made.result.teacher, config, shipped, seed=1)
    for head, recipe in zip(heads, found.recipes, strict=False):
        (evaluation,) = recipe.evaluations
        for image_id, said in zip(evaluation.image_ids, evaluation.probabilities, strict=True):
            row = made.features.matrix[made.features.image_ids.index(image_id)][None]
            np.testing.assert_allclose(head.teacher.probabilities(row)[0], said, atol=1e-5)


def test_a_student_that_hears_no_teacher_is_called_so(made: Made, shipped: Shipped) -> None:
    config = STUDENT.model_copy(update={"distill_logits": 0.0, "distill_features": 0.0})
    found = compare_classifiers(
        made.index,
        made.classifiers(),
        made.result.teacher,
        made.prepared.config,
        replace(shipped, config=config),
        seed=1,
    )
    assert found.recipes[-1].name == ALONE
    assert found.taught == ()
    assert "labels alone" in found.remarks[0]


def test_the_teachers_own_training_is_not_repeated(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {each.head.kind for each in made.result.others} | {made.result.teacher.head.kind} == {
        "linear",
        "mlp",
    }
    monkeypatch.setattr("inspection.training.classifiers.train_teacher", None)
    kinds = [each.teacher.head.kind for each in made.classifiers()]
    assert kinds == ["linear", "mlp", "mlp"]  # the last one is small, and distilled


def test_a_kind_that_was_not_tried_is_fitted_as_it_would_have_been(made: Made) -> None:
    only = TeacherResult(made.result.of_kind("linear"), made.result.heads)  # type: ignore[arg-type]
    fitted = made.classifiers(only)[1].teacher
    known = made.result.of_kind("mlp")
    assert known is not None
    assert fitted.digest() == known.digest()


def test_tuned_features_are_read_beside_the_frozen_ones(made: Made, tuned: Made) -> None:
    every = {each.head.kind: each for each in (tuned.result.teacher, *tuned.result.others)}
    taught = TeacherResult(every["mlp"], tuned.result.heads, (every["linear"],))
    found = {each.name: each for each in tuned.classifiers(taught)}
    assert list(found) == [PROBE, MLP, SMALL_HEAD, TUNED_PROBE, TUNED_MLP]
    before, after = found[PROBE], found[TUNED_PROBE]
    assert before.features.backbone.weights_digest == made.features.backbone.weights_digest
    assert after.features is tuned.features
    assert after.features.backbone.weights_digest != before.features.backbone.weights_digest
    untuned = made.result.of_kind("linear")  # the same images, the same seed, never tuned
    assert untuned is not None
    assert before.teacher.digest() == untuned.digest()
    assert (after.teacher, found[TUNED_MLP].teacher) == (every["linear"], every["mlp"])
    assert tuned.prepared.tuned is not None
    assert (before.learned, after.learned) == (0, tuned.prepared.tuned.learned)


def test_maps_show_test_images_on_one_basis_of_training_images(tuned: Made) -> None:
    before = tuned.extract(TEACHER)
    found = tuning_maps(
        tuned.index,
        tuned.features,
        tuned.prepared,
        tuned.config,
        store=tuned.store,
        seed=1,
        device="cpu",
        umap=False,
    )
    test = set(tuned.index.split("test").frame["image_id"])
    assert set(found.image_ids) == test
    assert found.train_images == len(tuned.index.split("train"))
    assert found.near_before is None
    assert len(found.before) == len(found.after) == len(test)
    # Test images do not place the axes: others in their place leave every other point where it was.
    odd = np.array(before.matrix)
    row = before.image_ids.index(found.image_ids[0])
    odd[row] += 100.0
    moved = draw_maps(tuned.index, replace(before, matrix=odd), tuned.features, seed=1, umap=False)
    assert moved.before[0] != found.before[0]
    assert moved.before[1:] == found.before[1:]
    assert moved.after == found.after


def test_nothing_tuned_draws_no_maps(made: Made) -> None:
    plain = tuning_maps(
        made.index,
        made.features,
        PreparedTeacher(TEACHER),
        TEACHER,
        store=made.store,
        seed=1,
        device="cpu",
        umap=True,
    )
    assert plain.image_ids == ()


def test_arithmetic_is_counted_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16 * 16, 5)
    )
    network.train()
    found = multiply_accumulates(network, 16)
    assert found == 16 * 16 * 8 * 3 * 9 + 8 * 16 * 16 * 5
    assert network.training
    attention = Attention()
    tokens, width = 17, 32
    assert multiply_accumulates(attention, 4) == 2 * tokens * tokens * width


class Attention(nn.Module):
    """17 tokens of width 32 attend to each other, without projections."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 2, 17, 16))

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        token = self.token
        return nn.functional.scaled_dot_product_attention(token, token, token)
