"""Where a student's answer comes from, as a map of heat over its input.

Covered: any CNN (Grad-CAM on the last feature maps that still have a place, whatever the network calls them), vision
transformers read through a prefix token (its attention in the last block), transformers without one (Grad-CAM over the
patch tokens). The student is left exactly as it was. Not covered: networks without maps or patches (AttributionError).

Sources: Selvaraju et al., Grad-CAM (ICCV 2017); Caron et al., Emerging Properties in Self-Supervised Vision
Transformers (ICCV 2021), for the last block's attention. A map shows what the answer rests on, not why.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from inspection.errors import PlumblineError
from inspection.models.receptive_field import Axis, Trail
from inspection.models.student import Student

Method = Literal["grad_cam", "token_grad_cam", "attention"]


class AttributionError(PlumblineError):
    """This network has nothing that such a map could be read from."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """`heat` float32 (N, H, W) in 0..1 over the network's input, the hottest point 1; all 0 where nothing speaks.

    `cells`: rows and columns of the map before it was enlarged, which is all the detail it has.
    """

    heat: npt.NDArray[np.float32]
    method: Method
    cells: tuple[int, int]


class _Layer(NamedTuple):
    """The call of a module whose output is explained; `channels_last` where it is (N, h, w, C)."""

    module: nn.Module
    call: int
    channels_last: bool


class _Maps(NamedTuple):
    """Values (N, h, w) >= 0, and where their rows and columns lie on the input."""

    values: torch.Tensor
    rows: Axis
    columns: Axis


def method_of(student: Student) -> Method:
    """How `attribute` will read this student."""
    transformer = _transformer(student)
    if transformer is None:
        return "grad_cam"
    return "attention" if _reads_prefix(transformer) else "token_grad_cam"


def attribute(student: Student, images: torch.Tensor, classes: torch.Tensor) -> Attribution:
    """The heat behind class numbers `classes` (N,) on normalised float images (N, 3, H, W), on the student's device.

    Attention belongs to the image, not to a class: with that method, `classes` change nothing.
    """
    method = method_of(student)
    with _undisturbed(student):
        if method == "attention":
            maps = _attention(student, images)
        elif method == "token_grad_cam":
            maps = _token_grad_cam(student, images, classes)
        else:
            maps = _map_grad_cam(student, images, classes)
    cells = (int(maps.values.shape[1]), int(maps.values.shape[2]))
    return Attribution(_enlarged(maps, images.shape[-2:]), method, cells)


@contextmanager
def _undisturbed(student: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards every module is in the mode it was in."""
    modes = [(module, module.training) for module in student.modules()]
    student.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _enlarged(maps: _Maps, size: torch.Size) -> npt.NDArray[np.float32]:
    """Maps at the input's size, linear between the cells' centres, each divided by its maximum; nothing stays 0."""
    clean = torch.nan_to_num(maps.values.float(), nan=0.0, posinf=0.0, neginf=0.0).cpu()
    down = maps.rows.weights(size[0], clean.shape[1])
    across = maps.columns.weights(size[1], clean.shape[2])
    large = down @ clean @ across.T
    top = large.amax((1, 2), keepdim=True)
    heat = torch.where(top > 0, large / top.clamp_min(torch.finfo(top.dtype).tiny), 0.0)
    return np.ascontiguousarray(heat.clamp(0.0, 1.0).numpy())


# Grad-CAM.


def _map_grad_cam(student: Student, images: torch.Tensor, classes: torch.Tensor) -> _Maps:
    layer, trail = _last_maps(student, images[:1])
    maps, slopes = _activations(student, layer, images, classes)
    if layer.channels_last:
        maps, slopes = (tensor.permute(0, 3, 1, 2) for tensor in (maps, slopes))
    (height, width), (rows, columns) = images.shape[-2:], maps.shape[-2:]
    return _Maps(
        _weighted(maps, slopes),
        trail.axis(trail.rows, height, rows),
        trail.axis(trail.columns, width, columns),
    )


def _token_grad_cam(student: Student, images: torch.Tensor, classes: torch.Tensor) -> _Maps:
    transformer = _transformer(student)
    layer = _Layer(transformer.blocks[-1], 1, True)
    maps, slopes = (
        _on_grid(tokens[:, transformer.num_prefix_tokens :], transformer, images)
        for tokens in _activations(student, layer, images, classes)
    )
    return _tiled(_weighted(maps, slopes), images)


def _tiled(values: torch.Tensor, images: torch.Tensor) -> _Maps:
    sides = zip(images.shape[-2:], values.shape[-2:], strict=True)
    return _Maps(values, *(Axis.tiles(length, cells) for length, cells in sides))


def _weighted(maps: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Maps (N, C, h, w) summed by their mean slopes; only what speaks for the class stays."""
    weights = slopes.mean((2, 3), keepdim=True)
    return torch.relu((weights * maps).sum(1))


def _activations(
    student: Student, layer: _Layer, images: torch.Tensor, classes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The layer's output and the slopes of the classes' logits along it.

    The graph is cut at the layer: no parameter gets a gradient, whether it asks for one or not.
    """
    held: list[torch.Tensor] = []
    calls = 0

    def cut(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls != layer.call:
            return output
        held.append(output.detach().requires_grad_(True))
        # A copy: the next layer may work in place.
        return held[0].clone()

    handle = layer.module.register_forward_hook(cut)
    try:
        with torch.enable_grad():
            logits, _ = student(images)
            spoken = logits.gather(1, classes[:, None].to(logits.device)).sum()
    finally:
        handle.remove()
    if not spoken.requires_grad:
        raise AttributionError("the student's answer does not depend on its last feature maps")
    (slopes,) = torch.autograd.grad(spoken, held[0], allow_unused=True)
    maps = held[0].detach()
    return maps, torch.zeros_like(maps) if slopes is None else slopes


def _last_maps(student: Student, image: torch.Tensor) -> tuple[_Layer, Trail]:
    """The last module to hand on maps of more than one cell: what lies behind it has pooled the place away.

    And the changes of size on the way.
    """
    last = any(str(getattr(part, "output_fmt", "")).endswith("NHWC") for part in student.modules())
    calls: dict[nn.Module, int] = {}
    found: list[tuple[nn.Module, int]] = []

    trail = Trail()

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        calls[module] = calls.get(module, 0) + 1
        if isinstance(output, torch.Tensor) and _is_map(output, last):
            found.append((module, calls[module]))
            if inputs:
                trail.note(module, inputs[0], output)

    handles = [
        part.register_forward_hook(note) for part in student.modules() if part is not student
    ]
    try:
        with torch.no_grad():
            student(image)
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise AttributionError(
            "the student has no feature maps larger than one cell: give it larger images"
        )
    return _Layer(*found[-1], last), trail


def _is_map(output: torch.Tensor, channels_last: bool) -> bool:
    if output.dim() != 4 or output.shape[0] != 1 or not output.is_floating_point():
        return False
    height, width = output.shape[1:3] if channels_last else output.shape[2:]
    return height * width > 1


# Transformers.


def _transformer(student: Student) -> Any:
    """timm's vision transformer inside the student; None if it is something else."""
    needed = ("blocks", "patch_embed", "num_prefix_tokens")
    for part in student.modules():
        if all(hasattr(part, name) for name in needed) and _attends(part):
            return part
    return None


def _attends(transformer: Any) -> bool:
    return hasattr(transformer.blocks[-1], "attn")


def _reads_prefix(transformer: Any) -> bool:
    """Whether the classifier reads a prefix token whose attention can be listened to."""
    attention = transformer.blocks[-1].attn
    listening = hasattr(attention, "attn_drop") and hasattr(attention, "fused_attn")
    reads = getattr(transformer, "global_pool", "") == "token"
    return bool(transformer.num_prefix_tokens and reads and listening)


def _attention(student: Student, images: torch.Tensor) -> _Maps:
    """How much the first prefix token attends to each patch in the last block, mean over heads."""
    transformer = _transformer(student)
    attention = transformer.blocks[-1].attn
    held: list[torch.Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        held.append(inputs[0].detach())

    fused, handle = attention.fused_attn, attention.attn_drop.register_forward_pre_hook(keep)
    attention.fused_attn = False  # the fused kernel never shows its weights
    try:
        with torch.no_grad():
            student(images)
    finally:
        attention.fused_attn = fused
        handle.remove()
    if not held:
        raise AttributionError("the student's last block does not show its attention")
    patches = held[-1].mean(1)[:, 0, transformer.num_prefix_tokens :]
    return _tiled(_on_grid(patches[:, :, None], transformer, images)[:, 0], images)


def _on_grid(tokens: torch.Tensor, transformer: Any, images: torch.Tensor) -> torch.Tensor:
    """Patch tokens (N, h * w, C) as maps (N, C, h, w)."""
    sides = zip(images.shape[-2:], transformer.patch_embed.patch_size, strict=True)
    rows, columns = (-(-side // patch) for side, patch in sides)
    if rows * columns != tokens.shape[1]:
        raise AttributionError(
            f"{tokens.shape[1]} patch tokens do not cover the image as {rows} x {columns}"
        )
    return tokens.transpose(1, 2).reshape(len(tokens), -1, rows, columns)
