"""SIGKILL at random moments of the student step, then the same command again: does anything finished run twice?

Each trial starts from the same store, prepared up to the student step; the kill comes at a uniformly random share of
the time that the step took undisturbed. Seeded, so a trial can be repeated.
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
from pathlib import Path
from typing import Any

from machine import write_result

ROOT = Path(__file__).resolve().parents[1]
TRIALS = 10
CHANGES = [
    "data.synthetic.images_per_class=40",
    "data.synthetic.size=64",
    "teacher.image_size=64",
    "student.image_size=64",
    "student.epochs=12",
    "student.checkpoint_every_steps=2",
    "gate.min_macro_f1=0",
    "gate.min_accuracy=0",
]
COMMAND = [str(Path(sys.executable).parent / "plumbline"), "run", "configs/demo.yaml", *CHANGES]
BEGINS, ENDS = "▸ train_student", "▸ evaluate_models"


class Run:
    """One run of the command whose progress can be followed and that can be killed with its children."""

    def __init__(self, store: Path) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "--json"],
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

    def kill(self) -> None:
        """SIGKILL, the whole process group."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def answer(self) -> dict[str, Any]:
        """Wait for the end; the document on stdout."""
        stdout, stderr = self.process.communicate()
        assert self.process.returncode in (0, 3), stderr[-2000:]
        return dict(json.loads(stdout))


def trial(store: Path, prepared: Path, delay: float, whole: dict[str, Any]) -> dict[str, Any]:
    """Kill after `delay` seconds of the student step, run again, compare with the undisturbed run."""
    shutil.rmtree(store)
    shutil.copytree(prepared, store, symlinks=True)
    run = Run(store)
    run.wait_for(BEGINS)
    time.sleep(delay)
    run.kill()
    again = Run(store).answer()
    before = list(again["steps"])[: list(again["steps"]).index("train_student")]
    return {
        "killed_after_s": round(delay, 2),
        "finished_steps_repeated": [s for s in before if again["steps"][s] != "cached"],
        "largest_metric_change": max(
            abs(again["student"][name] - value)
            for name, value in whole["student"].items()
            if isinstance(value, float)
        ),
        "accuracy_change": again["student"]["accuracy"] - whole["student"]["accuracy"],
    }


def main() -> None:
    """One undisturbed run, one prepared store, then the kills."""
    with tempfile.TemporaryDirectory() as folder:
        store, prepared = Path(folder) / "store", Path(folder) / "prepared"
        run = Run(store)
        begun = run.wait_for(BEGINS)
        took = run.wait_for(ENDS) - begun
        whole = run.answer()
        shutil.rmtree(store)
        run = Run(store)
        run.wait_for(BEGINS)
        run.kill()
        shutil.copytree(store, prepared, symlinks=True)
        dice = random.Random(0)
        trials = [
            trial(store, prepared, dice.uniform(0.05, 0.95) * took, whole) for _ in range(TRIALS)
        ]
    write_result(
        "kills",
        {
            "kills": len(trials),
            "student_step_s": round(took, 1),
            "student": whole["student"],
            "trials": trials,
            "largest_metric_change": max(t["largest_metric_change"] for t in trials),
            "runs_that_repeated_a_finished_step": sum(
                bool(t["finished_steps_repeated"]) for t in trials
            ),
        },
    )


if __name__ == "__main__":
    main()
