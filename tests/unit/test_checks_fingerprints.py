"""Hashes that light leaves alone, and whose symmetric views are what the turned image itself would give."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspection.config import ChecksConfig, DataConfig
from inspection.data.fingerprints import (
    SYMMETRIES,
    Fingerprints,
    Hashes,
    fingerprints_of,
    indexed_fingerprints,
    signs,
    stated_fingerprints,
    view_of,
    views,
    waves,
)
from inspection.data.ingest import ingest
from inspection.store import Store
from tests.unit.checks_material import Pixels, indexed, recaptured, surface

pytestmark = pytest.mark.thorough


def hashed(*images: Pixels) -> Hashes:
    return printed(*images).hashes


def printed(*images: Pixels) -> Fingerprints:
    return stated_fingerprints([""] * len(images), [signs(image) for image in images])


def bits(first: Hashes, second: Hashes) -> list[int]:
    return [int(n) for n in np.bitwise_count(first ^ second)]


def wide(seed: int, height: int, width: int) -> Pixels:
    return np.asarray(surface(seed, size=max(height, width))[:height, :width], np.uint8)


SHAPES = [(96, 96), (96, 141), (140, 97), (600, 813), (1201, 700)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("symmetry", range(8))
def test_a_turned_image_has_the_hash_that_was_foretold(
    shape: tuple[int, int], symmetry: int
) -> None:
    images = [wide(seed, *shape) for seed in range(3)]
    turned = hashed(*(view_of(image, symmetry) for image in images))
    apart = bits(turned, views(hashed(*images))[symmetry])
    # Only where a whole factor leaves an odd pixel over may a wave about to change its sign do so.
    assert max(apart) <= (2 if min(shape) >= 512 else 1)


def test_the_eight_views_are_those_of_opencv() -> None:
    image = wide(3, 5, 7)
    assert np.array_equal(view_of(image, 1), cv2.flip(image, 1))
    assert np.array_equal(view_of(image, 2), cv2.flip(image, 0))
    assert np.array_equal(view_of(image, 3), cv2.rotate(image, cv2.ROTATE_180))
    assert np.array_equal(view_of(image, 4), cv2.transpose(image))
    assert np.array_equal(view_of(image, 5), cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE))
    assert np.array_equal(view_of(image, 6), cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE))
    assert len(SYMMETRIES) == 8
    assert len({view_of(image, k).tobytes() for k in range(8)}) == 8


def test_light_changes_no_bit_and_a_recapture_few() -> None:
    images = [surface(seed, size=160) for seed in range(12)]
    darker = [np.asarray(image * 0.5 + 20, np.uint8) for image in images]
    assert max(bits(hashed(*images), hashed(*darker))) <= 3
    again = [recaptured(image, seed) for seed, image in enumerate(images)]
    assert max(bits(hashed(*images), hashed(*again))) <= 10
    strangers = hashed(*images)
    apart = np.bitwise_count(strangers[:, None] ^ strangers[None])[np.triu_indices(12, 1)]
    assert np.median(apart) > 25


def test_the_longer_descriptor_holds_more() -> None:
    prints = printed(*(surface(seed) for seed in range(3)))
    assert prints.hashes.dtype == np.uint64
    assert prints.descriptors.shape == (3, 4)
    assert len(np.unique(prints.descriptors)) == 12


def test_the_short_code_holds_signs_of_the_slowest_waves() -> None:
    image = surface(4, size=96)
    slow = waves(image)[:8, :8] > 0
    slow[0, 0] = waves(image)[8, 8] > 0
    (found,) = hashed(image)
    assert [bool(int(found) >> bit & 1) for bit in range(64)] == slow.ravel().tolist()


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 2), (16, 16)])
def test_tiny_and_blank_images_have_hashes_too(shape: tuple[int, int]) -> None:
    blank = np.full((*shape, 3), 120, np.uint8)
    assert hashed(blank).shape == (1,)


def test_pixel_digests_are_those_of_the_index(tmp_path: Path) -> None:
    images = {f"a/{seed}.png": surface(seed) for seed in range(3)}
    indexed(tmp_path, images)
    config = DataConfig(kind="folder", root=tmp_path)
    index = ingest(config, ChecksConfig(), store=Store(tmp_path / "store"), seed=1)
    prints = fingerprints_of(index.paths)
    assert list(prints.pixel_ids) == list(index.frame["pixel_id"])
    stated = indexed_fingerprints(index)
    forgotten = index.with_columns(fingerprint=[None, *index.frame["fingerprint"][1:]])
    for again in (stated, indexed_fingerprints(forgotten)):
        assert again.pixel_ids == prints.pixel_ids
        assert again.descriptors.tolist() == prints.descriptors.tolist()
    assert prints.hashes.tolist() == hashed(*(images[p] for p in index.frame["path"])).tolist()
