"""Augmented images are the same surface; batches are a function of seed and step."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inspection.errors import DataError
from inspection.features.backbone import normalised
from inspection.features.orientation import seen_in
from inspection.models.graph import DeployGraph
from inspection.models.registry import build_student
from inspection.training.augment import (
    Augmentation,
    augment,
    augmented,
    generator_for,
    to_network,
)
from inspection.training.stream import EpochStream, Plan

STILL = Augmentation(mirror=False, turn=False, shift=0.0, gain=0.0, offset=0.0, noise=0.0)


def picture(side: int = 12, width: int | None = None) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(
        0, 256, (1, side, width or side, 3), dtype=torch.uint8, generator=generator
    )


def test_nothing_allowed_is_nothing_done() -> None:
    image = picture()
    assert torch.equal(augment(image, STILL, generator_for(0)), image.float())


def test_mirrors_and_turns_are_the_eight_of_a_square_and_all_occur() -> None:
    settings = Augmentation(shift=0.0, gain=0.0, offset=0.0, noise=0.0)
    image = picture()
    plain = image[0].numpy()
    eight = [np.rot90(flip, k) for flip in (plain, plain[:, ::-1]) for k in range(4)]
    out = augment(image.expand(200, -1, -1, -1), settings, generator_for(0)).numpy()
    seen = [next(i for i, view in enumerate(eight) if np.array_equal(view, got)) for got in out]
    assert set(seen) == set(range(8))


@pytest.mark.parametrize(
    ("settings", "views"),
    [
        ({}, {0, 1, 2, 3, 4, 5, 6, 7}),
        ({"mirror_rows": False}, {0, 2, 4, 6}),
        ({"turn": False}, {0, 1, 2, 3}),
        ({"mirror": False}, {0, 4}),
        ({"mirror_rows": False, "turn": False}, {0, 2}),
        ({"mirror": False, "turn": False}, {0}),
    ],
)
def test_the_view_that_is_named_is_the_view_that_is_shown(
    settings: dict[str, bool], views: set[int]
) -> None:
    """A teacher's image is turned by `seen_in`, a student's by a gather: both have to mean the same by a number."""
    asked = Augmentation(shift=0.0, gain=0.0, offset=0.0, noise=0.0, **settings)
    image = picture()
    out, named = augmented(image.expand(200, -1, -1, -1), asked, generator_for(0))
    plain = image[0].numpy()
    assert len({seen_in(view, plain).tobytes() for view in range(8)}) == 8
    for got, view in zip(out.to(torch.uint8).numpy(), named.tolist(), strict=True):
        assert np.array_equal(got, seen_in(view, plain))
    assert set(named.tolist()) == set(asked.views) == views


def test_what_shifts_is_the_view_that_is_named() -> None:
    asked = Augmentation(shift=0.25, gain=0.0, offset=0.0, noise=0.0)
    image = picture(12)
    out, named = augmented(image.expand(100, -1, -1, -1), asked, generator_for(0))
    for got, view in zip(out.to(torch.uint8).numpy(), named.tolist(), strict=True):
        seen = np.pad(seen_in(view, image[0].numpy()), ((3, 3), (3, 3), (0, 0)), mode="reflect")
        windows = (seen[y : y + 12, x : x + 12] for y in range(7) for x in range(7))
        assert any(np.array_equal(window, got) for window in windows)


@pytest.mark.parametrize(
    ("settings", "sha256"),
    [
        ({}, "a9880027d3034886"),
        ({"turn": False}, "b8010e6253405cd1"),
        ({"mirror": False}, "6ecfa69a1b7c897c"),
        ({"mirror_rows": False}, "1623164d3b30c518"),
    ],
)
def test_images_are_moved_as_before_there_were_views(
    settings: dict[str, bool], sha256: str
) -> None:
    """Written down from the code before: a change of draws would change every student."""
    asked = Augmentation(gain=0.0, offset=0.0, noise=0.0, **settings)
    out = augment(picture().expand(64, -1, -1, -1), asked, generator_for(7, 1, 2))
    pixels = out.to(torch.uint8).contiguous().numpy().tobytes()
    assert hashlib.sha256(pixels).hexdigest()[:16] == sha256


def test_oblong_images_are_mirrored_but_never_turned() -> None:
    settings = Augmentation(shift=0.0, gain=0.0, offset=0.0, noise=0.0)
    image = picture(6, 9)
    plain = image[0].numpy()
    four = [plain, plain[::-1], plain[:, ::-1], plain[::-1, ::-1]]
    out = augment(image.expand(50, -1, -1, -1), settings, generator_for(0)).numpy()
    assert all(any(np.array_equal(view, got) for view in four) for got in out)


def test_a_shift_moves_by_whole_pixels_and_mirrors_the_edge() -> None:
    settings = Augmentation(mirror=False, turn=False, shift=0.25, gain=0.0, offset=0.0, noise=0.0)
    image = picture(12)
    padded = np.pad(image[0].numpy(), ((3, 3), (3, 3), (0, 0)), mode="reflect")
    windows = {
        (y, x): padded[y : y + 12, x : x + 12].astype(np.float32)
        for y in range(7)
        for x in range(7)
    }
    out = augment(image.expand(300, -1, -1, -1), settings, generator_for(0)).numpy()
    found = {
        place for got in out for place, window in windows.items() if np.array_equal(window, got)
    }
    assert all(any(np.array_equal(w, got) for w in windows.values()) for got in out)
    assert len(found) > 40  # of 49


def test_light_changes_stay_in_range_and_are_about_as_large_as_told() -> None:
    settings = Augmentation(mirror=False, turn=False, shift=0.0, gain=0.0, offset=0.1, noise=0.0)
    image = torch.full((400, 4, 4, 3), 128, dtype=torch.uint8)
    moved = augment(image, settings, generator_for(0))[:, 0, 0, 0] - 128.0
    assert moved.abs().max() <= 25.5
    assert moved.min() < -20
    assert moved.max() > 20
    wild = Augmentation(gain=5.0, offset=3.0, noise=0.5)
    out = augment(picture(16).expand(50, -1, -1, -1), wild, generator_for(0))
    assert out.min() >= 0.0
    assert out.max() <= 255.0


def test_gain_turns_around_the_images_own_mean() -> None:
    settings = Augmentation(mirror=False, turn=False, shift=0.0, gain=0.2, offset=0.0, noise=0.0)
    image = 100 + picture() // 8
    out = augment(image, settings, generator_for(3))
    assert out.mean().item() == pytest.approx(image.float().mean().item(), abs=1e-3)
    ratio = out.std() / image.float().std()
    assert 0.8 <= ratio <= 1.2
    assert abs(ratio - 1.0) > 1e-3


def test_grain_is_grey() -> None:
    settings = Augmentation(mirror=False, turn=False, shift=0.0, gain=0.0, offset=0.0, noise=0.1)
    out = augment(torch.full((8, 9, 9, 3), 90, dtype=torch.uint8), settings, generator_for(1))
    assert out.std() > 1.0
    assert torch.equal(out[..., 0], out[..., 2])


def test_draws_depend_on_seed_and_position_alone() -> None:
    image = picture(16).expand(8, -1, -1, -1)

    def drawn(*position: int) -> torch.Tensor:
        torch.rand(3)  # the global state is nobody's business here
        return augment(image, Augmentation(), generator_for(*position))

    assert torch.equal(drawn(1, 2, 3), drawn(1, 2, 3))
    assert not torch.equal(drawn(1, 2, 3), drawn(1, 2, 4))
    assert not torch.equal(drawn(1, 2, 3), drawn(2, 2, 3))


def test_training_normalises_as_the_device_will() -> None:
    student = build_student("plumbnet_s", 3, seed=0).eval()
    mean, std = (0.3, 0.4, 0.5), (0.2, 0.3, 0.4)
    image = picture(32)
    graph = DeployGraph(student, mean, std, temperature=2.0)
    with torch.inference_mode():
        probabilities, embedding = graph(image)
        logits, expected = student(to_network(image.float(), mean, std))
    assert torch.allclose(embedding, expected, atol=1e-5)
    assert torch.allclose(probabilities, torch.softmax(logits / 2.0, dim=1), atol=1e-6)
    assert torch.allclose(to_network(image.float(), mean, std), normalised(image, mean, std))


@given(st.integers(2, 60), st.integers(2, 20), st.integers(0, 5), st.integers(0, 99))
def test_an_epoch_shows_each_image_once_and_can_be_joined_anywhere(
    images: int, batch_size: int, epoch: int, seed: int
) -> None:
    plan = Plan(images, batch_size, seed)
    steps = plan.steps_per_epoch
    whole = list(plan.rest_of_epoch(epoch * steps))
    assert [batch.step for batch in whole] == list(range(epoch * steps, (epoch + 1) * steps))
    shown = torch.cat([batch.positions for batch in whole]).tolist()
    assert len(set(shown)) == len(shown)
    assert len(shown) == images - (images % batch_size == 1)  # batch norm needs two
    for joined in range(steps):
        rest = list(plan.rest_of_epoch(epoch * steps + joined))
        assert len(rest) == steps - joined
        for ours, theirs in zip(rest, whole[joined:], strict=True):
            assert ours.step == theirs.step
            assert torch.equal(ours.positions, theirs.positions)


def test_epochs_and_seeds_differ_in_order() -> None:
    def order(epoch: int, seed: int) -> list[int]:
        plan = Plan(50, 10, seed)
        batches = plan.rest_of_epoch(epoch * plan.steps_per_epoch)
        return torch.cat([batch.positions for batch in batches]).tolist()

    orders = [order(0, 0), order(1, 0), order(0, 1)]
    assert len({tuple(one) for one in orders}) == 3


def test_the_stream_starts_where_the_run_stands() -> None:
    done = 3
    stream = EpochStream(Plan(20, 5, 0), lambda: done)
    assert [batch.step for batch in stream] == [3]
    done = 4
    assert [batch.step for batch in stream] == [4, 5, 6, 7]


def test_one_image_is_no_training_set() -> None:
    with pytest.raises(DataError, match="at least 2 images"):
        Plan(1, 8, 0)
