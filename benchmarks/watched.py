"""Run a command as a user would, and say how long it took and how much memory its processes held together."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Watched:
    """What came out of one command."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    peak_bytes: int
    """Largest sum of resident memory over the process and its children, sampled every 50 ms."""


def run(command: list[str], *, environment: dict[str, str], folder: Path) -> Watched:
    """Run to the end, watching."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    stdout, stderr = process.communicate()
    seconds = time.perf_counter() - started
    watcher.join()
    return Watched(process.returncode, stdout, stderr, seconds, peak[0])


def _watch(pid: int, peak: list[int]) -> None:
    try:
        parent = psutil.Process(pid)
        while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
            family = [parent, *parent.children(recursive=True)]
            peak[0] = max(peak[0], sum(_resident(member) for member in family))
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        return


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
