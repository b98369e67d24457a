"""Surfaces without and with a defect, drawn from a random generator: the paint box of the synthetic data set.

All canvases are float32 (size, size) in grey levels 0..255; a defect also gives the mask of what it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Canvas = npt.NDArray[Any]
Mask = npt.NDArray[np.uint8]
Random = np.random.Generator

VISIBLE = 3.0
"""Grey levels by which a pixel must differ from the clean surface to count as defect."""


def surface(size: int, random: Random) -> Canvas:
    """Brushed, rolled or cast metal under uneven light."""
    texture = (_brushed, _rolled, _cast)[random.integers(3)](size, random)
    canvas = random.uniform(95, 150) + texture + _light(size, random)
    return np.clip(canvas, 20, 235).astype(np.float32)


def _noise(size: int, random: Random) -> Canvas:
    return random.standard_normal((size, size)).astype(np.float32)


def _smooth(size: int, random: Random, across: float, along: float) -> Canvas:
    """Noise blurred by (across, along) pixels, standardised."""
    blurred = cv2.GaussianBlur(
        _noise(size, random), (0, 0), sigmaX=along, sigmaY=across, borderType=cv2.BORDER_REFLECT
    ).astype(np.float32)
    drawn: Canvas = (blurred - blurred.mean()) / (blurred.std() + 1e-6)
    return drawn


def _brushed(size: int, random: Random) -> Canvas:
    streaks = _smooth(size, random, 0.6, size / 4) * 6 + _smooth(size, random, 1.8, size / 2) * 4
    drawn: Canvas = streaks + _noise(size, random) * 2
    return drawn


def _rolled(size: int, random: Random) -> Canvas:
    scale = _smooth(size, random, 2.5, 5.0) * 5 + _smooth(size, random, 0.8, 1.4) * 3
    phase = random.uniform(0, 2 * np.pi)
    bands = np.sin(np.arange(size) * 2 * np.pi / random.uniform(18, 40) + phase) * 2.5
    drawn: Canvas = scale + bands[:, None].astype(np.float32) + _noise(size, random) * 1.5
    return drawn


def _cast(size: int, random: Random) -> Canvas:
    grains = _smooth(size, random, 1.2, 1.2) * 6 + _smooth(size, random, 6, 6) * 3
    drawn: Canvas = grains + _noise(size, random) * 1.5
    return drawn


def _light(size: int, random: Random) -> Canvas:
    """A lamp somewhere beside the part: a slope and a broad spot."""
    angle, slope = random.uniform(0, 2 * np.pi), random.uniform(5, 25)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    spot_x, spot_y = random.uniform(-0.5, 0.5, 2)
    spot = np.exp(-((x - spot_x) ** 2 + (y - spot_y) ** 2) / 0.18) * random.uniform(0, 18)
    drawn: Canvas = ((x * np.cos(angle) + y * np.sin(angle)) * slope + spot).astype(np.float32)
    return drawn


def _place(size: int, random: Random, margin: float) -> tuple[float, float]:
    x, y = random.uniform(margin, 1 - margin, 2) * size
    return float(x), float(y)


def _stroke(size: int, points: npt.NDArray[np.float64], width: float) -> Canvas:
    """A soft line through `points`, 0..1; drawn with four fractional bits so that thin lines stay thin."""
    canvas = np.zeros((size, size), np.uint8)
    fixed = (points * 16).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(canvas, [fixed], False, 255, max(1, round(width)), cv2.LINE_AA, shift=4)
    soft = cv2.GaussianBlur(canvas, (0, 0), 0.5 + width / 6)
    drawn: Canvas = (soft / max(1, soft.max())).astype(np.float32)
    return drawn


def _blob(size: int, random: Random, radius: float, roughness: float) -> Canvas:
    """A soft irregular patch, 0..1."""
    x, y = _place(size, random, 0.2)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    wobble = np.convolve(np.tile(random.standard_normal(24), 3), np.ones(5) / 5, "same")[24:48]
    stretch = random.uniform(0.65, 1.0)
    reach = radius * (1 + roughness * wobble)
    points = np.stack([x + reach * np.cos(angles), y + reach * stretch * np.sin(angles)], axis=1)
    canvas = np.zeros((size, size), np.uint8)
    cv2.fillPoly(canvas, [(points * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    return (cv2.GaussianBlur(canvas, (0, 0), max(0.6, radius / 6)) / 255.0).astype(np.float32)


def scratch(canvas: Canvas, random: Random) -> Canvas:
    """One to three nearly straight bright lines, some with a dark edge."""
    size, change = len(canvas), np.zeros_like(canvas)
    angle = random.uniform(0, np.pi)
    for _ in range(random.integers(1, 4)):
        length, bend = random.uniform(0.3, 0.75) * size, random.uniform(-0.06, 0.06) * size
        x, y = _place(size, random, 0.3)
        t = np.linspace(-0.5, 0.5, 12)
        turn = angle + random.normal(0, 0.08)
        along, across = t * length, bend * (1 - 4 * t**2)
        points = np.stack(
            [
                x + along * np.cos(turn) - across * np.sin(turn),
                y + along * np.sin(turn) + across * np.cos(turn),
            ],
            axis=1,
        )
        line = _stroke(size, points, random.uniform(1.0, 2.2) * size / 128)
        change += line * random.uniform(22, 60)
        change -= np.roll(line, 2, axis=0) * random.uniform(4, 15)
    return change


def pit(canvas: Canvas, random: Random) -> Canvas:
    """Small dark round holes with a bright rim on the lamp's side."""
    size, change = len(canvas), np.zeros_like(canvas)
    for _ in range(random.integers(1, 6)):
        hole = _blob(size, random, random.uniform(1.8, 4.5) * size / 128, 0.15)
        change -= hole * random.uniform(45, 85)
        rim = np.clip(cv2.dilate(hole, np.ones((3, 3))) - hole, 0, 1)
        change += np.roll(rim, 1, axis=(0, 1)) * random.uniform(10, 30)
    return change


def stain(canvas: Canvas, random: Random) -> Canvas:
    """A broad soft patch, darker or brighter, blotchy inside."""
    size = len(canvas)
    patch = _blob(size, random, random.uniform(0.12, 0.26) * size, 0.25)
    blotches = 1 + 0.25 * _smooth(size, random, 3, 3)
    sign = -1.0 if random.random() < 0.75 else 1.0
    return (sign * patch * blotches * random.uniform(16, 38)).astype(np.float32)


def crack(canvas: Canvas, random: Random) -> Canvas:
    """A dark jagged line that wanders and sometimes forks."""
    size = len(canvas)
    start, heading = np.array(_place(size, random, 0.25)), random.uniform(0, 2 * np.pi)
    change = np.zeros_like(canvas)
    for branch in range(random.integers(1, 3)):
        points, turn = [start], heading + branch * random.uniform(0.5, 0.9)
        for _ in range(random.integers(7, 13)):
            turn += random.normal(0, 0.5)
            step = random.uniform(0.03, 0.075) * size
            points.append(points[-1] + step * np.array([np.cos(turn), np.sin(turn)]))
        line = _stroke(size, np.array(points), random.uniform(1.0, 1.8) * size / 128)
        change = np.minimum(change, -line * random.uniform(35, 75))
        start = points[len(points) // 2]
    return change


def dent(canvas: Canvas, random: Random) -> Canvas:
    """A shallow bowl: bright on one side, dark on the other, as the lamp falls in."""
    size = len(canvas)
    bowl = _blob(size, random, random.uniform(0.08, 0.17) * size, 0.08)
    bowl = cv2.GaussianBlur(bowl, (0, 0), size / 40)
    slope_y, slope_x = np.gradient(bowl)
    angle = random.uniform(-0.6, 0.6) + np.pi / 4
    relief = slope_x * np.cos(angle) + slope_y * np.sin(angle)
    drawn: Canvas = (relief / (np.abs(relief).max() + 1e-6) * random.uniform(28, 60)).astype(
        np.float32
    )
    return drawn


DEFECTS: Mapping[str, Callable[[Canvas, Random], Canvas]] = MappingProxyType(
    {"crack": crack, "dent": dent, "pit": pit, "scratch": scratch, "stain": stain}
)
OK = "ok"
CLASSES = tuple(sorted([OK, *DEFECTS]))


def part(label: str, size: int, random: Random) -> tuple[Canvas, Mask]:
    """A surface with the defect `label` names (or none), and the mask of changed pixels (0 or 255)."""
    clean = surface(size, random)
    if label == OK:
        return clean, np.zeros((size, size), np.uint8)
    change = DEFECTS[label](clean, random)
    mask = np.where(np.abs(change) >= VISIBLE, 255, 0).astype(np.uint8)
    return np.clip(clean + change, 0, 255).astype(np.float32), mask
