"""SIGKILL at random moments of the student step, then the same command again: does anything finished run twice?

Each trial starts from the same store, prepared up to the student step; the kill comes at a uniformly random share of
the time that learning took undisturbed, counted from the first checkpoint (before it there is only the import of the
training loop). Seeded, so a trial can be repeated. Half of the trials checkpoint at epoch ends only, half also inside
an epoch. Of both kinds: how far a figure moved, and how many decisions on test images differ from the undisturbed
run's.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from machine import write_result

ROOT = Path(__file__).resolve().parents[1]
TRIALS = 5
"""Per way of checkpointing."""
EVERY_STEPS = {"at epoch ends": 0, "every 2 steps": 2}
CHANGES = [
    "data.synthetic.images_per_class=40",
    "data.synthetic.size=64",
    "teacher.image_size=64",
    "student.image_size=64",
    "student.epochs=60",
    "student.patience=60",
    "gate.min_macro_f1=0",
    "gate.min_accuracy=0",
]
COMMAND = [str(Path(sys.executable).parent / "plumbline"), "run", "configs/demo.yaml", *CHANGES]
BEGINS, ENDS = "▸ train_student", "▸ evaluate_models"


class Run:
    """One run of the command whose progress can be followed and that can be killed with its children."""

    def __init__(self, store: Path, every_steps: int) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, f"student.checkpoint_every_steps={every_steps}", "--json"],
            cwd=ROOT,
            env={**os.environ, "PLUMBLINE_STORE": str(store)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for(self, line: str) -> float:
        """Read stderr up to `line`; the moment it came."""
        assert self.process.stderr is not None
        for said in self.process.stderr:
            if said.startswith(line):
                return time.monotonic()
        raise RuntimeError(f"the run ended without '{line}'")

    def wait_for_checkpoint(self, store: Path) -> float:
        """Wait until the student has saved itself once; the moment it had."""
        self.wait_for(BEGINS)
        while not list(store.glob("checkpoints/*/checkpoint.safetensors")):
            if self.process.poll() is not None:
                raise RuntimeError("the run ended without a checkpoint")
            time.sleep(0.02)
        return time.monotonic()

    def kill(self) -> None:
        """SIGKILL, the whole process group."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def answer(self) -> dict[str, Any]:
        """Wait for the end; the document on stdout."""
        stdout, stderr = self.process.communicate()
        assert self.process.returncode in (0, 3), stderr[-2000:]
        return dict(json.loads(stdout))


def resumed_from(store: Path) -> int | None:
    """The step of the checkpoint that the second run began with; null when the first had not saved one yet."""
    (result,) = store.glob("checkpoints/*/result.json")
    step: int | None = json.loads(result.read_bytes())["resumed_from"]
    return step


def decisions(store: Path) -> dict[str, str]:
    """What the student of the latest run calls each test image."""
    records = store.rglob("evaluate_models/assessment/*/*/record.json")
    latest = max(records, key=lambda path: path.stat().st_mtime_ns)
    student = json.loads(latest.read_bytes())["student"]
    return dict(zip(student["image_ids"], student["predictions"], strict=True))


def trial(store: Path, prepared: Path, every: str, delay: float, whole: Whole) -> dict[str, Any]:
    """Kill `delay` seconds after the first checkpoint, run again, compare with the undisturbed run."""
    shutil.rmtree(store)
    shutil.copytree(prepared, store, symlinks=True)
    run = Run(store, EVERY_STEPS[every])
    run.wait_for_checkpoint(store)
    time.sleep(delay)
    run.kill()
    again = Run(store, EVERY_STEPS[every]).answer()
    before = list(again["steps"])[: list(again["steps"]).index("train_student")]
    decided = decisions(store)
    return {
        "checkpoints": every,
        "decisions_that_differ": sum(decided[name] != said for name, said in whole.said.items()),
        "killed_after_s": round(delay, 2),
        "resumed_from_step": resumed_from(store),
        "finished_steps_repeated": [s for s in before if again["steps"][s] != "cached"],
        "largest_metric_change": max(
            abs(again["student"][name] - value)
            for name, value in whole.student.items()
            if isinstance(value, float)
        ),
        "bundle_equal": again["digest"] == whole.digest,
    }


class Whole(NamedTuple):
    """What the undisturbed run gave; `said`: its decision on each test image."""

    seconds: float
    student: dict[str, Any]
    digest: str
    said: dict[str, str]


def undisturbed(store: Path) -> Whole:
    """The run that the others are held against, and how long its student step took."""
    run = Run(store, 0)
    begun = run.wait_for_checkpoint(store)
    seconds = run.wait_for(ENDS) - begun
    answer, said = run.answer(), decisions(store)
    shutil.rmtree(store)
    return Whole(seconds, answer["student"], answer["digest"], said)


def prepare(store: Path, folder: Path, every: str) -> Path:
    """A store in which everything before the student step is finished, to begin each trial with."""
    shutil.rmtree(store, ignore_errors=True)
    run = Run(store, EVERY_STEPS[every])
    run.wait_for(BEGINS)
    run.kill()
    shutil.rmtree(store / "checkpoints", ignore_errors=True)
    return Path(shutil.copytree(store, folder / f"prepared {every}", symlinks=True))


def kills(folder: Path, every: str, whole: Whole) -> list[dict[str, Any]]:
    """Every trial of one way of checkpointing."""
    folder.mkdir()
    prepared, dice = prepare(folder / "store", folder, every), random.Random(every)
    return [
        trial(folder / "store", prepared, every, dice.uniform(0.05, 0.95) * whole.seconds, whole)
        for _ in range(TRIALS)
    ]


def by_kind(trials: list[dict[str, Any]], every: str) -> dict[str, Any]:
    """The two figures of one way of checkpointing; the worst of its trials."""
    own = [trial for trial in trials if trial["checkpoints"] == every]
    worst = ("largest_metric_change", "decisions_that_differ")
    return {"kills": len(own), **{name: max(trial[name] for trial in own) for name in worst}}


def main() -> None:
    """One undisturbed run, one prepared store, then the kills."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        whole = undisturbed(store)
        with ThreadPoolExecutor(len(EVERY_STEPS)) as pool:  # side by side, each on its own store
            halves = pool.map(lambda every: kills(Path(folder) / every, every, whole), EVERY_STEPS)
            trials = [each for half in halves for each in half]
    write_result(
        "kills",
        {
            "kills": len(trials),
            "from_first_checkpoint_s": round(whole.seconds, 1),
            "student": whole.student,
            "by_kind": {every: by_kind(trials, every) for every in EVERY_STEPS},
            "test_images": len(whole.said),
            "largest_metric_change": max(t["largest_metric_change"] for t in trials),
            "resumed_from_a_checkpoint": sum(t["resumed_from_step"] is not None for t in trials),
            "runs_that_repeated_a_finished_step": sum(
                bool(t["finished_steps_repeated"]) for t in trials
            ),
            "bundles_equal": sum(t["bundle_equal"] for t in trials),
            "trials": trials,
        },
    )


if __name__ == "__main__":
    main()
