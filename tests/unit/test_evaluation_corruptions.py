"""Corruptions do what they are called, and a bundle's answers under them are counted image by image."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from deploy.edge.decode import decode
from deploy.edge.files import sha256_bytes
from deploy.edge.inspector import Inspector
from deploy.edge.preprocess import preprocess
from deploy.edge.statistics import image_statistics
from inspection.config import GateConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.corruptions import (
    CORRUPTIONS,
    blurred,
    compressed,
    corrupted_answers,
    darkened,
    each_class_in_turn,
    noisy,
)
from tests.edge_bundles import CLASSES, SPEC, by_numpy, pictures, png, write_bundle


@pytest.fixture(scope="module")
def surface() -> np.ndarray:
    noise = np.random.default_rng(2).integers(60, 200, (64, 64, 3))
    return cv2.GaussianBlur(noise.astype(np.uint8), (0, 0), 0.8)


def test_each_corruption_moves_what_it_is_named_after(surface: np.ndarray) -> None:
    clean = image_statistics(surface)
    assert image_statistics(blurred(surface)).sharpness < 0.5 * clean.sharpness
    assert image_statistics(darkened(surface)).brightness == pytest.approx(
        0.8 * clean.brightness, rel=0.01
    )
    assert image_statistics(noisy(surface)).sharpness > 1.2 * clean.sharpness
    assert 1 < np.abs(compressed(surface).astype(int) - surface).mean() < 20


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_keeps_the_shape_changes_pixels_and_repeats_itself(
    name: str, surface: np.ndarray
) -> None:
    once, twice = CORRUPTIONS[name](surface), CORRUPTIONS[name](surface)
    assert (once.shape, once.dtype) == (surface.shape, np.uint8)
    assert (once != surface).any()
    np.testing.assert_array_equal(once, twice)


@pytest.mark.parametrize("level", [0, 255])
def test_noise_does_not_wrap_around(level: int) -> None:
    flat = np.full((32, 32, 3), level, np.uint8)
    assert np.abs(noisy(flat).astype(int) - level).max() < 60


def photographed(root: Path, count: int) -> ImageIndex:
    """Labelled as the bundle answers for the blurred image, but for the first two."""
    rows = []
    for i, pixels in enumerate(pictures(count, seed=7)):
        data = png(pixels)
        (root / f"{i:02d}.png").write_bytes(data)
        seen = preprocess(blurred(decode(data).pixels), SPEC)
        called = int(by_numpy(seen[None]).probabilities.argmax())
        label = CLASSES[(called + (i < 2)) % 3]
        rows.append({"path": f"{i:02d}.png", "image_id": sha256_bytes(data), "label": label})
    return ImageIndex.from_rows(root, rows)


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    return Inspector.open(write_bundle(tmp_path_factory.mktemp("bundle")))


def test_hits_are_those_of_the_device(tmp_path: Path, inspector: Inspector) -> None:
    index = photographed(tmp_path, 12)
    found = corrupted_answers(index, inspector, inspector, {}, GateConfig())
    assert [row.name for row in found] == list(CORRUPTIONS)
    blur = found[0]
    assert (blur.images, blur.challenger_hits, blur.champion_hits) == (12, 10, 10)
    assert blur.p_worse == 1.0
    alone = corrupted_answers(index, inspector, None, {}, GateConfig())[0]
    assert (alone.challenger_hits, alone.champion_hits) == (10, None)


def test_a_model_that_fails_where_the_other_does_not_is_worse_by_more_than_chance(
    tmp_path: Path, inspector: Inspector
) -> None:
    class Blind:
        def verdict(self, pixels: np.ndarray) -> object:
            seen = inspector.verdict(pixels)
            return type("Verdict", (), {"label": seen.label + "?"})

    index = photographed(tmp_path, 12)
    blur = corrupted_answers(index, Blind(), inspector, {}, GateConfig())[0]
    assert (blur.challenger_hits, blur.champion_hits) == (0, 10)
    assert blur.p_worse == pytest.approx(0.5**10)
    one_part = {str(image): "part" for image in index.frame["image_id"]}
    grouped = corrupted_answers(index, Blind(), inspector, one_part, GateConfig())[0]
    assert grouped.p_worse == pytest.approx(0.5)


def test_a_sample_takes_each_class_in_turn_and_does_not_depend_on_the_order_of_rows(
    tmp_path: Path,
) -> None:
    rows = [
        {"path": f"{i}.png", "image_id": f"{(i * 37) % 101:03d}", "label": "a" if i < 30 else "b"}
        for i in range(33)
    ]
    sample = each_class_in_turn(ImageIndex.from_rows(tmp_path, rows), 10)
    assert sample.frame["label"].value_counts().to_dict() == {"a": 7, "b": 3}
    turned = each_class_in_turn(ImageIndex.from_rows(tmp_path, rows[::-1]), 10)
    assert set(turned.frame["image_id"]) == set(sample.frame["image_id"])


def test_nothing_is_run_where_nothing_is_asked(tmp_path: Path, inspector: Inspector) -> None:
    gone = ImageIndex.from_rows(tmp_path, [{"path": "x.png", "image_id": "x", "label": "a"}])
    off = GateConfig(corruption_images=0)
    assert corrupted_answers(gone, inspector, None, {}, off) == ()
