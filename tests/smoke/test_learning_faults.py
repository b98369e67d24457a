"""Faults of learning through the real command: each ends in one sentence with a remedy, or goes on and says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.broken_sets import folder_set, surface
from tests.cli_line import Line

pytestmark = [pytest.mark.zenml, pytest.mark.training, pytest.mark.slow]

CONFIG = """
name: bad
data: {kind: folder, root: images}
checks: {min_images_per_class: 4, max_quarantined: 1.0}
teacher: {backbone: resnet10t, weights: none, image_size: 64}
student: {image_size: 32, epochs: 3, batch_size: 8}
"""
PLANTED = """
import sys
import torch
from inspection.training import module
{fault}
from pipelines.entry import main
sys.exit(main())
"""
NAN_IN_THE_SECOND_EPOCH = """
finish = module.Distillation.finish_step
def finish_step(self):
    finish(self)
    if self.step > self.lesson.total_steps // 3:
        self.student.classifier.weight.data.fill_(float("nan"))
module.Distillation.finish_step = finish_step
"""
ROOM_FOR_FOUR = """
losses = module.Distillation._losses
def _losses(self, images, *rest):
    if len(images) > 4:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return losses(self, images, *rest)
module.Distillation._losses = _losses
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    line = Line(tmp_path_factory.mktemp("line"), CONFIG)
    folder_set(line.folder / "images")
    return line


def refused(line: Line, *changes: str, code: int = 2) -> str:
    """The one fault of a run that must end with it."""
    document = line.run(*changes, code=code)
    (fault,) = document["faults"]
    assert "\n" not in fault
    return str(fault)


def images_of(line: Line, name: str, *labels: str) -> Path:
    """A copy of the good images with these classes alone."""
    root = line.folder / name
    for label in labels:
        shutil.copytree(line.folder / "images" / label, root / label)
    return root


def test_one_class_only(line: Line) -> None:
    root = images_of(line, "one_class", "scratch")
    said = refused(line, f"data.root={root}", code=3)
    assert "two_classes" in said
    assert "1" in said


def test_a_class_with_one_image(line: Line) -> None:
    root = images_of(line, "one_image", "ok", "scratch")
    (root / "dent").mkdir()
    cv2.imwrite(str(root / "dent" / "a.png"), 255 - surface(5, scratched=True))
    said = refused(line, f"data.root={root}", code=3)
    assert "dent" in said
    assert "1" in said


def test_weights_of_other_shapes(line: Line) -> None:
    foreign = line.folder / "foreign.safetensors"
    save_file({"0.layers.0.0.weight": np.zeros((3, 3), np.float32)}, foreign)
    said = refused(line, f"student.weights={foreign}")
    assert "weights 'foreign.safetensors' are not of plumbnet_s" in said


def test_a_learning_rate_far_too_high_leaves_nothing_to_keep(line: Line) -> None:
    said = refused(line, "student.learning_rate=1e30")
    assert said.startswith("student.learning_rate: the loss became ")
    assert "use a smaller student.learning_rate than 1e+30" in said


def planted(line: Line, fault: str, *changes: str) -> tuple[str, str]:
    """Report and stderr of a run in whose training something is wrong."""
    door = PLANTED.format(fault=fault)
    code, out, err = line.say("run", str(line.config), *changes, "--json", door=door)
    assert code in (0, 3), err
    return Path(json.loads(out)["report"]).read_text(), err


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_student(line: Line) -> None:
    page, said = planted(line, NAN_IN_THE_SECOND_EPOCH, "student.epochs=3")
    assert "student: the loss became nan after " in said
    assert "training stops, the student of epoch 1 is kept; use a smaller" in said
    assert "the student of epoch 1 is kept" in page


def test_full_memory_halves_what_passes_at_once_and_says_so(line: Line) -> None:
    page, said = planted(line, ROOM_FOR_FOUR, "student.epochs=2")
    sentence = "memory is full with 8 images at a time: going on with 4, in batches of 8 as before"
    assert said.count(f"student: {sentence}") == 1
    assert sentence in page


def test_grey_images_of_8_and_16_bits_are_learnt_from(line: Line) -> None:
    root = line.folder / "grey"
    for label, scratched in (("ok", False), ("scratch", True)):
        (root / label).mkdir(parents=True)
        for number in range(12):
            picture = surface(2000 + 100 * scratched + number, scratched=scratched)
            deep = picture.astype(np.uint16) * 257 if number % 2 else picture
            cv2.imwrite(str(root / label / f"{number:02d}.png"), deep)
    made = line.run(f"data.root={root}", "student.epochs=1", "gate.ways=[]")
    assert made["status"] == "completed"
    page = Path(made["report"]).read_text()
    assert "sixteen" in page.lower() or "16" in page
