"""What can go wrong while a network learns, told apart: a loss that is no number, and memory that is not enough."""

from __future__ import annotations

import sys

import torch

SIGNS_OF_FULL_MEMORY = (
    "out of memory",
    "not enough memory",
    "DefaultCPUAllocator",
    "can't allocate memory",
    "std::bad_alloc",
)


class Diverged(Exception):
    """The loss, or an answer on validation images, is not a finite number; never leaves the training room."""

    def __init__(self, what: str, step: int) -> None:
        super().__init__(f"{what} after {step} steps")


def is_memory_full(error: BaseException) -> bool:
    """Whether an error says that an allocator had nothing left; torch says it in several ways."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(sign in text for sign in SIGNS_OF_FULL_MEMORY)


def say(remark: str) -> None:
    """One line on stderr."""
    print(f"student: {remark}", file=sys.stderr, flush=True)
