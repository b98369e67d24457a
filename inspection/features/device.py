"""Where the arithmetic happens, and on how many cores."""

from __future__ import annotations

import os

import torch

from inspection.errors import UserError


def resolve_device(name: str) -> torch.device:
    """`auto` is the GPU when there is one; `cuda` without one is the user's mistake."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "device is 'cuda' but torch finds no GPU here: use device=auto or device=cpu"
        )
    return torch.device(name)


def multiplies_bfloat16(device: str) -> bool:
    """Whether `device` is a GPU with bfloat16 of its own, not an emulation."""
    if torch.device(device).type != "cuda":
        return False
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def use_own_cores() -> None:
    """Keep torch on the cores this process may use: in a container it would count the whole machine's."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if torch.get_num_threads() > (cores or 1):
        torch.set_num_threads(cores or 1)
