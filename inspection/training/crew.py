"""Several processes that train one student together, one device each: the crew, and the seat of each in it.

Each draws the same batches and the same augmentations, and passes its own share of each batch through its network; the
gradients of the shares add up to the batch's. The first process keeps the journal and writes the checkpoints; any
number of processes can go on from them.

Covered: the same student as one process trains, to rounding, unless it has batch norm on CPUs (statistics of a share)
or dropout inside a timm network (other draws); a process that dies ends the training with its last words, and what was
learnt is in the checkpoint. Not covered: other machines that never come (the first waits for them); GPUs are reached by
the same code, but were never tried.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch.strategies import DDPStrategy

from inspection.data.index import ImageIndex
from inspection.errors import ConfigError, PlumblineError
from inspection.learning_config import HardwareConfig, StudentConfig
from inspection.records import Record
from inspection.training.targets import TargetsByView

MEMORY_FULL = 77
"""Exit code of a process that had no memory left."""
POLL = 0.1
"""Seconds between looks at who has come."""
LEAVE = 60.0
"""Seconds that processes have to end by themselves, once the first has finished."""
JOB, INDEX, TARGETS = "job.json", "index.parquet", "targets.safetensors"
HERE = "127.0.0.1"


@dataclass(frozen=True)
class Job(Record):
    """What every process of a crew has to know: `config` is a student's, as JSON."""

    key: str
    folder: Path
    config: str
    seed: int
    device: str
    devices: int
    nodes: int
    address: str
    port: int
    at_once: int

    @property
    def world(self) -> int:
        """How many processes."""
        return self.devices * self.nodes


@dataclass(frozen=True)
class Seat:
    """The place of one process: `rank` of `world`, where the first can be reached."""

    rank: int
    devices: int
    nodes: int
    address: str
    port: int

    @property
    def world(self) -> int:
        """How many processes."""
        return self.devices * self.nodes


def seat_of(job: Job, rank: int) -> Seat:
    """That of process `rank`."""
    return Seat(rank, job.devices, job.nodes, job.address, job.port)


def joined(seat: Seat, device: torch.device, *, some_left_out: bool) -> DDPStrategy:
    """Lightning's data parallelism among processes that were started already.

    `some_left_out`: a parameter that learns never gets a gradient; it would be waited for, and looking for it in every
    step costs time.
    """
    return DDPStrategy(
        cluster_environment=_Seats(seat),
        process_group_backend="nccl" if device.type == "cuda" else "gloo",
        find_unused_parameters=some_left_out,
    )


class _Seats(ClusterEnvironment):
    """What Lightning asks about the other processes."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return self.seat.address

    @property
    def main_port(self) -> int:
        return self.seat.port

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self.seat.world

    def set_world_size(self, size: int) -> None:
        """Known from the start."""

    def global_rank(self) -> int:
        return self.seat.rank

    def set_global_rank(self, rank: int) -> None:
        """Known from the start."""

    def local_rank(self) -> int:
        return self.seat.rank % self.seat.devices

    def node_rank(self) -> int:
        return self.seat.rank // self.seat.devices


@dataclass(frozen=True, eq=False)
class Crew:
    """The other processes of a training, started anew for each attempt; `lesson` is where they find their images."""

    job: Job
    lesson: Path

    @contextlib.contextmanager
    def at_work(self, at_once: int) -> Iterator[Seat]:
        """Start them, wait until all have come, and end them with the block; yields the seat of this process."""
        job = dataclasses.replace(self.job, at_once=at_once, port=self.job.port or _free_port())
        for old in self.lesson.glob("ready-*"):
            old.unlink()
        job.save(self.lesson / JOB)
        others = {rank: _started(self.lesson, rank) for rank in range(1, job.devices)}
        try:
            self._wait(job, others)
            yield seat_of(job, 0)
            for process in others.values():
                with contextlib.suppress(subprocess.TimeoutExpired):  # the student is there
                    process.wait(LEAVE)
        except RuntimeError as error:
            self._explain(others, error)
            raise
        finally:
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
            for process in others.values():
                process.kill()
                process.wait()

    def _wait(self, job: Job, others: dict[int, subprocess.Popen[bytes]]) -> None:
        """Until every process is at its seat; RuntimeError when one ended before."""
        if job.nodes > 1:
            command = f"{sys.executable} -m inspection.training.worker {self.lesson} RANK"
            ranks = f"{job.devices} to {job.world - 1}"
            print(f"student: start on the other machines, RANK {ranks}: {command}", file=sys.stderr)
        while any(not ready(self.lesson, rank).exists() for rank in range(1, job.world)):
            if any(process.poll() is not None for process in others.values()):
                raise RuntimeError("a process of the crew ended before it had begun")
            time.sleep(POLL)

    def _explain(self, others: dict[int, subprocess.Popen[bytes]], error: BaseException) -> None:
        """Raise what ended another process, if one ended: its end is why this one lost touch."""
        time.sleep(1.0)  # it may be on its way out
        for rank, process in others.items():
            if process.poll() == MEMORY_FULL:
                raise MemoryError(f"training process {rank} had no memory left") from error
            if process.poll():
                raise PlumblineError(
                    f"training process {rank} of {self.job.world} ended with code {process.returncode} "
                    f"({_last_words(self.lesson, rank)}): run it again, it goes on from the last checkpoint"
                ) from error


def crew_for(
    hardware: HardwareConfig,
    lesson_of: tuple[ImageIndex, TargetsByView, StudentConfig],
    *,
    seed: int,
    device: torch.device,
    key: str,
    folder: Path,
) -> Crew | None:
    """The crew that `hardware` asks for, its lesson written beside the checkpoint; null for one process."""
    devices = _devices(hardware, device)
    index, targets, config = lesson_of
    if devices * hardware.nodes == 1:
        return None
    lesson = folder / "lesson"
    lesson.mkdir(parents=True, exist_ok=True)
    index.save(lesson / INDEX)
    targets.save(lesson / TARGETS)
    address = hardware.address or HERE
    document = config.model_dump_json()
    job = Job(
        key,
        folder,
        document,
        seed,
        device.type,
        devices,
        hardware.nodes,
        address,
        hardware.port,
        0,
    )
    return Crew(job, lesson)


def ready(lesson: Path, rank: int) -> Path:
    """The file by which process `rank` says that it has come."""
    return lesson / f"ready-{rank}"


def _devices(hardware: HardwareConfig, device: torch.device) -> int:
    there = torch.cuda.device_count() if device.type == "cuda" else None
    if hardware.devices == "auto":
        return there or 1
    if there is not None and hardware.devices > there:
        raise ConfigError(
            [
                f"hardware.devices: {hardware.devices} asked for, this machine has {there} GPU(s): use at most {there}"
            ]
        )
    return hardware.devices


def _started(lesson: Path, rank: int) -> subprocess.Popen[bytes]:
    code = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([code, *filter(None, [os.environ.get("PYTHONPATH")])])
    with _log(lesson, rank).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "inspection.training.worker", str(lesson), str(rank)],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _log(lesson: Path, rank: int) -> Path:
    return lesson / f"process-{rank}.log"


def _last_words(lesson: Path, rank: int) -> str:
    lines = _log(lesson, rank).read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        port: int = probe.getsockname()[1]
        return port
