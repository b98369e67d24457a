"""The same surface, seen again: mirrored, turned, shifted by a few pixels, lit otherwise.

Everything is drawn from one generator and done for the whole batch at once. Mirror, turn and shift are one gather of
whole pixels (three bytes and one of padding make an int32, the fastest thing to gather); edges are mirrored, never
invented.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from inspection.features.weights import Triple


@dataclass(frozen=True)
class Augmentation:
    """How far an image may be from what the camera saw."""

    mirror: bool = True
    turn: bool = True
    """By quarter turns; needs square images and classes without a direction."""
    shift: float = 0.08
    """Share of the side."""
    gain: float = 0.2
    """Contrast, as a factor 1 +- gain."""
    offset: float = 0.1
    """Brightness, in units of the full range."""
    noise: float = 0.01
    """Sensor noise, standard deviation in units of the full range, at most."""


def generator_for(seed: int, *position: int) -> torch.Generator:
    """A generator that depends on nothing but the seed and the position in the run."""
    generator = torch.Generator()
    state = seed
    for number in position:  # a multiplicative hash: neighbouring steps get unrelated streams
        state = (state * 6364136223846793005 + number + 1442695040888963407) % 2**63
    return generator.manual_seed(state)


def augment(
    images: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """uint8 (N, H, W, 3) to float (N, H, W, 3) on the scale 0..255, on the images' device."""
    moved = _moved(images, settings, generator)
    return _relit(moved.float(), settings, generator)


def _moved(
    images: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    count, height, width, _ = images.shape
    rows = _places(count, height, settings, generator)[:, :, None] * width
    columns = _places(count, width, settings, generator)[:, None, :]
    places = rows + columns
    if settings.turn and height == width:
        turned = torch.rand(count, 1, 1, generator=generator) < 0.5
        places = torch.where(turned, places.transpose(1, 2), places)
    places = places + torch.arange(count)[:, None, None] * (height * width)
    packed = functional.pad(images, (0, 1)).view(torch.int32)
    moved = packed.flatten().index_select(0, places.flatten().to(images.device))
    return moved.view(torch.uint8).view(count, height, width, 4)[..., :3]


def _places(
    count: int, side: int, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Which source row each row (N, side) is taken from: shifted, perhaps mirrored, reflected at the edges."""
    reach = int(settings.shift * side)
    shift = torch.randint(-reach, reach + 1, (count, 1), generator=generator)
    places = torch.arange(side)[None, :] + shift
    places = places.abs()
    places = torch.where(places >= side, 2 * (side - 1) - places, places)
    if settings.mirror:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        places = torch.where(mirrored, side - 1 - places, places)
    return places


def _relit(
    pixels: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """In place: a pass over the batch costs as much as a small convolution."""
    count = len(pixels)
    draws = torch.rand(3, count, 1, 1, 1, generator=generator).to(pixels.device)
    gain = 1.0 + settings.gain * (2.0 * draws[0] - 1.0)
    offset = 255.0 * settings.offset * (2.0 * draws[1] - 1.0)
    level = pixels.mean(dim=(1, 2, 3), keepdim=True)
    pixels.mul_(gain).add_(level * (1.0 - gain) + offset)
    if settings.noise > 0:
        # The same grain on all three channels: inspection cameras are mostly grey.
        grain = torch.randn(count, *pixels.shape[1:3], 1, generator=generator).to(pixels.device)
        pixels.add_(grain.mul_(255.0 * settings.noise * draws[2]))
    return pixels.clamp_(0.0, 255.0)


def to_network(pixels: torch.Tensor, mean: Triple, std: Triple) -> torch.Tensor:
    """Float (N, H, W, 3) on 0..255 to normalised (N, 3, H, W), channels last in memory."""
    centre = torch.tensor(mean, device=pixels.device) * 255.0
    spread = torch.tensor(std, device=pixels.device) * 255.0
    return ((pixels - centre) / spread).permute(0, 3, 1, 2)
