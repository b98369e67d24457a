"""How many images may be in a network at once: measured on a GPU, estimated on a CPU."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import nn

from inspection.features.backbone import Backbone

GPU_MOST = 512
"""Images; more makes no GPU faster."""
CPU_MOST = 8
"""Images per thread; more is slower, because maps leave the processor's caches (MobileNetV2: 16 % at 32)."""
GPU_SHARE = 0.8
CPU_SHARE = 0.5
"""Of the free memory; Linux kills a process that takes more instead of telling it."""
MAPS_ALIVE = 6
"""Buffers of the largest output's size that live at once, on the safe side: input, output, sum, what pooling keeps."""


def fitting_batch_size(backbone: Backbone, threads: int) -> int:
    """A power of two on a GPU; on a CPU the images of all `threads` together, each with its own equal part."""
    if backbone.device.type == "cuda":
        return _gpu_batch_size(backbone)
    room = CPU_SHARE * available_memory() / threads
    return threads * _power_of_two(room / bytes_per_image(backbone), CPU_MOST)


def available_memory() -> int:
    """Bytes this process may still take: the machine's, or its container's if that is less."""
    free = _field(Path("/proc/meminfo"), "MemAvailable:") * 1024 or 2**31
    group = Path("/sys/fs/cgroup")
    try:
        most = int((group / "memory.max").read_text())
        taken = int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return free
    pages = _field(group / "memory.stat", "inactive_file")  # the kernel gives these back
    return max(1, min(free, most - taken + pages))


def bytes_per_image(backbone: Backbone) -> int:
    """About what one image occupies on its way through the network."""
    largest = 1

    def watch(_module: nn.Module, _inputs: object, output: object) -> None:
        nonlocal largest
        if isinstance(output, torch.Tensor):
            largest = max(largest, output.numel() * output.element_size())

    hooks = [module.register_forward_hook(watch) for module in backbone.module.modules()]
    try:
        backbone.embed(_blank(backbone, 1))
    finally:
        for hook in hooks:
            hook.remove()
    return MAPS_ALIVE * largest


def _gpu_batch_size(backbone: Backbone) -> int:
    few, more = (_gpu_peak(backbone, count) for count in (2, 8))
    each = max(1.0, (more - few) / 6)
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(backbone.device)
    return _power_of_two(GPU_SHARE * free / each, GPU_MOST)


def _gpu_peak(backbone: Backbone, count: int) -> int:
    torch.cuda.reset_peak_memory_stats(backbone.device)
    backbone.embed(_blank(backbone, count))
    return int(torch.cuda.max_memory_allocated(backbone.device))


def _blank(backbone: Backbone, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.zeros((count, backbone.image_size, backbone.image_size, 3), np.uint8)


def _power_of_two(room: float, most: int) -> int:
    return int(2 ** math.floor(math.log2(min(max(room, 1.0), most))))


def _field(path: Path, name: str) -> int:
    """The first number behind `name` at a line's start; 0 where there is none."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)
