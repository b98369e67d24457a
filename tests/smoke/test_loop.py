"""The loop on a real tiny line: a lamp is to be mended, strangers to be learned, a person promotes, and goes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data_checks.drift_cause import REMEDIES
from tests.cli_line import EDGE, Line
from tests.split_folder import tiny_line

pytestmark = [pytest.mark.zenml, pytest.mark.training, pytest.mark.slow]

SECTIONS = """
split: {keep: true, group_near_copies: false, max_leak_rate: 1.0, seed: 1}
student: {image_size: 32, epochs: 2, batch_size: 16}
monitor: {min_images: 20, false_alarms_per_month: 25}
loop: {confirm: 1, window: 1, calm: 1, new_labels: 0, cooldown: 1h}
"""
LEARN = ("--set", "student.epochs=3")
ANY_CAUSE = ("--set", f"loop.retrain_for=[{', '.join(REMEDIES)}]")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return tiny_line(tmp_path_factory.mktemp("line"), SECTIONS, images_per_class=40)


@pytest.fixture(scope="module")
def first(line: Line) -> dict[str, Any]:
    return line.run()


def logged(line: Line, bundle: str, name: str, change: Any) -> Path:
    """A prediction log of the test images, each changed."""
    images, log = line.folder / f"seen-{name}", line.folder / f"log-{name}"
    images.mkdir()
    for number, path in enumerate(sorted((line.folder / "images" / "test").rglob("*.jpg"))):
        cv2.imwrite(str(images / f"{number:04d}.png"), change(cv2.imread(str(path))))
    said = ("predict", bundle, str(images), "--unsigned", "--log", str(log))
    code, _, err = line.say(*said, door=EDGE)
    assert code == 0, err
    return log


def noise(pixels: Any) -> Any:
    """Pictures of nothing that was ever taught."""
    rng = np.random.default_rng(int(pixels.sum()))
    return rng.integers(0, 256, pixels.shape, dtype=np.uint8)


def test_from_drift_to_a_champion_and_back(line: Line, first: dict[str, Any]) -> None:
    config = str(line.config)
    dim = logged(line, first["bundle"], "dim", lambda pixels: (pixels * 0.3).astype(np.uint8))
    mended = line.json("loop", "step", config, str(dim))
    assert mended["decision"]["action"] == "mend"
    assert "lamp" in mended["decision"]["sentence"]
    assert mended["training"] is None

    # Whatever its cause is called: this line is told to learn from any.
    causes = ANY_CAUSE
    strange = logged(line, first["bundle"], "strange", noise)
    trained = line.json("loop", "step", config, str(strange), *LEARN, *causes)
    assert trained["decision"]["action"] == "train"
    version = trained["training"]["version"]
    assert version == 2
    assert trained["training"]["aliases"] == ["challenger"]
    assert "waits for `plumbline promote`" in trained["after"]["sentence"]

    # Asked again at once, it neither trains nor promotes.
    again = line.json("loop", "show", config, *causes)
    assert again["decision"]["action"] == "wait"
    line.json("promote", "tiny", str(version), "--reason", "looked at the strange parts")
    calm = line.json("loop", "show", config, *causes)
    assert calm["decision"]["action"] == "watch"

    page = line.folder / "status.html"
    told = line.json("status", config, "--out", str(page))
    assert told["champion"] == "version 2"
    text = page.read_text(encoding="utf-8")
    assert "looked at the strange parts" in text
    assert text.count('class="drifted"') == 2

    back = line.json("rollback", "tiny", "--reason", "escapes on line 2")
    assert Path(back["bundle"]).name == first["digest"]


def test_a_training_that_breaks_is_not_tried_again_at_once(
    line: Line, first: dict[str, Any]
) -> None:
    strange = logged(line, first["bundle"], "again", noise)
    broken = ("--set", "student.weights=nowhere.safetensors", "--set", "loop.retrain_for=[unknown]")
    config = str(line.config)
    line.say("loop", "step", config, str(strange), *broken)
    shown = line.json("loop", "show", config)
    assert shown["decision"]["action"] != "train"


def test_past_logs_are_replayed(line: Line, first: dict[str, Any]) -> None:
    log = logged(line, first["bundle"], "past", noise)
    asked = ("--set", "monitor.batch_images=20", *ANY_CAUSE)
    found = line.json("loop", "simulate", str(line.config), str(log), *asked)
    assert found["trainings"] == 1
    refused = line.json("loop", "simulate", str(line.config), str(log), "--refused", *asked)
    assert [one["action"] for one in refused["decisions"]][:2] == ["watch", "train"]


def test_wrong_input_is_told_in_a_line(line: Line, first: dict[str, Any]) -> None:
    code, _, err = line.say("loop", "simulate", str(line.config), str(line.folder / "nowhere"))
    assert (code, err.count("\n")) == (2, 1)
    assert "no prediction log at" in err
    code, _, err = line.say(
        "loop", "step", str(line.config), str(line.folder), "--set", "loop.confirm=9"
    )
    assert code == 2
    assert "9 of 1 batches can never drift" in err
    assert "got an object" not in err
