"""The generator draws what it says it draws, twice the same, and plants what it lists."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from deploy.edge.decode import read_image
from deploy.edge.errors import ImageError
from inspection.config import SyntheticConfig
from inspection.data.surfaces import CLASSES, DEFECTS, OK, part
from inspection.data.synthetic import TRUTH, SyntheticTruth, generate, recipe_digest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
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
        mask = np.asarray(Image.open((truth.root / path).with_suffix(".png")))
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


def test_generate__two_at_once_end_with_one_set(truth: SyntheticTruth, tmp_path: Path) -> None:
    """Both draw, one moves its folder into place first, the other takes that."""
    meet = threading.Barrier(2)

    def together() -> SyntheticTruth:
        meet.wait()
        return generate(tmp_path / "set", CONFIG, seed=1)

    with ThreadPoolExecutor(2) as pool:
        both = [future.result() for future in [pool.submit(together) for _ in range(2)]]
    assert both[0] == both[1]
    assert files(tmp_path / "set") == files(truth.root)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_generate__killed_while_drawing_leaves_no_set_and_the_next_run_draws_it(
    truth: SyntheticTruth, tmp_path: Path
) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from inspection.config import SyntheticConfig\n"
        "from inspection.data import synthetic\n"
        "synthetic._plant_corrupt = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "config = SyntheticConfig.model_validate_json(sys.argv[2])\n"
        "synthetic.generate(Path(sys.argv[1]), config, seed=1)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "set"), CONFIG.model_dump_json()]
    killed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "set").exists()
    assert files(generate(tmp_path / "set", CONFIG, seed=1).root) == files(truth.root)


def test_recipe_digest__names_config_and_seed() -> None:
    other = CONFIG.model_copy(update={"size": 96})
    named = [recipe_digest(CONFIG, seed=1), recipe_digest(CONFIG, seed=2)]
    assert len({*named, recipe_digest(other, seed=1)}) == 3
    assert recipe_digest(CONFIG, seed=1) == named[0]


def test_generate__small_images_show_every_defect(tmp_path: Path) -> None:
    """At the smallest size allowed a line must not vanish between pixels."""
    small = SyntheticConfig(images_per_class=12, size=32, corrupt_files=0, label_conflicts=0)
    truth = generate(tmp_path / "set", small, seed=4)
    assert (truth.corrupt, truth.conflicts, truth.renamed) == ({}, (), ())
    unseen = [path for path in truth.boxes if not path.startswith(OK) and not truth.boxes[path]]
    assert unseen == []


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
