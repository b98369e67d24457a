"""The same surface, seen again: mirrored, turned, shifted by a few pixels, lit otherwise, and if asked rotated.

Everything is drawn from one generator and done for the whole batch at once. Mirror, turn and shift are one gather of
whole pixels (three bytes and one of padding make an int32, the fastest thing to gather); edges are mirrored, never
invented. A rotation by any angle is the one thing that interpolates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from inspection.features.orientation import COLUMNS, ROWS, TURNED, VIEWS
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
    mirror_rows: bool = True
    """Mirrored up-down too; needs things without an upright position."""
    rotate: float = 0.0
    """Degrees either way."""
    jitter: float = 0.0
    """Brightness, contrast and saturation, each as a factor 1 +- jitter."""

    @property
    def views(self) -> tuple[int, ...]:
        """In which views (`inspection/features/orientation.py`) a square image may be shown."""
        allowed = ROWS * (self.mirror and self.mirror_rows) + COLUMNS * self.mirror
        allowed += TURNED * self.turn
        return tuple(view for view in range(VIEWS) if view & allowed == view)


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
    return augmented(images, settings, generator)[0]


def augmented(
    images: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """As `augment`, and the view (N,) int64 that each image is shown in, on the CPU."""
    moved, views = _moved(images, settings, generator)
    pixels = _relit(moved.float(), settings, generator)
    # Drawn last and only when asked for: what is drawn above stays what it was without them.
    if settings.rotate > 0:
        pixels = _rotated(pixels, settings.rotate, generator)
    if settings.jitter > 0:
        pixels = _jittered(pixels, settings.jitter, generator)
    return pixels, views


def _moved(
    images: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    count, height, width, _ = images.shape
    flipped = settings.mirror and settings.mirror_rows
    rows, up_down = _places(count, height, settings.shift, flipped, generator)
    columns, left_right = _places(count, width, settings.shift, settings.mirror, generator)
    places = rows[:, :, None] * width + columns[:, None, :]
    views = ROWS * up_down + COLUMNS * left_right
    if settings.turn and height == width:
        turned = torch.rand(count, 1, 1, generator=generator) < 0.5
        places = torch.where(turned, places.transpose(1, 2), places)
        views += TURNED * turned[:, 0, 0]
    places = places + torch.arange(count)[:, None, None] * (height * width)
    packed = functional.pad(images, (0, 1)).view(torch.int32)
    moved = packed.flatten().index_select(0, places.flatten().to(images.device))
    return moved.view(torch.uint8).view(count, height, width, 4)[..., :3], views


def _places(
    count: int, side: int, share: float, mirror: bool, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which source row each row (N, side) is taken from: shifted, perhaps mirrored, reflected at the edges.

    And which images (N,) are mirrored.
    """
    reach = int(share * side)
    shift = torch.randint(-reach, reach + 1, (count, 1), generator=generator)
    places = torch.arange(side)[None, :] + shift
    places = places.abs()
    places = torch.where(places >= side, 2 * (side - 1) - places, places)
    if not mirror:
        return places, torch.zeros(count, dtype=torch.bool)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    return torch.where(mirrored, side - 1 - places, places), mirrored[:, 0]


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


def _rotated(pixels: torch.Tensor, degrees: float, generator: torch.Generator) -> torch.Tensor:
    """Each image about its centre by up to `degrees`; what comes in from outside is mirrored from inside."""
    count, height, width, _ = pixels.shape
    drawn = 2.0 * torch.rand(count, generator=generator) - 1.0
    angle = drawn * math.radians(degrees)
    cosine, sine, none = angle.cos(), angle.sin(), torch.zeros(count)
    # On a scale of -1..1 both ways, an oblong image's pixels are not square.
    across = torch.stack([cosine, -sine * height / width, none], dim=1)
    down = torch.stack([sine * width / height, cosine, none], dim=1)
    turn = torch.stack([across, down], dim=1).to(pixels.device)
    places = functional.affine_grid(turn, [count, 3, height, width], align_corners=False)
    images = functional.grid_sample(
        pixels.permute(0, 3, 1, 2), places, padding_mode="reflection", align_corners=False
    )
    return images.permute(0, 2, 3, 1).contiguous()


def _jittered(pixels: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Brightness about black, contrast about the image's mean, saturation about each pixel's grey."""
    draws = torch.rand(3, len(pixels), 1, 1, 1, generator=generator).to(pixels.device)
    factors = 1.0 + share * (2.0 * draws - 1.0)
    pixels = pixels * factors[0]
    level = pixels.mean(dim=(1, 2, 3), keepdim=True)
    pixels = level + (pixels - level) * factors[1]
    grey = pixels.mean(dim=3, keepdim=True)
    return (grey + (pixels - grey) * factors[2]).clamp_(0.0, 255.0)


def to_network(pixels: torch.Tensor, mean: Triple, std: Triple) -> torch.Tensor:
    """Float (N, H, W, 3) on 0..255 to normalised (N, 3, H, W), channels last in memory."""
    centre = torch.tensor(mean, device=pixels.device) * 255.0
    spread = torch.tensor(std, device=pixels.device) * 255.0
    return ((pixels - centre) / spread).permute(0, 3, 1, 2)
