"""One file says where a run stands; it is whole, it is ours, or it is ignored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from inspection.training.checkpoint import (
    CHECKPOINT,
    Checkpoint,
    load_checkpoint,
    named,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)


def saved(folder: Path) -> Checkpoint:
    checkpoint = Checkpoint(
        named("net", nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last).state_dict()),
        {"key": "run", "step": 7, "sums": [0.1 + 0.2, 1e-300]},
    )
    save_checkpoint(folder, checkpoint)
    return checkpoint


def test_everything_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path)
    loaded = load_checkpoint(tmp_path, "run")
    assert loaded is not None
    assert loaded.facts == checkpoint.facts
    assert loaded.tensors.keys() == checkpoint.tensors.keys()
    assert all(torch.equal(loaded.tensors[k], v) for k, v in checkpoint.tensors.items())
    assert set(loaded.part("net")) == {"weight", "bias"}
    assert loaded.part("ne") == {}


def test_another_runs_checkpoint_is_not_taken(tmp_path: Path) -> None:
    saved(tmp_path)
    assert load_checkpoint(tmp_path, "another run") is None
    assert load_checkpoint(tmp_path / "empty", "run") is None


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_a_torn_file_is_not_taken(tmp_path: Path, kept: int) -> None:
    saved(tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:kept])
    assert load_checkpoint(tmp_path, "run") is None


def test_a_failed_write_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inspection.training.checkpoint.save_file", full)
    with pytest.raises(OSError, match="No space"):
        saved(tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_restored_optimizer_goes_on_as_if_nothing_had_happened() -> None:
    def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.LazyLinear(2)
        )
        module(torch.zeros(2, 3, 6, 6))
        module.to(memory_format=torch.channels_last)
        groups = [{"params": [p]} for p in module.parameters()]
        return module, torch.optim.AdamW(groups, lr=0.01)

    def steps(module: nn.Module, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
        for step in range(first, last):
            images = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            module(images).square().mean().backward()
            optimizer.step()

    straight, optimizer = fresh()
    steps(straight, optimizer, 0, 8)
    module, optimizer = fresh()
    steps(module, optimizer, 0, 3)
    tensors, weights = optimizer_tensors(optimizer), module.state_dict()
    tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    resumed, optimizer = fresh()
    resumed.load_state_dict(weights)
    restore_optimizer(optimizer, tensors)
    steps(resumed, optimizer, 3, 8)
    for ours, theirs in zip(resumed.parameters(), straight.parameters(), strict=True):
        assert torch.equal(ours, theirs)
