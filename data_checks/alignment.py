"""Two photographs of one thing, brought to one place and one light.

Covered: shifts up to `MAX_SHIFT` in fractions of a pixel, gain and offset, clipping, different crops; a tenth of the
view may differ, since what does not fit counts for little. Not covered: rotation, mirroring, rescaling.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

MAX_SHIFT = 16.0
"""Pixels; beyond it two photographs are not compared."""
MARGIN = 4
"""Pixels at the border left out of the fit of position."""
EDGE = 2
"""Pixels at the border that interpolation has to guess."""
COLOURED = 8
"""Levels by which red, green and blue differ somewhere in an image that is not grey."""
SMOOTHING = 1.0
"""Standard deviation in pixels of the blur given to both, so that interpolation does not tell them apart."""

Plane = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


def align(first: Plane, second: Plane) -> tuple[float, float] | None:
    """How far the second lies beside the first, in pixels (x, y); None beyond `MAX_SHIFT`."""
    window = cv2.createHanningWindow((first.shape[1], first.shape[0]), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(_fine(first), _fine(second), window)
    if not (math.isfinite(x + y) and max(abs(x), abs(y)) <= MAX_SHIFT):
        return None
    return _refined(blurred(first), blurred(second), x, y)


def _refined(a: Plane, b: Plane, x: float, y: float) -> tuple[float, float] | None:
    """Gauss-Newton on position and light together; pixels that do not fit count for little."""
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    step = max(1, round(math.sqrt(a.size / 40_000)))
    target = b[inner][::step, ::step].ravel()
    weights: npt.NDArray[np.floating] = np.ones_like(target)
    for _ in range(5):
        there = moved(a, x, y)
        parts = (there, np.ones_like(there), -slope(there, 1, 0), -slope(there, 0, 1))
        system = np.stack([part[inner][::step, ::step].ravel() for part in parts], axis=1)
        weighted = system * weights[:, None]
        normal = weighted.T @ system + 1e-3 * np.eye(4, dtype=np.float32)
        answer = np.linalg.solve(normal, weighted.T @ target)
        left = target - system @ answer
        weights = 1 / (1 + (left / (3 * spread(left) + 0.1)) ** 2)
        dx, dy = np.clip(answer[2:] / max(float(answer[0]), 0.2), -1, 1)
        x, y = x + float(dx), y + float(dy)
        if max(abs(dx), abs(dy)) < 0.01:
            break
    return (x, y) if max(abs(x), abs(y)) <= MAX_SHIFT else None


def light_between(a: Plane, b: Plane) -> tuple[Plane, Plane]:
    """Gain and offset from the first to the second at every pixel: smooth fields, fitted where neither is clipped."""
    fair = (a > 3) & (a < 252) & (b > 3) & (b < 252)
    fields = _fields(a.shape)
    step = max(1, int(fair.sum()) // 20_000)
    x, y = a[fair][::step].astype(np.float64), b[fair][::step].astype(np.float64)
    if len(x) < 100:
        return np.ones_like(a), np.zeros_like(a)
    part = np.stack([field[fair][::step] for field in fields], axis=1).astype(np.float64)
    middle = float(x.mean())
    system = np.concatenate([part * (x - middle)[:, None], part], axis=1)
    # The gain is held near a constant, and near 1 where there is no contrast to tell it by.
    prior = np.r_[10.0, np.full(len(fields) - 1, 30.0), np.zeros(len(fields))] * math.sqrt(len(x))
    wanted = np.r_[prior[0], np.zeros(2 * len(fields) - 1)]
    weights = np.ones_like(x)
    for _ in range(4):
        weighted = system * weights[:, None]
        normal = weighted.T @ system + np.diag(prior) + 1e-6 * np.eye(len(prior))
        answer = np.linalg.solve(normal, weighted.T @ y + wanted)
        left = y - system @ answer
        weights = 1 / (1 + (left / (2 * spread(left) + 0.1)) ** 2)
    gain = np.maximum(np.tensordot(answer[: len(fields)], fields, axes=1), 0.05)
    offset = np.tensordot(answer[len(fields) :], fields, axes=1) - gain * middle
    return np.asarray(gain, np.float32), np.asarray(offset, np.float32)


def _fields(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """1, x, y, x^2, x y, y^2 over a view from -1 to 1; (6, H, W)."""
    y, x = (np.linspace(-1, 1, side) for side in shape)
    y, x = np.broadcast_arrays(y[:, None], x[None, :])
    return np.stack([np.ones(shape), x, y, x * x, x * y, y * y])


def common_view(first: Pixels, second: Pixels) -> tuple[Pixels, Pixels, float]:
    """Both cut to the smaller height and width, about the middle; and the widest strip that is cut off."""
    height, width = min(first.shape[0], second.shape[0]), min(first.shape[1], second.shape[1])
    cut = max(
        max(pixels.shape[0] - height, pixels.shape[1] - width) / 2 for pixels in (first, second)
    )
    middle = [_middle(pixels, height, width) for pixels in (first, second)]
    return middle[0], middle[1], float(cut)


def _middle(pixels: Pixels, height: int, width: int) -> Pixels:
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def _fine(plane: Plane) -> Plane:
    high = plane - cv2.GaussianBlur(plane, (0, 0), 4)
    return np.asarray(cv2.GaussianBlur(high, (0, 0), 0.8), np.float32)


def moved(plane: Plane, x: float, y: float) -> Plane:
    """The plane shifted by a fraction of a pixel."""
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = (plane.shape[1], plane.shape[0])
    shifted = cv2.warpAffine(
        plane, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(shifted, np.float32)


def overlap(shape: tuple[int, ...], shift: tuple[float, float]) -> tuple[slice, slice]:
    """The rows and columns of the second that the moved first really shows."""
    x, y = shift
    rows = slice(math.ceil(max(0.0, y)) + EDGE, shape[0] + math.floor(min(0.0, y)) - EDGE)
    columns = slice(math.ceil(max(0.0, x)) + EDGE, shape[1] + math.floor(min(0.0, x)) - EDGE)
    return rows, columns


def planes(pixels: Pixels, *, colours: bool) -> list[Plane]:
    """Brightness; and with colour two differences of colour, so that no stain hides in equal brightness."""
    if not colours:
        return [grey(pixels)]
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB).astype(np.uint8)
    red, green, blue = (pixels[..., i].astype(np.float32) for i in range(3))
    differences = (127.5 + (red - green) / 2, 127.5 + (blue - green) / 2)
    return [grey(pixels), *(np.asarray(colour, np.float32) for colour in differences)]


def coloured(pixels: Pixels) -> bool:
    """Whether red, green and blue differ anywhere."""
    if pixels.ndim == 2:
        return False
    small = pixels[::4, ::4].astype(np.int16)
    return bool(np.abs(small - small[..., :1]).max(initial=0) > COLOURED)


def grey(pixels: Pixels) -> Plane:
    """Brightness, float32 (H, W)."""
    bright = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return np.asarray(bright, np.float32)


def blurred(plane: npt.NDArray[np.floating]) -> Plane:
    """Slightly, by `SMOOTHING`."""
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), SMOOTHING), np.float32)


def slope(plane: Plane, x: int, y: int) -> Plane:
    """Change per pixel along x or y."""
    return np.asarray(cv2.Sobel(plane, cv2.CV_32F, x, y, scale=1 / 8), np.float32)


def spread(values: npt.NDArray[np.floating]) -> float:
    """Standard deviation about zero that outliers do not move."""
    return 1.4826 * float(np.median(np.abs(values)))
