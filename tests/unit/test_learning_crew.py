"""Two processes train what one trains: for real, on CPUs, over gloo; killed, resumed, left alone by one of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from inspection.data.index import ImageIndex
from inspection.errors import PlumblineError
from inspection.features.extract import Features
from inspection.learning_config import HardwareConfig, StudentConfig
from inspection.models.heads import Teacher
from inspection.training.checkpoint import CHECKPOINT
from inspection.training.crew import MEMORY_FULL, Crew, Job
from inspection.training.pieces import share
from inspection.training.student import StudentResult, train_student
from tests.unit.learning_material import SIDE, eyes_of, taught

pytestmark = [pytest.mark.training, pytest.mark.slow, pytest.mark.process]

TWO = HardwareConfig(devices=2)
ORDER = 2e-5
"""Sums over shares and threads come in another order each time."""
CONFIG = StudentConfig(
    architecture="squeezenet",  # no batch norm, whose statistics are of a share
    image_size=SIDE,
    epochs=3,
    batch_size=7,  # 24 images: a last batch of three, and shares of unequal length
    learning_rate=1e-3,
    distill_features=0.2,
    mix="mixup",
    consistent=True,
)
CHILD = """
import sys
from pathlib import Path
from inspection.learning_config import HardwareConfig, StudentConfig
from inspection.data.index import ImageIndex
from inspection.features.extract import Features
from inspection.models.heads import Teacher
from inspection.training.student import train_student
from tests.unit.learning_material import eyes_of

home, folder = Path(sys.argv[1]), Path(sys.argv[2])
train_student(
    ImageIndex.load(home / "index.parquet"), Features.load(home), Teacher.load(home),
    StudentConfig.model_validate_json(sys.argv[3]), seed=3, folder=folder, device="cpu",
    hardware=HardwareConfig.model_validate_json(sys.argv[4]), eyes=eyes_of(home),
)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught(tmp_path_factory.mktemp("home"), 48)


def trained(
    home: Path, folder: Path, config: StudentConfig, hardware: HardwareConfig
) -> StudentResult:
    folder.mkdir(exist_ok=True)
    index, features = ImageIndex.load(home / "index.parquet"), Features.load(home)
    return train_student(
        index,
        features,
        Teacher.load(home),
        config,
        seed=3,
        folder=folder,
        device="cpu",
        hardware=hardware,
        eyes=eyes_of(home),
    )


def under_way(
    home: Path, folder: Path, config: StudentConfig, hardware: HardwareConfig
) -> subprocess.Popen[str]:
    """The same in a process of its own."""
    folder.mkdir(exist_ok=True)
    words = (str(home), str(folder), config.model_dump_json(), hardware.model_dump_json())
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *words], stderr=subprocess.PIPE, text=True
    )


def workers(folder: Path) -> list[int]:
    """Living processes of the crew that trains in `folder`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:  # it ended while we looked
            continue
        if b"inspection.training.worker" in words and str(folder / "lesson").encode() in words:
            found.append(int(entry.parent.name))
    return found


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 240
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.02)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "student.safetensors")


@pytest.fixture(scope="module")
def pair(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudentResult]:
    """Trained by two processes."""
    folder = tmp_path_factory.mktemp("pair")
    return folder, trained(home, folder, CONFIG, TWO)


def test_two_processes_train_what_one_trains(
    home: Path, tmp_path: Path, pair: tuple[Path, StudentResult]
) -> None:
    folder, two = pair
    one = trained(home, tmp_path / "one", CONFIG, HardwareConfig())
    alone, together = weights(tmp_path / "one"), weights(folder)
    assert alone.keys() == together.keys()
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name], tensor, rtol=0, atol=ORDER)
    for a, b in zip(one.history, two.history, strict=True):
        assert b.loss == pytest.approx(a.loss, abs=1e-5)
        assert b.loss_features == pytest.approx(a.loss_features, abs=1e-5)
    assert (one.key, one.best_epoch) == (two.key, two.best_epoch)
    assert not (folder / "lesson").exists()
    assert not workers(folder)


def test_killed_and_run_again_two_processes_end_where_they_would_have(
    home: Path, tmp_path: Path, pair: tuple[Path, StudentResult]
) -> None:
    folder = tmp_path / "killed"
    process = under_way(home, folder, CONFIG, TWO)
    wait_for(folder / CHECKPOINT, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until = time.monotonic() + 30
    while workers(folder) and time.monotonic() < until:  # they do not outlive the first
        time.sleep(0.1)
    assert not workers(folder)
    again = trained(home, folder, CONFIG, TWO)
    assert again.resumed_from
    for name, tensor in weights(pair[0]).items():
        torch.testing.assert_close(weights(folder)[name], tensor, rtol=0, atol=ORDER)


def test_a_process_that_dies_is_told_with_what_to_do(home: Path, tmp_path: Path) -> None:
    long = CONFIG.model_copy(update={"epochs": 500, "patience": 500})
    folder = tmp_path / "left"
    process = under_way(home, folder, long, TWO)
    wait_for(folder / CHECKPOINT, process)
    (worker,) = workers(folder)
    os.kill(worker, signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert re.search(r"PlumblineError: training process 1 of 2 ended with code -9 ", said)
    assert "run it again, it goes on from the last checkpoint" in said


def test_a_second_machine_joins_by_the_command_that_is_printed(
    home: Path, tmp_path: Path, pair: tuple[Path, StudentResult]
) -> None:
    folder = tmp_path / "nodes"
    process = under_way(home, folder, CONFIG, HardwareConfig(nodes=2, address="127.0.0.1"))
    assert process.stderr is not None
    said = next(line for line in process.stderr if "start on the other machines" in line)
    command = said.rpartition(": ")[2].replace("RANK", "1").split()
    code = str(Path(__file__).resolve().parents[2])
    other = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": code})
    process.communicate(timeout=240)
    assert (process.returncode, other.wait(60)) == (0, 0)
    for name, tensor in weights(pair[0]).items():
        torch.testing.assert_close(weights(folder)[name], tensor, rtol=0, atol=ORDER)


def test_a_process_without_memory_is_full_memory_here_too(tmp_path: Path) -> None:
    job = Job("k", tmp_path, "{}", 0, "cpu", 2, 1, "127.0.0.1", 1, 4)
    ended = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({MEMORY_FULL})"])
    ended.wait()
    with pytest.raises(MemoryError, match="training process 1 had no memory left"):
        Crew(job, tmp_path)._explain({1: ended}, RuntimeError("connection closed by peer"))
    (tmp_path / "process-1.log").write_text("Traceback\nOSError: disk on fire\n")
    broken = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    broken.wait()
    with pytest.raises(PlumblineError, match="ended with code 3 \\(OSError: disk on fire\\)"):
        Crew(job, tmp_path)._explain({1: broken}, RuntimeError("connection closed by peer"))


@pytest.mark.parametrize("world", range(1, 6))
@pytest.mark.parametrize("count", range(2, 12))
def test_shares_are_the_batch_and_none_passes_a_single_image(count: int, world: int) -> None:
    owned: list[int] = []
    for rank in range(world):
        passed, own = share(count, rank, world)
        images = list(range(count))[passed]
        assert len(images) >= 2
        owned += images[own]
    assert owned == list(range(count))
