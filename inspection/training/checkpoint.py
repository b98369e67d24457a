"""All that a run needs to go on, in one file that is replaced as a whole: safetensors, with JSON in its header.

No random state is kept: every draw is a function of the seed and the step. Nothing is pickled, so opening a foreign
checkpoint runs no code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from deploy.edge.files import written_aside

CHECKPOINT = "checkpoint.safetensors"

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Tensors by dotted name, and JSON-able facts."""

    tensors: Tensors
    facts: dict[str, Any]

    def part(self, prefix: str) -> Tensors:
        """The tensors below `prefix`, without it."""
        start = f"{prefix}."
        return {
            name.removeprefix(start): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(start)
        }


def named(prefix: str, tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Tensors under `prefix`, detached, on the CPU, in memory of their own."""
    return {
        f"{prefix}.{name}": tensor.detach().cpu().contiguous().clone()
        for name, tensor in tensors.items()
    }


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the folder's checkpoint, whole or not at all."""
    metadata = {"facts": json.dumps(checkpoint.facts)}
    with written_aside(folder / CHECKPOINT) as aside:
        save_file(checkpoint.tensors, aside, metadata=metadata)


def load_checkpoint(folder: Path, key: str) -> Checkpoint | None:
    """The folder's checkpoint, if there is one of the run `key` that can be read."""
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as stream:
            facts = json.loads((stream.metadata() or {}).get("facts", "{}"))
            if facts.get("key") != key:
                return None
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError):
        return None
    return Checkpoint(tensors, facts)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """The optimizer's per-parameter state as `<parameter>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value)
        for number, values in state.items()
        for name, value in values.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Put back what `optimizer_tensors` took out; parameter groups keep today's settings."""
    state: dict[int, Tensors] = {}
    for dotted, tensor in tensors.items():
        number, _, name = dotted.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if value.shape == parameter.shape:  # the order in memory too: it decides last bits
                values[name] = torch.empty_like(parameter).copy_(value)
