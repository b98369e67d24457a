"""Schedules that a stack keeps: whole runs of both pipelines, with nothing but what was handed over.

The local orchestrator is made to say that it keeps a clock; it then runs at once, in the process that hands over.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli_line import EDGE, Line
from tests.split_folder import tiny_line

pytestmark = [pytest.mark.zenml, pytest.mark.training, pytest.mark.slow]

SECTIONS = """
split: {keep: true, group_near_copies: false, max_leak_rate: 1.0, seed: 1}
student: {image_size: 32, epochs: 1, batch_size: 16}
monitor: {min_images: 20, false_alarms_per_month: 25}
"""
KEEPS_A_CLOCK = """
from pipelines.cli import run_command_line
from pipelines.launcher.client import open_zenml
from pipelines.settings import settings_here
client = open_zenml(settings_here())
from zenml.orchestrators.local.local_orchestrator import LocalOrchestratorConfig
LocalOrchestratorConfig.is_schedulable = property(lambda _: True)
raise SystemExit(run_command_line(["schedule", "hand-over", "{name}", "--json"]))
"""


def handed_over(line: Line, name: str, *command: str) -> None:
    """Entered for five past every hour, then given away."""
    added = ("schedule", "add", name, "--cron", "5 * * * *", "--zone", "UTC", "--", *command)
    code, _, err = line.say(*added)
    assert code == 0, err
    code, out, err = line.say(door=KEEPS_A_CLOCK.format(name=name))
    assert code == 0, err
    assert json.loads(out)["cron"] == "5 * * * *"


def pages(line: Line, name: str) -> list[Path]:
    return sorted(line.store.glob(f"runs/scheduled-{name}-*/report.html"))


def test_a_run_and_its_watch__find_images_and_champion_by_themselves(tmp_path: Path) -> None:
    line = tiny_line(tmp_path, SECTIONS, images_per_class=40)
    handed_over(line, "nightly", "run", "line.yaml")
    (page,) = pages(line, "nightly")
    assert "tiny" in page.read_text(encoding="utf-8")
    (champion,) = line.json("models")["models"]
    assert champion["aliases"] == ["challenger", "champion"]

    log, seen_images = line.folder / "log", line.folder / "images" / "test"
    (bundle,) = (line.store / "bundles").glob("[0-9a-f]*")
    seen = ("predict", str(bundle), str(seen_images), "--unsigned", "--log", str(log))
    code, _, err = line.say(*seen, door=EDGE)
    assert code == 0, err
    handed_over(line, "watch", "monitor", "line.yaml", "log")
    (told,) = pages(line, "watch")
    verdict = json.loads(told.with_name("drift.json").read_text())
    assert verdict["verdicts"][0]["images"] == len(list(seen_images.rglob("*.jpg")))
