"""Images read before they are needed: the same ones, in the same order, few of them in memory, none read twice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from deploy.edge.spec import Preprocessing
from inspection.training.pixels import AHEAD, InMemory, PixelSource, ReadAhead, open_pixels
from inspection.training.stream import EpochStream, Plan
from tests.unit.learning_material import CONFIG, taught, trained


class Counted:
    """Images that are their own position, a count of what was asked for, and a gate that can be held shut."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()

    def take(self, positions: torch.Tensor) -> torch.Tensor:
        self.asked.append(positions.tolist())
        assert self.open.wait(10)
        return positions.clone()


def test_every_batch_is_read_once_in_order_and_ahead_of_its_turn() -> None:
    source, plan = Counted(), Plan(23, 4, 1)
    ahead = ReadAhead(source)
    stream = EpochStream(plan, lambda: 0, ahead.announce)
    for number, (batch, expected) in enumerate(zip(stream, plan.rest_of_epoch(0), strict=True)):
        assert torch.equal(ahead.take(batch.positions), expected.positions)
        assert len(ahead._waiting) <= AHEAD
        assert batch.step == number
    assert source.asked == [batch.positions.tolist() for batch in plan.rest_of_epoch(0)]
    assert not ahead._waiting


def test_reading_goes_on_while_the_batch_before_is_in_use() -> None:
    source = Counted()
    ahead = ReadAhead(source)
    batches = iter(EpochStream(Plan(12, 4, 1), lambda: 0, ahead.announce))
    first = next(batches)
    ahead.take(first.positions)
    for coming in ahead._waiting.values():
        coming.result(10)  # done without anybody taking them
    assert len(source.asked) == 3


def test_what_was_left_behind_is_dropped_and_memory_stays_bounded() -> None:
    source = Counted()
    source.open.clear()
    ahead = ReadAhead(source)
    for number in range(50):
        ahead.announce(torch.tensor([number]))
        assert len(ahead._waiting) <= AHEAD + 2
    source.open.set()
    assert ahead.take(torch.tensor([3])).tolist() == [3]  # dropped: read anew
    assert ahead.take(torch.tensor([49])).tolist() == [49]


def test_a_file_that_cannot_be_read_is_an_error_where_it_is_taken() -> None:
    class Broken:
        def take(self, positions: torch.Tensor) -> torch.Tensor:
            raise OSError(f"gone: {positions.tolist()}")

    ahead = ReadAhead(Broken())
    ahead.announce(torch.tensor([1]))
    with pytest.raises(OSError, match=r"gone: \[1\]"):
        ahead.take(torch.tensor([1]))


@pytest.mark.training
def test_a_student_from_disk_is_the_student_from_memory(tmp_path: Path) -> None:
    home, config = taught(tmp_path, 48), CONFIG.model_copy(update={"epochs": 2})
    opened: list[PixelSource] = []

    def never_in_memory(
        paths: Sequence[Path], preprocessing: Preprocessing, *, what: str
    ) -> PixelSource:
        opened.append(open_pixels(paths, preprocessing, what=what, memory_bytes=0))
        return opened[-1]

    folders = tmp_path / "memory", tmp_path / "disk"
    for folder in folders:
        folder.mkdir()
    trained(home, folders[0], config)
    trained(home, folders[1], config, pixels=never_in_memory)
    assert len(opened) == 2
    assert not any(isinstance(source, InMemory) for source in opened)
    first, second = (load_file(folder / "student.safetensors") for folder in folders)
    assert all(torch.equal(first[name], second[name]) for name in first)
