"""The teacher sees what the student is shown: in a step, mixed, resumed, searched for; what stands in the way."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from inspection.data.index import ImageIndex
from inspection.errors import ConfigError, WeightsError
from inspection.features.extract import Features
from inspection.features.orientation import seen_in
from inspection.learning_config import SearchConfig, StudentConfig
from inspection.models.heads import Teacher
from inspection.models.registry import build_student
from inspection.training import second_looks
from inspection.training.augment import Augmentation
from inspection.training.mixing import Kind
from inspection.training.module import Distillation, Lesson
from inspection.training.pixels import InMemory
from inspection.training.preparation import targets_of
from inspection.training.stream import Batch
from inspection.training.student import train_student
from inspection.training.targets import Targets, TargetsByView
from pipelines.door import load_config
from tests.unit.learning_material import (
    CONFIG,
    TEACHER,
    eyes_of,
    killed_at,
    taught,
    trained,
)
from tests.unit.search_material import Clock, searched

CONSISTENT = CONFIG.model_copy(update={"epochs": 2, "patience": 2, "consistent": True})

# One step of training, with targets that say of which image and view they are


IMAGES, SIDE = 8, 16


class Caught(Exception):
    """What a step was about to learn; it learns nothing."""

    def __init__(self, images: torch.Tensor, targets: Targets) -> None:
        super().__init__()
        self.images = images
        self.targets = targets


class Catching(Distillation):
    """Stops where images and targets have come together."""

    def _learnt(self, images: torch.Tensor, targets: Targets) -> tuple[torch.Tensor, list[float]]:
        raise Caught(images, targets)


def caught(mix: Kind | str, step: int) -> tuple[torch.Tensor, Caught]:
    """Images in all views (8 * IMAGES, S, S, 3), view after view, and what a step made of them."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=torch.uint8, generator=generator)
    named = torch.eye(8 * IMAGES)
    labels = torch.zeros(8 * IMAGES, dtype=torch.int64)
    blocks = Targets(labels, torch.zeros(8 * IMAGES, 3), named)
    lesson = Lesson(
        pixels=InMemory(pixels),
        targets=TargetsByView(blocks, torch.arange(8), IMAGES),
        augmentation=Augmentation(shift=0.0, gain=0.0, offset=0.0, noise=0.0),
        total_steps=9,
        seed=3,
    )
    config = StudentConfig.model_validate({"image_size": 32, "mix": mix, "consistent": True})
    module = Catching(build_student("plumbnet_s", 3, seed=0), lesson, config)
    with pytest.raises(Caught) as error:
        module.training_step(Batch(step, torch.tensor([6, 1, 3, 0, 5])), 0)
    views = [seen_in(view, image) for view in range(8) for image in pixels.numpy()]
    return torch.from_numpy(np.stack(views)).float(), error.value


@pytest.mark.parametrize("mix", ["none", "mixup"])
@pytest.mark.parametrize("step", range(4))
def test_a_step_learns_each_image_in_the_view_it_shows(mix: str, step: int) -> None:
    """With mixup: both images in the views they are shown in, in the proportion they are shown in."""
    views, found = caught(mix, step)
    assert found.targets.features is not None
    shown = (found.targets.features @ views.flatten(1)).view_as(found.images)
    torch.testing.assert_close(found.images, shown, atol=0.01, rtol=1e-4)


@pytest.mark.parametrize("step", range(4))
def test_a_patch_is_learned_in_the_view_it_is_cut_from(step: int) -> None:
    views, found = caught("cutmix", step)
    assert found.targets.features is not None
    for image, told in zip(found.images, found.targets.features, strict=True):
        own = (views[told > 0] == image).all(dim=-1)  # of at most two views, pixel by pixel
        assert own.any(dim=0).all()
        torch.testing.assert_close(own.float().mean(dim=(1, 2)), told[told > 0])


# Whole trainings


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Surfaces with features and a teacher; four training images have no label."""
    home = taught(tmp_path_factory.mktemp("home"), 48)
    index = ImageIndex.load(home / "index.parquet")
    place = index.frame.index[index.frame["split"] == "train"][:4]
    label = index.frame["label"].mask(index.frame.index.isin(place), None)
    index.with_columns(label=label).save(home / "index.parquet")
    return home


@pytest.mark.training
def test_it_learns_something_else_than_from_upright_answers(home: Path, tmp_path: Path) -> None:
    results = [
        trained(home, tmp_path / str(ask), CONSISTENT.model_copy(update={"consistent": ask}))
        for ask in (False, True)
    ]
    assert results[0].key != results[1].key
    assert results[0].history[-1].loss_features != results[1].history[-1].loss_features


@pytest.mark.slow
@pytest.mark.training
def test_killed_inside_an_epoch_it_ends_as_if_nothing_had_been(home: Path, tmp_path: Path) -> None:
    config = CONSISTENT.model_copy(
        update={"mix": "cutmix", "unlabelled": True, "checkpoint_every_steps": 1, "rotate": 5.0}
    )
    trained(home, tmp_path / "straight", config)
    killed_at(home, tmp_path / "killed", 5, config)  # of three steps an epoch
    again = trained(home, tmp_path / "killed", config)
    assert again.resumed_from == 4
    ours, theirs = (
        load_file(tmp_path / name / "student.safetensors") for name in ("killed", "straight")
    )
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=1e-6)


@pytest.mark.training
def test_a_search_looks_again_before_its_time_begins(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    clock = Clock(0.01)
    looked = second_looks.extract_features

    def watched(*arguments: object, **options: object) -> Features:
        seen.append(clock.now)
        return looked(*arguments, **options)

    monkeypatch.setattr(second_looks, "extract_features", watched)
    one = SearchConfig(budget="1h", trials=1, vary=("learning_rate",))
    found = searched(home, tmp_path, one, CONSISTENT, clock=clock)
    assert [trial.state for trial in found.trials] == ["complete"]
    assert seen[:7] == [0.0] * 7
    assert all(now > 0 for now in seen[7:])


# What stands in the way


def test_without_a_teacher_to_listen_to_one_sentence_says_so(home: Path, tmp_path: Path) -> None:
    deaf = CONSISTENT.model_copy(update={"distill_logits": 0.0, "distill_features": 0.0})
    said = r"student\.consistent: there is no teacher to see what the student sees[:;] set"
    with pytest.raises(ConfigError, match=said):
        trained(home, tmp_path, deaf)
    config = tmp_path / "line.yaml"
    config.write_text(f"name: line\ndata: {{kind: folder, root: {tmp_path}}}\n")
    asked = ["student.consistent=true", "student.distill_features=0"]
    load_config(config, asked, {})
    with pytest.raises(ConfigError, match=said):
        load_config(config, [*asked, "student.distill_logits=0"], {})


def test_features_alone_cannot_look_again(home: Path, tmp_path: Path) -> None:
    index = ImageIndex.load(home / "index.parquet")
    told = (index, Features.load(home), Teacher.load(home), CONSISTENT)
    with pytest.raises(ConfigError, match=r"student\.consistent: only the teacher's features"):
        train_student(*told, seed=3, folder=tmp_path, device="cpu")


def test_other_eyes_than_the_teachers_are_refused(home: Path) -> None:
    index = ImageIndex.load(home / "index.parquet")
    others = dataclasses.replace(eyes_of(home), seed=1)
    assert TEACHER.weights == "none"  # the seed decides
    with pytest.raises(WeightsError, match="'test_resnet' are others than when the teacher"):
        targets_of(index, Features.load(home), Teacher.load(home), CONSISTENT, seed=0, eyes=others)
