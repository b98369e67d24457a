"""Metal and fabric as an inspection camera sees them: textures under uneven light, from a random generator.

All canvases are float32 (size, size) in grey levels. Lengths are fractions of the size or scale with it, so that a
64 px data set shows the same parts as a 256 px one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Canvas = npt.NDArray[Any]
Random = np.random.Generator

REFERENCE = 128
"""Pixels to which the lengths below refer."""


def noise(size: int, random: Random) -> Canvas:
    """White noise, standard deviation 1."""
    return random.standard_normal((size, size), dtype=np.float32)


def blurred(canvas: Canvas, across: float, along: float | None = None) -> Canvas:
    """Gaussian blur by `across` pixels, or by another width along the rows."""
    along = across if along is None else along
    reflect = cv2.BORDER_REFLECT
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), along, sigmaY=across, borderType=reflect))


def smooth(size: int, random: Random, across: float, along: float) -> Canvas:
    """Noise blurred by (across, along) pixels, mean 0, standard deviation 1."""
    drawn = blurred(noise(size, random), across, along)
    standard: Canvas = (drawn - drawn.mean()) / (drawn.std() + 1e-6)
    return standard


def surface(size: int, random: Random) -> tuple[Canvas, Canvas]:
    """A clean surface in grey levels, and the light that falls on it as a factor around 1."""
    texture = TEXTURES[random.integers(len(TEXTURES))](size, random)
    lamp = light(size, random)
    return (random.uniform(82, 150) + texture) * lamp, lamp


def light(size: int, random: Random) -> Canvas:
    """A lamp beside the part and a lens: a slope, a broad glare and darker corners; a factor around 1."""
    angle, slope = random.uniform(0, 2 * np.pi), random.uniform(0.08, 0.34)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    glare_x, glare_y = random.uniform(-0.55, 0.55, 2)
    reach = random.uniform(0.08, 0.3)
    glare = np.exp(-((x - glare_x) ** 2 + (y - glare_y) ** 2) / reach) * random.uniform(0, 0.22)
    corners = (x**2 + y**2) * random.uniform(0, 0.3)
    lamp: Canvas = 1 + (x * np.cos(angle) + y * np.sin(angle)) * slope + glare - corners
    return lamp.astype(np.float32)


def brushed(size: int, random: Random) -> Canvas:
    """Sheet metal drawn through a brush: fine streaks of every length, a few deeper."""
    scale = size / REFERENCE
    fine = _streaks(size, random, 0.5, size / 3) * 5
    broad = _streaks(size, random, 1.6 * scale, size) * 4
    deep = np.clip(_streaks(size, random, 0.5, size / 4) - 1.9, 0, None) * 9
    # Nearly along or nearly across the conveyor, as sheets lie.
    angle = random.choice((0.0, 90.0)) + random.normal(0, 1.5)
    return _cut(fine + broad + deep, size, angle) + noise(size, random) * 1.5


def rolled(size: int, random: Random) -> Canvas:
    """Hot-rolled steel: mottled scale, fine grit, a trace of the rollers."""
    scale = size / REFERENCE
    mottled = np.tanh(smooth(size, random, 5.0 * scale, 8.0 * scale) * 1.2) * 6
    grit = smooth(size, random, 0.7, 1.0) * 4.5
    trace = smooth(size, random, 1.4 * scale, size / 3) * 2.5
    return mottled + grit + trace + noise(size, random) * 1.5


def honed(size: int, random: Random) -> Canvas:
    """A ground face: faint marks crossing at an angle."""
    angle = random.uniform(18, 38)
    marks = [_streaks(size, random, 0.6, size / 3) * 4.5 for _ in range(2)]
    crossed = _cut(marks[0], size, angle) + _cut(marks[1], size, -angle)
    drawn: Canvas = crossed + smooth(size, random, 6, 6) * 2 + noise(size, random) * 1.5
    return drawn


def cast(size: int, random: Random) -> Canvas:
    """Cast or blasted metal: grains, some glinting."""
    scale = size / REFERENCE
    grains = smooth(size, random, 1.1, 1.1)
    glints = np.clip(smooth(size, random, 0.6, 0.6) - 2.0, 0, None) * 12
    drawn: Canvas = grains * 5.5 + glints + smooth(size, random, 7 * scale, 7 * scale) * 3
    return drawn


def woven(size: int, random: Random) -> Canvas:
    """A plain cloth or belt: threads over and under, no two alike, never quite straight."""
    pitch = random.uniform(3.6, 5.2) * size / REFERENCE
    bend = [smooth(size, random, size / 8, size / 8) * 0.22 * pitch for _ in range(2)]
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    warp, weft = (x + bend[0]) / pitch, (y + bend[1]) / pitch
    rows, columns = np.sin(np.pi * weft), np.sin(np.pi * warp)
    over = rows * columns > 0
    relief = np.where(over, np.abs(columns), np.abs(rows)) * 13
    own = [random.standard_normal(size, dtype=np.float32) for _ in range(2)]
    threads = np.where(over, _each(own[0], warp), _each(own[1], weft)) * 3
    cloth = blurred((relief + threads).astype(np.float32), 0.6)
    drawn: Canvas = cloth - cloth.mean() + smooth(size, random, 1.0, 1.0) * 2.5
    return drawn


def _each(values: Canvas, thread: Canvas) -> Canvas:
    """One value per thread."""
    drawn: Canvas = values[np.clip(thread, 0, len(values) - 1).astype(int)]
    return drawn


def _streaks(size: int, random: Random, across: float, along: float) -> Canvas:
    """Horizontal streaks on a canvas large enough to be turned and cut to `size`."""
    return smooth(_room(size), random, across, along)


def _room(size: int) -> int:
    return math.ceil(size * math.sqrt(2)) + 2


def _cut(drawn: Canvas, size: int, degrees: float) -> Canvas:
    """The middle of a larger canvas, turned."""
    centre = (len(drawn) - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), degrees, 1.0)
    turned: Canvas = cv2.warpAffine(drawn, matrix, drawn.shape[::-1], flags=cv2.INTER_LINEAR)
    start = (len(drawn) - size) // 2
    return turned[start : start + size, start : start + size]


TEXTURES: tuple[Callable[[int, Random], Canvas], ...] = (brushed, rolled, honed, cast, woven)
