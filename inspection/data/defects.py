"""What goes wrong with a surface, drawn: each defect is the change it makes, in grey levels under even light.

Every defect takes the canvas size and a random generator and gives float32 (size, size), 0 where the surface is sound.
Strength varies by a factor of two and more, so that some are plain and some are hard to see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from inspection.data.textures import REFERENCE, Canvas, Random, blurred, smooth

Points = npt.NDArray[np.float64]


def scratch(size: int, random: Random) -> Canvas:
    """One to three nearly parallel, nearly straight bright lines, fading at the ends, a dark burr beside each."""
    change = np.zeros((size, size), np.float32)
    angle, strength = random.uniform(0, np.pi), _strength(random, 40, 88)
    centre = _place(size, random, 0.28)
    for number in range(random.choice((1, 1, 1, 2, 2, 3))):
        turn = angle + random.normal(0, 0.05)
        aside = number * random.uniform(0.04, 0.12) * size
        start = centre + aside * np.array([-np.sin(turn), np.cos(turn)])
        points = _arc(start, random.uniform(0.35, 0.95) * size, turn, random.normal(0, 0.025))
        width = _width(size, random, 0.9, 1.7)
        pressure = np.sin(np.linspace(0.12, np.pi - 0.05, len(points))) ** 0.7
        line = _stroke(size, points, width * (0.5 + 0.5 * pressure), pressure)
        burr = np.roll(line, (1, -1), axis=(0, 1)) * random.uniform(0.15, 0.4)
        change += (line - burr) * strength * (1.0 if number == 0 else random.uniform(0.4, 0.9))
    return change


def crack(size: int, random: Random) -> Canvas:
    """A thin dark line that turns at every grain and often forks."""
    start, heading = _place(size, random, 0.25), random.uniform(0, 2 * np.pi)
    trunk = _walk(start, heading, int(random.integers(12, 26)), size, random)
    branches = [trunk]
    for _ in range(random.choice((0, 1, 1, 2))):
        joint = random.integers(len(trunk) // 4, 3 * len(trunk) // 4)
        turn = heading + random.choice((-1, 1)) * random.uniform(0.5, 1.1)
        branches.append(_walk(trunk[joint], turn, int(random.integers(5, 12)), size, random))
    change = np.zeros((size, size), np.float32)
    width, strength = _width(size, random, 0.8, 1.7), _strength(random, 42, 84)
    for number, points in enumerate(branches):
        taper = np.linspace(1.0, 0.35, len(points)) * (1.0 if number == 0 else 0.75)
        change = np.maximum(change, _stroke(size, points, width * taper, 0.4 + 0.6 * taper))
    return -change * strength


def pit(size: int, random: Random) -> Canvas:
    """Pores: one to seven small dark holes, the far wall of each catching the light."""
    change = np.zeros((size, size), np.float32)
    centre, spread = _place(size, random, 0.25), random.uniform(0.05, 0.25) * size
    angle, strength = random.uniform(0, 2 * np.pi), _strength(random, 45, 95)
    for _ in range(random.integers(1, 8)):
        place = np.clip(centre + random.normal(0, spread, 2), 0.06 * size, 0.94 * size)
        radius = max(1.0, np.clip(random.lognormal(0.95, 0.35), 1.5, 5.5) * size / REFERENCE)
        hole = _blob(size, random, place, radius, 0.25, soft=0.16)
        wall = _moved(hole, 0.5 * radius * np.array([np.cos(angle), np.sin(angle)]))
        bright = np.clip(wall - hole, 0, 1) * random.uniform(0.2, 0.5)
        change += (bright - hole) * strength * random.uniform(0.7, 1.1)
    return np.maximum(change, -strength * 1.1)


def stain(size: int, random: Random) -> Canvas:
    """A dried liquid: a soft-edged patch of lobes, mostly darker, its rim darker still."""
    reach = random.uniform(0.1, 0.25) * size
    centre = _place(size, random, 0.22)
    patch: Canvas = np.zeros((size, size), np.float32)
    for _ in range(random.integers(2, 6)):
        place = centre + random.normal(0, 0.45 * reach, 2)
        lobe = _blob(size, random, place, reach * random.uniform(0.45, 0.9), 0.3, soft=0.05)
        patch = np.maximum(patch, lobe)
    patch = blurred(patch, max(0.8, reach * random.uniform(0.04, 0.12)))
    inner = blurred(patch, max(1.0, reach * 0.22))
    rim = np.clip(patch - inner, 0, 1) * random.uniform(0.0, 1.2)
    cloudy = 1 + 0.18 * smooth(size, random, size / 16, size / 16)
    sign = -1.0 if random.random() < 0.8 else 1.0
    drawn: Canvas = sign * (patch * cloudy + rim) * _strength(random, 24, 50)
    return drawn.astype(np.float32)


def dent(size: int, random: Random) -> Canvas:
    """A shallow bowl: one slope turned to the lamp, the other away; nothing is darker in sum."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    centre, reach = _place(size, random, 0.22), random.uniform(0.06, 0.13) * size
    turn, stretch = random.uniform(0, np.pi), random.uniform(0.6, 1.0)
    u = ((x - centre[0]) * np.cos(turn) + (y - centre[1]) * np.sin(turn)) / reach
    v = ((y - centre[1]) * np.cos(turn) - (x - centre[0]) * np.sin(turn)) / (reach * stretch)
    wobble = 1 + 0.12 * smooth(size, random, size / 10, size / 10)
    bowl = np.exp(-(((u**2 + v**2) * wobble / 2) ** 1.6)).astype(np.float32)
    slope_y, slope_x = np.gradient(bowl)
    angle = random.uniform(0, 2 * np.pi)
    relief = slope_x * np.cos(angle) + slope_y * np.sin(angle)
    drawn: Canvas = relief / (np.abs(relief).max() + 1e-6) * _strength(random, 32, 64)
    return drawn.astype(np.float32)


def _strength(random: Random, low: float, high: float) -> float:
    """Grey levels; one defect in ten is little more than half as strong: the hard cases of a real line."""
    return float(random.uniform(low, high) * (0.6 if random.random() < 0.1 else 1.0))


def _width(size: int, random: Random, low: float, high: float) -> float:
    """Of a line in pixels, never so thin that a small image shows nothing."""
    return max(0.7, random.uniform(low, high) * size / REFERENCE)


def _place(size: int, random: Random, margin: float) -> Points:
    return random.uniform(margin, 1 - margin, 2) * size


def _arc(middle: Points, length: float, angle: float, bend: float) -> Points:
    """48 points of a slight bow of `length`, `bend` of it deep, around `middle`."""
    t = np.linspace(-0.5, 0.5, 48)
    along, across = t * length, bend * length * (1 - 4 * t**2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(middle + np.stack([along, across], axis=1) @ turn)


def _walk(start: Points, heading: float, steps: int, size: int, random: Random) -> Points:
    """A path that keeps its heading only roughly."""
    turns = heading + np.cumsum(random.normal(0, 0.22, steps)) + random.normal(0, 0.55, steps)
    lengths = random.uniform(0.012, 0.045, steps) * size
    moves = np.stack([np.cos(turns), np.sin(turns)], axis=1) * lengths[:, None]
    return np.asarray(np.vstack([start, start + np.cumsum(moves, axis=0)]))


def _stroke(size: int, points: Points, widths: Points, strengths: Points) -> Canvas:
    """A line through `points`, 0..1, of varying width and strength; drawn four times too large, so 0.5 px is 0.5 px."""
    zoom = 4
    canvas = np.zeros((size * zoom, size * zoom), np.uint8)
    fixed = np.rint(points * zoom).astype(int)
    for start, end, width, strength in zip(fixed, fixed[1:], widths, strengths, strict=False):
        grey, thick = int(255 * min(1.0, strength)), max(1, round(float(width) * zoom))
        cv2.line(canvas, start.tolist(), end.tolist(), grey, thick, cv2.LINE_AA)
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return blurred(np.asarray(small, np.float32), 0.45) / 255.0


def _moved(canvas: Canvas, by: Points) -> Canvas:
    """Shifted by a fraction of pixels; what comes in at the edges is 0."""
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
    return np.asarray(cv2.warpAffine(canvas, matrix, canvas.shape[::-1]))


def _blob(
    size: int, random: Random, place: Points, radius: float, roughness: float, *, soft: float
) -> Canvas:
    """An irregular patch, 0..1, its edge `soft` radii wide."""
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    wobble = np.convolve(np.tile(random.standard_normal(32), 3), np.ones(5) / 5, "same")[32:64]
    reach = np.clip(radius * (1 + roughness * wobble), 0.3 * radius, None)
    turn, stretch = random.uniform(0, np.pi), random.uniform(0.6, 1.0)
    along, across = reach * np.cos(angles), reach * stretch * np.sin(angles)
    points = place + np.stack(
        [
            along * np.cos(turn) - across * np.sin(turn),
            along * np.sin(turn) + across * np.cos(turn),
        ],
        axis=1,
    )
    canvas = np.zeros((size, size), np.uint8)
    cv2.fillPoly(canvas, [np.rint(points * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    return blurred(canvas.astype(np.float32), max(0.5, soft * radius)) / 255.0


DEFECTS: Mapping[str, Callable[[int, Random], Canvas]] = MappingProxyType(
    {"crack": crack, "dent": dent, "pit": pit, "scratch": scratch, "stain": stain}
)
