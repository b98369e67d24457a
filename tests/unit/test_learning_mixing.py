"""Mixed images and their targets; turned and jittered ones; losses for labels that are shares or missing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from inspection.losses.distillation import DistillationLoss, balanced_weights
from inspection.training.augment import Augmentation, augment, generator_for
from inspection.training.mixing import Kind, Mixture, mix_images
from inspection.training.targets import Targets

STILL = Augmentation(mirror=False, turn=False, shift=0.0, gain=0.0, offset=0.0, noise=0.0)
KINDS: tuple[Kind, ...] = ("mixup", "cutmix")


def flats(count: int, side: int = 16) -> torch.Tensor:
    """Images that show their own number everywhere."""
    numbers = torch.arange(count, dtype=torch.float32)
    return numbers[:, None, None, None].expand(count, side, side, 3).clone()


def targets_of(labels: list[int], classes: int = 3) -> Targets:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(len(labels), classes, generator=generator)
    features = torch.randn(len(labels), 5, generator=generator)
    return Targets(torch.tensor(labels), logits, features)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**31), step=st.integers(0, 10_000))
def test_pixels_and_targets_are_mixed_in_one_proportion(kind: Kind, seed: int, step: int) -> None:
    images = flats(8)
    mixed, mixture = mix_images(images, kind, seed, step)
    mean = mixed.mean(dim=(1, 2, 3))
    expected = mixture.blend(torch.arange(8.0)[:, None])[:, 0]
    torch.testing.assert_close(mean, expected, atol=1e-4, rtol=1e-4)
    assert ((mixture.share >= 0) & (mixture.share <= 1)).all()
    assert sorted(mixture.partner.tolist()) == list(range(8))
    shares = targets_of([0, 1, 2, 2, 1, 0, 1, 1]).shared(3).mixed(mixture, 2.0).labels
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(8))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_step_mixes_the_same_and_another_does_not(kind: Kind) -> None:
    images = flats(16)
    first, again = (mix_images(images, kind, 3, 7) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1].share, again[1].share)
    assert not torch.equal(first[0], mix_images(images, kind, 3, 8)[0])
    assert not torch.equal(first[0], mix_images(images, kind, 4, 7)[0])


def test_cutmix_pastes_one_box_and_mixup_blends_everywhere() -> None:
    images = flats(32)
    pasted, mixture = mix_images(images, "cutmix", 0, 0)
    for number, image in enumerate(pasted[..., 0]):
        partner = int(mixture.partner[number])
        assert set(image.unique().tolist()) <= {float(number), float(partner)}
        rows, columns = (image == partner).nonzero(as_tuple=True)
        if partner != number and len(rows):
            area = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
            assert area == len(rows)  # a box without holes
    blended, _ = mix_images(images, "mixup", 0, 0)
    assert all(len(image.unique()) == 1 for image in blended)
    assert 0.3 < float(mixture.share.mean()) < 0.8


def test_the_teachers_opinion_is_mixed_as_probabilities() -> None:
    mixture = Mixture(torch.tensor([1, 0]), torch.tensor([0.25, 1.0]))
    logits = torch.tensor([[2.0, 0.0], [-1.0, 3.0]])
    softened = torch.softmax(logits / 2.0, dim=1)
    expected = torch.stack([0.25 * softened[0] + 0.75 * softened[1], softened[1]])
    mixed = torch.softmax(mixture.blend_logits(logits, 2.0) / 2.0, dim=1)
    torch.testing.assert_close(mixed, expected)


def test_mixed_with_an_image_without_a_label_there_is_no_label() -> None:
    mixture = Mixture(torch.tensor([1, 0, 2]), torch.tensor([0.5, 0.5, 0.5]))
    shares = targets_of([0, -1, 2]).shared(3).mixed(mixture, 2.0).labels
    assert shares.tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]


def loss_of(weights: torch.Tensor, smoothing: float = 0.1) -> DistillationLoss:
    return DistillationLoss(
        class_weights=weights,
        logits_weight=0.5,
        features_weight=0.2,
        temperature=2.0,
        label_smoothing=smoothing,
    )


def losses(loss: DistillationLoss, targets: Targets) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(len(targets.labels), 3, generator=generator)
    seen = torch.randn(len(targets.labels), 5, generator=generator)
    return torch.stack(loss(logits, seen, targets.labels, targets.logits, targets.features))


def test_whole_shares_are_labels() -> None:
    targets = targets_of([0, 2, 1, 1])
    loss = loss_of(torch.tensor([3.0, 0.5, 1.0]))
    torch.testing.assert_close(losses(loss, targets), losses(loss, targets.shared(3)))


def test_half_shares_are_half_of_each_label() -> None:
    loss = loss_of(torch.ones(3), smoothing=0.0)
    logits = torch.tensor([[1.0, 0.0, -1.0]])
    either = [loss(logits, logits, torch.tensor([k]), None, None).labels for k in (0, 1)]
    both = loss(logits, logits, torch.tensor([[0.5, 0.5, 0.0]]), None, None).labels
    assert both.item() == pytest.approx((either[0].item() + either[1].item()) / 2, rel=1e-6)


def test_an_image_without_a_label_adds_nothing_to_the_label_loss_but_learns_from_the_teacher() -> (
    None
):
    loss = loss_of(torch.ones(3))
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(2)).requires_grad_()
    targets = targets_of([0, -1, 1]).shared(3)
    got = loss(logits, torch.ones(3, 5), targets.labels, targets.logits, targets.features)
    kept = torch.tensor([0, 2])
    expected = functional.cross_entropy(logits[kept], torch.tensor([0, 1]), label_smoothing=0.1)
    assert got.labels.item() == pytest.approx(expected.item(), rel=1e-5)
    (by_label,) = torch.autograd.grad(got.labels, logits, retain_graph=True)
    (by_teacher,) = torch.autograd.grad(got.logits, logits)
    assert by_label[1].abs().max() == 0
    assert by_teacher[1].abs().max() > 0


def test_a_batch_without_any_label_has_no_label_loss_and_is_finite() -> None:
    got = losses(loss_of(torch.ones(3)), targets_of([-1, -1]).shared(3))
    assert got[1].item() == 0.0
    assert torch.isfinite(got).all()
    assert got[2].item() > 0


def test_an_unlabelled_image_weighs_as_the_classes_the_teacher_sees_in_it() -> None:
    loss = loss_of(torch.tensor([4.0, 1.0, 1.0]))
    sure = torch.tensor([[60.0, 0.0, 0.0], [0.0, 60.0, 0.0]])
    weights = loss.weigh(torch.zeros(2, 3), sure)
    torch.testing.assert_close(weights.teacher, torch.tensor([0.8, 0.2]))
    assert weights.labels.tolist() == [0.0, 0.0]


def test_missing_labels_do_not_shift_the_balance() -> None:
    known = balanced_weights(torch.tensor([0, 0, 1]), 2, balance=True)
    assert torch.equal(balanced_weights(torch.tensor([0, -1, 0, 1, -1]), 2, balance=True), known)


def colours(count: int, side: int = 32) -> torch.Tensor:
    images = torch.zeros(count, side, side, 3, dtype=torch.uint8)
    images[:, : side // 2] = torch.tensor([160, 90, 60], dtype=torch.uint8)
    images[:, side // 2 :] = torch.tensor([60, 80, 100], dtype=torch.uint8)
    return images


def test_a_rotation_turns_by_no_more_than_told_and_invents_nothing() -> None:
    settings = Augmentation(
        mirror=False, turn=False, shift=0.0, gain=0.0, offset=0.0, noise=0.0, rotate=30.0
    )
    out = augment(colours(100), settings, generator_for(0))
    assert out.min() >= 59.9
    assert out.max() <= 160.1
    # The edge between the halves, at the left and right: its slope is the tangent of the angle.
    upper = (out[..., 0] > 110).sum(dim=1).float()
    angles = torch.rad2deg(torch.atan((upper[:, 24] - upper[:, 8]) / 16.0))
    assert angles.abs().max() <= 33  # whole pixels are counted
    assert angles.max() > 20
    assert angles.min() < -20


def test_an_oblong_image_is_turned_not_sheared() -> None:
    """A disc stays as wide as it is high."""
    y, x = torch.meshgrid(torch.arange(24) - 11.5, torch.arange(64) - 31.5, indexing="ij")
    disc = ((x**2 + y**2 < 64).float() * 200).to(torch.uint8)
    settings = Augmentation(
        mirror=False, turn=False, shift=0.0, gain=0.0, offset=0.0, noise=0.0, rotate=45.0
    )
    discs = disc[None, ..., None].expand(20, 24, 64, 3).contiguous()
    out = augment(discs, settings, generator_for(1))[..., 0] * (
        x.abs() < 12
    )  # not its mirror images
    across, down = ((out * axis**2).sum((1, 2)) / out.sum((1, 2)) for axis in (x, y))
    assert ((across / down).sqrt() - 1.0).abs().max() < 0.02


def test_jitter_changes_brightness_contrast_and_colour_as_much_as_told() -> None:
    settings = Augmentation(
        mirror=False, turn=False, shift=0.0, gain=0.0, offset=0.0, noise=0.0, jitter=0.3
    )
    images = colours(300)
    before, out = images.float(), augment(images, settings, generator_for(0))
    brightness = out.mean(dim=(1, 2, 3)) / before.mean(dim=(1, 2, 3))
    assert 0.69 < brightness.min() < 0.75
    assert 1.25 < brightness.max() < 1.31
    colour = (out[:, 0, 0, 0] - out[:, 0, 0, 2]) / (before[:, 0, 0, 0] - before[:, 0, 0, 2])
    assert colour.min() < 0.5  # brightness, contrast and saturation together
    assert colour.max() > 1.5
    grey = images[..., :1].expand(-1, -1, -1, 3).contiguous()
    still_grey = augment(grey, settings, generator_for(0))
    assert (still_grey.amax(dim=3) - still_grey.amin(dim=3)).max() < 1e-3


def test_what_is_not_asked_for_draws_nothing() -> None:
    images = colours(4)
    plain, turned = Augmentation(), Augmentation(rotate=1e-9)
    one, other = (augment(images, settings, generator_for(5)) for settings in (plain, turned))
    torch.testing.assert_close(one, other, atol=0.05, rtol=0)  # interpolation's rounding


def test_upright_things_are_mirrored_left_to_right_alone() -> None:
    settings = Augmentation(
        mirror_rows=False, turn=False, shift=0.0, gain=0.0, offset=0.0, noise=0.0
    )
    images = colours(40)
    images[:, :, :8, 1] = 255
    out = augment(images, settings, generator_for(0))
    left_right = images.flip(2).float()
    same = (out == images.float()).flatten(1).all(1)
    mirrored = (out == left_right).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert same.any()
    assert mirrored.any()
