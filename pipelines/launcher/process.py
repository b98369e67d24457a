"""Is the process that started a run still the same living process? A number alone is reused by the system."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from inspection.records import Record


@dataclass(frozen=True)
class ProcessMark(Record):
    """A process that cannot be mistaken for a later one with its number."""

    host: str
    pid: int
    started: str

    @property
    def gone(self) -> bool:
        """True when it certainly ended: same host, and no process of that number and start time."""
        return self.host == socket.gethostname() and self.started != _start_of(self.pid)


def this_process() -> ProcessMark:
    """The mark of the running process."""
    return ProcessMark(socket.gethostname(), os.getpid(), _start_of(os.getpid()))


def _start_of(pid: int) -> str:
    """When `pid` started, in a spelling that never repeats; empty when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self").exists() else _start_by_ps(pid)
    state, *fields = stat.rpartition(")")[2].split()  # the name before may hold spaces
    if state == "Z":
        return ""  # a zombie runs nothing any more
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{boot.read_text().strip() if boot.exists() else ''}:{fields[18]}"


def _start_by_ps(pid: int) -> str:
    """macOS has no /proc."""
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()
