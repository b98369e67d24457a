"""The generator draws what it says it draws, twice the same, and plants what it lists."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from deploy.edge.decode import read_image
from deploy.edge.errors import ImageError
from inspection.config import SyntheticConfig
from inspection.data.surfaces import CLASSES, DEFECTS, OK, part
from inspection.data.synthetic import TRUTH, SyntheticTruth, generate

CONFIG = SyntheticConfig(
    images_per_class=6, size=64, near_duplicates=0.5, corrupt_files=4, label_conflicts=2
)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> SyntheticTruth:
    return generate(tmp_path_factory.mktemp("drawn") / "set", CONFIG, seed=1)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_generate__same_seed_same_bytes(truth: SyntheticTruth, tmp_path: Path) -> None:
    again = generate(tmp_path / "set", CONFIG, seed=1)
    assert files(again.root) == files(truth.root)
    other = generate(tmp_path / "other", CONFIG, seed=2)
    assert files(other.root) != files(truth.root)


def test_generate__existing_set_is_not_drawn_again(truth: SyntheticTruth) -> None:
    before = (truth.root / TRUTH).stat().st_mtime_ns
    assert generate(truth.root, CONFIG, seed=1) == truth
    assert (truth.root / TRUTH).stat().st_mtime_ns == before


def test_generate__has_five_kinds_of_defect_with_masks_and_boxes(truth: SyntheticTruth) -> None:
    assert len(DEFECTS) >= 5
    for path, boxes in truth.boxes.items():
        mask = cv2.imread(str((truth.root / path).with_suffix(".png")), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (64, 64)
        is_ok = "part_ok_" in path
        assert (not boxes and not mask.any()) if is_ok else mask.any()
        for x0, y0, x1, y1 in boxes:
            assert mask[y0:y1, x0:x1].any()
            assert 0 <= x0 < x1 <= 64
            assert 0 <= y0 < y1 <= 64


def test_generate__near_duplicates_show_the_same_part(truth: SyntheticTruth) -> None:
    assert len(truth.near_duplicates) >= 5
    for one, two in truth.near_duplicates:
        assert one != two
        assert files_differ(truth.root / one, truth.root / two)
        assert best_correlation(truth.root / one, truth.root / two) > 0.6


def files_differ(one: Path, two: Path) -> bool:
    return one.read_bytes() != two.read_bytes()


def best_correlation(one: Path, two: Path) -> float:
    """Largest correlation over shifts of up to four pixels."""
    first = read_image(one).pixels[..., 0].astype(np.float32)
    second = read_image(two).pixels[4:-4, 4:-4, 0].astype(np.float32)
    return float(cv2.matchTemplate(first, second, cv2.TM_CCOEFF_NORMED).max())


def test_generate__conflicts_are_equal_images_of_two_classes(truth: SyntheticTruth) -> None:
    assert len(truth.conflicts) == 2
    for one, two in truth.conflicts:
        assert one.split("/")[0] != two.split("/")[0]
        assert (truth.root / one).read_bytes() == (truth.root / two).read_bytes()


def test_generate__corrupt_files_cannot_be_decoded(truth: SyntheticTruth) -> None:
    assert sorted(truth.corrupt.values()) == ["empty", "header_only", "text", "truncated"]
    for path in truth.corrupt:
        with pytest.raises(ImageError):
            read_image(truth.root / path)


def test_generate__shuffled_labels_say_nothing(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"shuffle_labels": True, "images_per_class": 30})
    truth = generate(tmp_path / "set", config, seed=1)
    right = [path.split("/")[0] in path.split("/")[-1] for path in truth.boxes]
    assert np.mean(right) < 0.4
    folders = [path.split("/")[0] for path in truth.boxes if "_again" not in path]
    assert {folder: folders.count(folder) for folder in CLASSES} == dict.fromkeys(CLASSES, 30)


def test_generate__interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inspection.data.synthetic._plant_corrupt", full_disk)
    with pytest.raises(OSError, match="No space"):
        generate(tmp_path / "set", CONFIG, seed=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("label", CLASSES)
def test_part__mask_is_where_the_surface_changed(label: str) -> None:
    canvas, mask = part(label, 96, np.random.default_rng(5))
    assert canvas.shape == mask.shape == (96, 96)
    assert canvas.min() >= 0
    assert canvas.max() <= 255
    share = (mask > 0).mean()
    assert share == 0 if label == OK else 0.0005 < share < 0.35


def test_truth__is_plain_json(truth: SyntheticTruth) -> None:
    raw = json.loads((truth.root / TRUTH).read_text())
    assert raw["images"] == len(raw["boxes"]) == truth.images
