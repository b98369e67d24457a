"""A process of a crew: `python -m inspection.training.worker LESSON RANK` trains its share and writes no student.

It ends when the process that started it does.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from inspection.data.index import ImageIndex
from inspection.features.device import use_own_cores
from inspection.learning_config import StudentConfig
from inspection.training.crew import INDEX, JOB, MEMORY_FULL, TARGETS, Job, ready, seat_of
from inspection.training.fit import take_part
from inspection.training.mishaps import Diverged, is_memory_full
from inspection.training.preparation import prepared
from inspection.training.targets import TargetsByView

WATCH = 1.0
"""Seconds between looks at whether the parent still lives."""


def main(arguments: Sequence[str]) -> int:
    """Take part in the training that lies in the folder; the exit code."""
    lesson, rank = Path(arguments[0]), int(arguments[1])
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    use_own_cores()
    job = Job.load(lesson / JOB)
    ready_made = prepared(
        ImageIndex.load(lesson / INDEX),
        TargetsByView.load(lesson / TARGETS),
        StudentConfig.model_validate_json(job.config),
        seed=job.seed,
        key=job.key,
        folder=job.folder,
    )
    ready_made.module.at_once = job.at_once
    ready(lesson, rank).touch()
    try:
        take_part(
            ready_made.module,
            ready_made.plan,
            ready_made.journal,
            torch.device(job.device),
            seat_of(job, rank),
        )
    except Diverged:
        return 0  # the first process has seen it too, and decides
    except (RuntimeError, MemoryError) as error:
        if is_memory_full(error):
            return MEMORY_FULL
        raise
    return 0


def _leave_with(parent: int) -> None:
    """A collective call waits for half an hour; nobody is left to wait for."""
    while os.getppid() == parent:
        time.sleep(WATCH)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
