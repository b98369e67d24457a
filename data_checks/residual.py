"""Do two photographs show the same thing, down to the faintest scratch? Light, position and noise are set aside first.

The second view is aligned to a fraction of a pixel and brought to one light; what then remains is summed along short
lines in every direction, at three scales, in units of the noise that this very pair has in texture like this.

Covered: shifts, gain and offset, slow changes of light, clipping, noise, JPEG; colour. Each answer names the faintest
scratch that this pair could have shown, since a noisy pair proves nothing. Not covered: rotation, mirroring and
rescaling (undo them first); stains larger than about 60 px, which count as light.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from data_checks.alignment import (
    SMOOTHING,
    Pixels,
    Plane,
    align,
    blurred,
    coloured,
    common_view,
    grey,
    light_between,
    moved,
    overlap,
    planes,
    slope,
    spread,
)

PEAK = 7.0
"""A local difference this many times the pair's own noise is no noise."""
LIGHT = 32.0
"""Changes slower than this, in pixels, are light."""
CEILING = 4.0
"""Grey levels below clipping where JPEG's ringing around clipped pixels ends."""
DIRECTIONS = 16
LENGTHS = (4, 8, 16)
"""Pixels over which residuals are summed, powers of two."""
SCALES = 3
"""Halvings: lines up to 64 px long and 8 px wide."""
TEXTURE_STEPS = 8
BORDER = 6
"""Pixels from the border inwards where the blur leaves more noise: each row and column is measured by itself."""
LEAST_NOISE = 0.25
"""Grey levels: rounding alone leaves nearly as much."""
GAIN_PRIOR = 4.0
"""Squared grey levels: with less texture around, a change of gain cannot be told."""
SEEN_IN = 0.9
"""Share of the view in which the faintest scratch would be seen; the rest is border and the roughest texture."""
REFERENCE_WIDTH, REFERENCE_LENGTH = 2.0, 16
"""The scratch whose contrast `faintest` names, in pixels; longer ones are seen better."""
OFF_AXIS = 0.85
"""What of its sum is left when a line lies between two of the directions."""
LEAST_SIDE, LEAST_PIXELS = 24, 1024


@dataclass(frozen=True)
class Comparison:
    """What two photographs of equal scale have in common.

    `shift`: of the second against the first, pixels (x, y). `gain`: of the second's light. `peak`: strongest
    local difference, in units of the pair's noise. `faintest`: contrast in grey levels of the faintest scratch, 2 px
    wide and 16 px long, that would have been seen in nine tenths of the view. `clipped`: shares of the view where only
    the first, only the second is clipped and cannot show what the other may. `unseen`: widest strip that one lacks, px.
    `where`: middle of the strongest difference, pixels (x, y) of the second.
    """

    shift: tuple[float, float]
    gain: float
    peak: float
    faintest: float
    clipped: tuple[float, float]
    unseen: float
    where: tuple[int, int]


def compare(first: Pixels, second: Pixels) -> Comparison | None:
    """Compare two uint8 (H, W) or (H, W, 3) photographs; None when they cannot be aligned."""
    a, b, cut_off = common_view(first, second)
    grey_a, grey_b = grey(a), grey(b)
    if min(grey_a.shape) < LEAST_SIDE or grey_a.size < LEAST_PIXELS:
        return None
    shift = align(grey_a, grey_b)
    if shift is None:
        return None
    colours = coloured(a) or coloured(b)
    both = zip(planes(a, colours=colours), planes(b, colours=colours), strict=True)
    seen = [_difference(plane_a, plane_b, shift) for plane_a, plane_b in both]
    worst = max(seen, key=lambda difference: difference.peak)
    corner = [
        (have - common) // 2
        for have, common in zip(second.shape[1::-1], b.shape[1::-1], strict=True)
    ]
    return Comparison(
        shift=shift,
        gain=seen[0].gain,
        peak=worst.peak,
        # In the levels of whichever photograph is brighter: the scratch may be on either.
        faintest=seen[0].faintest / min(1.0, seen[0].gain),
        clipped=(max(s.clipped[0] for s in seen), max(s.clipped[1] for s in seen)),
        unseen=cut_off + max(abs(shift[0]), abs(shift[1])),
        where=(worst.where[0] + corner[0], worst.where[1] + corner[1]),
    )


@dataclass(frozen=True)
class _Difference:
    gain: float
    peak: float
    faintest: float
    clipped: tuple[float, float]
    where: tuple[int, int]


def _difference(a: Plane, b: Plane, shift: tuple[float, float]) -> _Difference:
    """What remains between two planes of values 0 to 255 once position and light are set aside."""
    there = moved(a, *shift)
    view = overlap(there.shape, shift)
    there, b = there[view], b[view]
    gain, offset = light_between(there, b)
    # Where both are clipped there is nothing to see; where one is, it is clipped for both.
    top = np.minimum(255.0, gain * 255 + offset) - CEILING
    bottom = np.minimum(np.maximum(0.0, offset) + CEILING / 2, top)
    expected, observed = np.clip(gain * there + offset, bottom, top), np.clip(b, bottom, top)
    blind = (expected >= top) & (observed >= top)
    texture, expected = blurred(observed), blurred(expected)
    residual = _without_light(texture - expected, expected, ~blind)
    peak, faintest, (x, y) = _measured(residual, texture)
    full = there >= 255 - CEILING, b >= 255 - CEILING
    only = float(np.mean(full[0] & ~full[1])), float(np.mean(full[1] & ~full[0]))
    where = x + int(view[1].start), y + int(view[0].start)
    return _Difference(float(gain.mean()), peak, faintest, only, where)


def _measured(residual: Plane, texture: Plane) -> tuple[float, float, tuple[int, int]]:
    """Strongest difference over all scales, the faintest scratch that would have been one, and where the former is."""
    peak, faintest, where = 0.0, math.inf, (0, 0)
    for scale in range(SCALES):
        if scale:
            residual, texture = _halved(residual), _halved(texture)
        noise = _noise(residual, texture)
        if noise is None:
            break
        found, usual, (x, y) = _strongest(residual / noise)
        if found > peak:
            peak, where = found, (x << scale, y << scale)
        if scale == 0:
            faintest = PEAK * usual * float(np.quantile(noise, SEEN_IN)) / _reference_sum()
    return peak, faintest, where


def _strongest(normalised: Plane) -> tuple[float, float, tuple[int, int]]:
    """The largest sum along any line in units of such sums' own spread; that spread at the reference length; where."""
    best, reference, where = 0.0, 1.0, (0, 0)
    for turn, length, sums in _line_sums(normalised):
        values = np.abs(sums)
        sample = values[::2, ::3]
        sample = sample[sample > 0]
        # Sums of independent noise spread by the root of their number; less is the floor under the noise at work.
        usual = max(_usual(sample), math.sqrt(length))
        place = int(values.argmax())
        if (found := float(values.flat[place]) / usual) > best:
            best, where = found, _middle_of(place, values.shape[1], turn, length)
        if length == REFERENCE_LENGTH:
            reference = max(reference, usual)
    return best, reference, where


def _usual(sums: Plane) -> float:
    """Their standard deviation; defects do not move it, blocks that compression leaves here and there do."""
    if not sums.size:
        return 0.0
    middle, most = np.percentile(sums, (50, 97))
    return float(max(1.4826 * middle, most / 2.17))


def _middle_of(place: int, width: int, turn: int, length: int) -> tuple[int, int]:
    """Pixel (x, y) in the middle of the line that starts at `place` of the padded plane."""
    angle, reach = math.pi * turn / DIRECTIONS, max(LENGTHS)
    x = place % width - reach + round(math.cos(angle) * length / 2)
    y = place // width - reach + round(math.sin(angle) * length / 2)
    return x, y


def _line_sums(values: Plane) -> Iterator[tuple[int, int, Plane]]:
    """Sums along lines of every direction and of every length in `LENGTHS`, each made of two half as long."""
    reach = max(LENGTHS)
    padded = np.pad(values, reach)
    for turn in range(DIRECTIONS):
        angle = math.pi * turn / DIRECTIONS
        sums, length = padded, 1
        while length < reach:
            x, y = round(math.cos(angle) * length), round(math.sin(angle) * length)
            sums, length = _added(sums, x, y), 2 * length
            if length in LENGTHS:
                yield turn, length, sums


def _added(values: Plane, x: int, y: int) -> Plane:
    """Every value plus the one `x` and `y` further on; nothing lies beyond the border. `y` is never negative."""
    total = values.copy()
    height, width = values.shape
    if x >= 0:
        total[: height - y, : width - x] += values[y:, x:]
    else:
        total[: height - y, -x:] += values[y:, :x]
    return total


def _noise(residual: Plane, texture: Plane) -> Plane | None:
    """The pair's noise at each pixel: it grows with the texture around, since no alignment is perfect."""
    seen = residual != 0
    if int(seen.sum()) < LEAST_PIXELS // 4:
        return None
    steep = slope(texture, 1, 0) ** 2 + slope(texture, 0, 1) ** 2
    edges = np.sqrt(cv2.GaussianBlur(steep, (0, 0), 4))
    roughness, left = edges[seen], residual[seen]
    steps = np.array_split(np.argsort(roughness), TEXTURE_STEPS)
    at = np.array([roughness[part].mean() for part in steps])
    found = np.array([spread(left[part]) for part in steps])
    grows, base = np.polyfit(at, found, 1) if np.ptp(at) > 1e-6 else (0.0, found.mean())
    if grows < 0:
        grows, base = 0.0, found.mean()
    noise = np.asarray(np.maximum(grows * edges + base, LEAST_NOISE), np.float32)
    _raise_border(noise, residual)
    return noise


def _raise_border(noise: Plane, residual: Plane) -> None:
    """Rows and columns along the border get at least the noise that is found in them."""
    height, width = noise.shape
    for depth in range(min(BORDER, height // 4, width // 4)):
        rows, columns = slice(depth, height - depth), slice(depth, width - depth)
        ring: list[tuple[int | slice, int | slice]] = [
            (depth, columns),
            (height - 1 - depth, columns),
            (rows, depth),
            (rows, width - 1 - depth),
        ]
        for line in ring:
            more = spread(residual[line] / noise[line])
            noise[line] = noise[line] * max(1.0, more)


def _without_light(residual: Plane, expected: Plane, seen: npt.NDArray[np.bool_]) -> Plane:
    """The residual less what slow changes of offset and of gain explain, over the pixels that can be seen; else 0."""
    weight = seen.astype(np.float32)
    share = np.maximum(_slow(weight), 0.05)
    mean = _slow(expected * weight) / share
    offset = _slow(residual * weight) / share
    around = (expected - mean) * weight
    gain = _slow(residual * around) / (_slow(around**2) + GAIN_PRIOR * share)
    return np.asarray((residual - offset - gain * around) * weight, np.float32)


def _slow(plane: npt.NDArray[np.floating]) -> Plane:
    """The plane blurred by `LIGHT`; on a quarter of its size, since nothing fine is left of it."""
    size = max(1, plane.shape[1] // 4), max(1, plane.shape[0] // 4)
    small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    slow = cv2.GaussianBlur(small, (0, 0), LIGHT / 4)
    full = cv2.resize(slow, plane.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(full, np.float32)


def _reference_sum() -> float:
    """Sum along the middle of a scratch of one grey level, after the blur that both views were given."""
    profile = math.erf(REFERENCE_WIDTH / 2 / (SMOOTHING * math.sqrt(2)))
    return OFF_AXIS * profile * REFERENCE_LENGTH


def _halved(plane: Plane) -> Plane:
    size = max(1, plane.shape[1] // 2), max(1, plane.shape[0] // 2)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
