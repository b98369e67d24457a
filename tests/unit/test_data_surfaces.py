"""The paint box: every texture and defect is what its name says, at every size, and no two are alike."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from inspection.data.defects import DEFECTS, crack, dent, pit, scratch
from inspection.data.surfaces import CLASSES, OK, VISIBLE, part
from inspection.data.textures import TEXTURES, light, surface

MANY = range(12)


@pytest.mark.parametrize("texture", TEXTURES, ids=lambda texture: texture.__name__)
@pytest.mark.parametrize("size", [40, 128])
def test_texture__is_a_texture_and_no_gradient(texture: object, size: int) -> None:
    for seed in MANY:
        drawn = texture(size, np.random.default_rng(seed))  # type: ignore[operator]
        assert drawn.shape == (size, size)
        assert drawn.dtype == np.float32
        assert 2 < drawn.std() < 25
        assert abs(drawn.mean()) < 8
        fine = drawn - cv2.GaussianBlur(drawn, (0, 0), size / 8)
        assert fine.std() > 0.5 * drawn.std()


@pytest.mark.parametrize("texture", TEXTURES, ids=lambda texture: texture.__name__)
def test_texture__two_parts_are_never_near_duplicates(texture: object) -> None:
    """Else the duplicate check would be right to throw them into one group."""
    drawn = [texture(96, np.random.default_rng(seed)) for seed in range(6)]  # type: ignore[operator]
    for number, one in enumerate(drawn):
        for two in drawn[:number]:
            found = cv2.matchTemplate(one, two[6:-6, 6:-6], cv2.TM_CCOEFF_NORMED).max()
            assert found < 0.6


def test_light__is_a_factor_around_one() -> None:
    for seed in MANY:
        lamp = light(64, np.random.default_rng(seed))
        assert 0.55 < lamp.min() < lamp.max() < 1.6
        assert 0.8 < lamp.mean() < 1.2


def test_surface__is_rarely_clipped() -> None:
    for seed in MANY:
        canvas, _ = surface(96, np.random.default_rng(seed))
        assert ((canvas <= 0) | (canvas >= 255)).mean() < 0.001


@pytest.mark.parametrize("name", DEFECTS)
@pytest.mark.parametrize("size", [40, 136, 200])
def test_defect__changes_a_little_of_the_surface(name: str, size: int) -> None:
    shares = []
    for seed in MANY:
        change = DEFECTS[name](size, np.random.default_rng(seed))
        assert change.shape == (size, size)
        assert np.isfinite(change).all()
        assert VISIBLE < np.abs(change).max() < 160
        shares.append((np.abs(change) >= VISIBLE).mean())
    assert min(shares) > 0
    assert max(shares) < 0.4


def test_defect__cracks_and_pits_are_dark_scratches_bright_dents_neither() -> None:
    for seed in MANY:
        random = [np.random.default_rng(seed) for _ in range(4)]
        assert crack(96, random[0]).max() <= 0
        assert pit(96, random[1]).sum() < 0
        assert scratch(96, random[2]).sum() > 0
        relief = dent(96, random[3])
        assert abs(relief.sum()) < 0.35 * np.abs(relief).sum()


def test_defect__strength_varies_enough_for_hard_cases() -> None:
    """The faintest of 60 is less than half as strong as the plainest."""
    for name, draw in DEFECTS.items():
        peaks = [np.abs(draw(64, np.random.default_rng(seed))).max() for seed in range(60)]
        assert min(peaks) < 0.45 * max(peaks), name


@pytest.mark.parametrize("label", CLASSES)
def test_part__depends_on_nothing_but_the_generator(label: str) -> None:
    one, mask = part(label, 64, np.random.default_rng(8))
    two, again = part(label, 64, np.random.default_rng(8))
    assert (one == two).all()
    assert (mask == again).all()
    other, _ = part(label, 64, np.random.default_rng(9))
    assert (one != other).any()


@pytest.mark.parametrize("label", [name for name in CLASSES if name != OK])
def test_part__outside_the_mask_the_surface_is_sound(label: str) -> None:
    for seed in MANY:
        shown, mask = part(label, 96, np.random.default_rng(seed))
        clean, _ = surface(96, np.random.default_rng(seed))
        change = np.abs(shown - np.clip(clean, 0, 255))
        assert change[mask == 0].max() <= VISIBLE + 1e-3
        assert mask.any()
