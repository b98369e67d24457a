"""A whole run that learns from unlabelled images too, from the folder to the bundle and its page."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli_line import Line

pytestmark = [pytest.mark.zenml, pytest.mark.training, pytest.mark.slow]

CONFIG = """
name: open
data: {{kind: folder, root: {root}, ok_class: plain, unlabelled: more}}
teacher: {{backbone: test_resnet, weights: none, image_size: 64}}
student: {{image_size: 32, epochs: 2, batch_size: 16, unlabelled: true}}
monitor: {{min_images: 5}}
gate: {{ways: []}}
"""
MORE = 30


def surface(label: str, generator: np.random.Generator) -> np.ndarray:
    """A texture of its own, with a bright square on it or without."""
    rough = cv2.GaussianBlur(generator.normal(0, 400, (96, 96)), (0, 0), 2.5)
    if label == "spot":
        rough[30:60, 30:60] += 90
    return np.repeat((rough + 110).clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def test_a_run_takes_unlabelled_images_from_the_folder_to_the_student(tmp_path: Path) -> None:
    root, generator = tmp_path / "images", np.random.default_rng(0)
    for folder, count in {"plain": 24, "spot": 24, "more": MORE}.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            pixels = surface("spot" if number % 2 and folder == "more" else folder, generator)
            cv2.imwrite(str(root / folder / f"{number}.png"), pixels)
    line = Line(tmp_path / "line", CONFIG.format(root=root))
    done = line.run()
    assert done["status"] == "completed"
    assert done["leak_rate"] == 0.0
    page = Path(done["report"]).read_text()
    assert "(no label)" in page
    without = line.run("student.unlabelled=false")
    assert without["digest"] != done["digest"]
    # What a run is measured on does not hang on images that nobody labelled.
    assert len(list((line.store / "test_sets").iterdir())) == 1
