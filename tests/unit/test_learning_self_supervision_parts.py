"""Crops, masks, losses and warning signs of self-supervision, each by itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from inspection.config import RunConfig
from inspection.learning_config import SelfSupervisionConfig, TeacherConfig
from inspection.losses.self_supervision import PatchOutputs, SelfDistillationLoss
from inspection.training.augment import Augmentation, generator_for
from inspection.training.self_supervision_crops import Crop, Views, cut, mask_blocks, show
from inspection.training.self_supervision_health import (
    Pulse,
    Watch,
    effective_rank,
    entropy,
    information,
    spread,
)

CONFIG = SelfSupervisionConfig(collapse_patience=3)


def ramp(side: int = 64) -> torch.Tensor:
    """Red grows to the right, green downwards; blue is the image's number."""
    along = torch.linspace(0, 255, side)
    image = torch.stack([along.expand(side, side), along[:, None].expand(side, side)], dim=2)
    images = torch.zeros(3, side, side, 3)
    images[..., :2] = image
    images[..., 2] = torch.tensor([10.0, 20.0, 30.0])[:, None, None]
    return images.to(torch.uint8)


def test_a_crop_shows_the_share_of_the_image_it_should() -> None:
    crop = Crop(24, 40, (0.2, 0.5))
    crops = cut(ramp(), crop, generator_for(0, 1))
    assert crops.shape == (120, 24, 24, 3)
    assert crops.dtype == torch.uint8
    assert (
        crops[:, 0, 0, 2].tolist() == [10, 20, 30] * 40
    )  # the first crop of each, then the second
    pixels = crops.float()
    # From the first pixel's centre to the last's are 23 of 24 parts of the crop.
    width = (pixels[:, 12, -1, 0] - pixels[:, 12, 0, 0]) / 255 * 24 / 23
    height = (pixels[:, -1, 12, 1] - pixels[:, 0, 12, 1]) / 255 * 24 / 23
    area = width * height
    assert 0.18 < float(area.min()) < 0.25
    assert 0.45 < float(area.max()) < 0.53
    aspect = width / height
    assert float(aspect.max()) < 4 / 3 * 1.05
    assert float(aspect.min()) > 3 / 4 * 0.95
    left = pixels[:, 12, 0, 0] / 255
    assert float(left.min()) < 0.05 < 0.3 < float(left.max())


def test_the_whole_image_is_a_crop_too() -> None:
    images = ramp()
    crops = cut(images, Crop(64, 1, (1.0, 1.0)), torch.Generator().manual_seed(0))
    distance = (crops.float() - images.float()).abs()
    assert float(distance.mean()) < 20  # stretched to at most 4:3, nothing from outside
    assert float(crops[..., 2].float().std(dim=(1, 2)).max()) == 0.0


def test_crops_depend_on_the_generator_alone() -> None:
    views = Views.of(CONFIG, 32, 16)
    facts = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    def shown(step: int) -> torch.Tensor:
        return show(ramp(), views.small, views.light, generator_for(1, 3, step), facts)

    first = shown(5)
    torch.manual_seed(99)
    assert torch.equal(shown(5), first)
    assert not torch.equal(shown(6), first)
    assert first.shape == (12, 3, 16, 16)
    assert float(first.abs().max()) <= 1.0


def test_light_varies_but_the_place_does_not_move() -> None:
    views = Views.of(SelfSupervisionConfig(mirror=False, turn=False), 32, 16)
    assert views.light == Augmentation(False, False, 0.0, 0.4, 0.2, 0.02)


@pytest.mark.parametrize("grid", [(14, 14), (3, 3), (1, 1)])
def test_masks_hide_blocks_in_some_images(grid: tuple[int, int]) -> None:
    masks = mask_blocks(40, grid, CONFIG, generator_for(2, 1))
    hidden = masks.flatten(1).sum(1)
    assert masks.shape == (40, *grid)
    assert int((hidden > 0).sum()) == 20
    assert int(hidden.max()) <= max(1, grid[0] * grid[1] // 2)
    assert torch.equal(masks, mask_blocks(40, grid, CONFIG, generator_for(2, 1)))
    if grid == (14, 14):  # blocks, not grains: a hidden patch mostly has a hidden neighbour
        beside = (masks[:, :, 1:] & masks[:, :, :-1]).sum()
        assert float(beside) > 0.5 * float(hidden.sum())


def test_the_loss_is_the_cross_entropy_of_other_crops() -> None:
    torch.manual_seed(0)
    loss = SelfDistillationLoss(8, student_temperature=0.1, centre_momentum=0.9, patch_weight=2.0)
    teacher, student = torch.randn(2, 5, 8), torch.randn(4, 5, 8)
    expected = []
    for seen in range(2):
        for said in range(4):
            if seen != said:
                told = torch.softmax(teacher[seen] / 0.05, 1)
                expected.append(-(told * torch.log_softmax(student[said] / 0.1, 1)).sum(1).mean())
    masks = torch.zeros(2, 2, 2, dtype=torch.bool)
    masks[0, 0, 0] = masks[0, 1, 1] = masks[1, 0, 1] = True
    hidden, shown = torch.randn(3, 8), torch.randn(3, 8)
    each = -(torch.softmax(shown / 0.05, 1) * torch.log_softmax(hidden / 0.1, 1)).sum(1)
    patches = (each[0] / 2 + each[1] / 2 + each[2]) / 2  # an image counts once
    losses = loss(list(student), list(teacher), PatchOutputs(hidden, shown, masks), 0.05)
    assert float(losses.crops) == pytest.approx(float(torch.stack(expected).mean()), rel=1e-5)
    assert float(losses.patches) == pytest.approx(float(patches), rel=1e-5)
    assert float(losses.total) == pytest.approx(float(losses.crops + 2 * losses.patches), rel=1e-5)
    # Only now does the centre move, by a tenth of the mean.
    centred = torch.softmax((teacher[0] - 0.1 * teacher.mean((0, 1))) / 0.05, 1)
    assert torch.allclose(loss.beliefs(teacher[0], 0.05), centred, atol=1e-5)
    assert float(loss(list(student), list(teacher), None, 0.05).patches) == 0.0


def test_information_is_what_outputs_tell_of_their_image() -> None:
    assert information(torch.eye(6)) == pytest.approx(math.log(6), abs=1e-6)
    assert information(torch.full((6, 4), 0.25)) == pytest.approx(0.0, abs=1e-6)
    one = torch.zeros(6, 4)
    one[:, 2] = 1.0
    assert information(one) == pytest.approx(0.0, abs=1e-6)
    assert float(entropy(torch.full((1, 8), 1 / 8))) == pytest.approx(math.log(8), abs=1e-6)


def test_spread_and_rank_fall_when_embeddings_run_together() -> None:
    generator = torch.Generator().manual_seed(0)
    wide = torch.randn(400, 32, generator=generator)
    assert spread(wide) == pytest.approx(1.0, abs=0.02)
    assert spread(wide * torch.rand(400, 1, generator=generator)) == pytest.approx(1.0, abs=0.02)
    assert spread(torch.ones(400, 32)) == pytest.approx(0.0, abs=1e-6)
    assert spread(1.0 + 0.001 * wide) < 0.01
    assert effective_rank(wide.numpy()) > 28
    line = torch.randn(400, 1, generator=generator) * torch.ones(1, 32)
    assert effective_rank(line.numpy() + np.eye(1, 32)) < 4
    assert effective_rank(np.ones((5, 3))) == 1.0


def pulse(**changes: float) -> Pulse:
    healthy = {
        "loss": 4.0,
        "loss_patches": 0.0,
        "teacher_entropy": 3.0,
        "student_entropy": 3.0,
        "information": 0.5,
        "spread": 0.5,
    }
    return Pulse(**{**healthy, **changes})


def test_the_watch_wants_several_steps_in_a_row() -> None:
    watch = Watch(CONFIG, first_step=2)
    dead = pulse(information=1e-4)
    assert [watch.fault(step, dead) for step in range(4)] == [
        None
    ] * 4  # the first two do not count
    assert watch.fault(4, pulse()) is None
    assert watch.streak == 0
    assert [watch.fault(step, dead) for step in (5, 6)] == [None, None]
    said = watch.fault(7, dead)
    assert said is not None
    assert "the teacher says the same of every image (0.0001 nats, limit 0.02) for 3 steps" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("changes", "config", "sentence"),
    [
        ({"spread": 1e-5}, {}, "all embeddings are alike (spread 1e-05, limit 0.01)"),
        ({"information": 0.0}, {"centre_momentum": 1.0}, "set teacher.tune.centre_momentum=0.9"),
        ({"information": 0.0}, {}, "lower teacher.tune.learning_rate (now 0.0005)"),
        ({"loss": math.nan}, {"collapse_patience": 99}, "the loss is not a number"),
        ({"loss": math.inf}, {"collapse_patience": 99}, "the loss is not a number"),
    ],
)
def test_the_sentence_says_what_and_what_to_change(
    changes: dict[str, float], config: dict[str, float], sentence: str
) -> None:
    watch = Watch(SelfSupervisionConfig(**{"collapse_patience": 1, **config}), first_step=0)
    assert sentence in str(watch.fault(0, pulse(**changes)))


def test_the_config_is_a_strict_part_of_the_teachers() -> None:
    assert TeacherConfig().tune is None
    assert RunConfig(name="demo", data={"kind": "synthetic"}).teacher.tune is None
    given = TeacherConfig.model_validate({"tune": {"method": "ibot", "epochs": 2}})
    assert given.tune == SelfSupervisionConfig(method="ibot", epochs=2)
    with pytest.raises(ValidationError):
        TeacherConfig.model_validate({"tune": {"epoch": 2}})
