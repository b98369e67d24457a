"""How alike two images are when their light, position and noise are set aside: one number from 0 to 1.

The number is the peak of the normalised cross-correlation of two high-passed, locally normalised, half-whitened views,
so the fine texture that belongs to one physical surface decides, not what all surfaces of a product have in common.

Covered: exposure and gain, uneven light, shifts and crop margins up to a fifth of the view, noise, JPEG, slight blur.
Not covered: rotation, mirroring, rescaling by more than about 2 %; surfaces whose texture lies below the noise;
products in a fixture, whose printed layout is the same on every part, and weaves on images of less than about 128 px:
both look alike from part to part (`duplicates.check_groups` warns when that swallows the set).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import scipy.fft

from deploy.edge.decode import read_image
from inspection.parallel import in_order
from inspection.progress import track

CANVAS = 128
"""Side of the view in which images are compared, in pixels."""
BAND = 32
"""Frequencies kept, in cycles per canvas; finer ones are noise."""
LOWEST = 3
"""Frequencies below are light and layout."""
ROLL_OFF = 12.0
WHITENING = 0.7
"""0: plain correlation (stripes look alike), 1: phase only (noise weighs as much as texture)."""
LARGEST_SHIFT = 16
"""On the correlation surface, whose pixels are twice the canvas's."""
USUAL_SIDE = 75
"""Percentile of the longer sides that fills the canvas; one scale for all, since re-captures share it."""
BATCH = 2048

Grey = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
"""Brightness 0 to 255, (H, W)."""
Spectra = npt.NDArray[np.complex64]
Vectors = npt.NDArray[np.float32]

_VERTICAL = np.fft.fftfreq(CANVAS, 1 / CANVAS).astype(int)
_KEPT = np.abs(_VERTICAL) < BAND
_RADIUS = np.hypot(_VERTICAL[_KEPT][:, None], np.arange(BAND + 1)[None, :])
_SEEN = (_RADIUS >= LOWEST) & (_RADIUS < BAND)
_WEIGHT = np.where(_SEEN, np.exp(-((_RADIUS / ROLL_OFF) ** 2) / 2), 0.0)


def common_scale(sizes: Sequence[tuple[int, int]]) -> float:
    """Factor (at most 1) by which every image shrinks so that the usual one fills the canvas."""
    longer = [max(size) for size in sizes]
    return min(1.0, CANVAS / float(np.percentile(longer, USUAL_SIDE)))


def spectra_of(paths: Sequence[Path], scale: float, *, max_megapixels: float = 100.0) -> Spectra:
    """Read, decode and transform every image, in order; complex64 (N, 63, 33), each of norm 1 or 0."""
    spectra = np.zeros((len(paths), *_WEIGHT.shape), np.complex64)

    def one(path: Path) -> Spectra:
        pixels = read_image(path, max_megapixels=max_megapixels).pixels
        return spectrum(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8), scale)

    for row, value in enumerate(track(in_order(one, paths), "comparing images", len(paths))):
        spectra[row] = value
    return spectra


def spectrum(grey: Grey, scale: float) -> Spectra:
    """Band-limited, half-whitened spectrum of one view, complex64 (63, 33), norm 1 (0 for a blank image)."""
    transformed = scipy.fft.rfft2(view(grey, scale))[_KEPT][:, : BAND + 1]
    size = np.abs(transformed)
    whitened = transformed / (size**WHITENING + 1e-6) * np.sqrt(_WEIGHT)
    energy = np.abs(whitened) ** 2
    # The half spectrum holds every column but the first once for itself and once for its mirror.
    norm = float(np.sqrt(energy[:, 0].sum() + 2 * energy[:, 1:].sum()))
    flat = norm < 1e-3
    return np.asarray(np.zeros_like(whitened) if flat else whitened / norm, np.complex64)


def view(grey: Grey, scale: float) -> Vectors:
    """The image on the canvas: shrunk, high-passed, locally normalised, faded at its border; float32."""
    high = _high_pass(_shrunk(grey, scale))
    height, width = high.shape
    top, left = max(0, (height - CANVAS) // 2), max(0, (width - CANVAS) // 2)
    part = high[top : top + CANVAS, left : left + CANVAS]
    height, width = part.shape
    canvas = np.zeros((CANVAS, CANVAS), np.float32)
    top, left = (CANVAS - height) // 2, (CANVAS - width) // 2
    canvas[top : top + height, left : left + width] = (
        part * _fade(height)[:, None] * _fade(width)[None, :]
    )
    return canvas


def _shrunk(grey: Grey, scale: float) -> Vectors:
    height, width = grey.shape
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.resize(grey.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _high_pass(image: Vectors) -> Vectors:
    border = cv2.BORDER_REFLECT
    fine = image - cv2.GaussianBlur(image, (0, 0), 3.0, borderType=border)
    local = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 8.0, borderType=border))
    # One grey level keeps a blank surface from being blown up to full contrast.
    return np.asarray(fine / (local + 1.0), np.float32)


def _fade(length: int) -> Vectors:
    """1 inside, falling to 0 over the last six pixels: a hard border would correlate with every other."""
    places = np.arange(length)
    edge = np.minimum(places + 0.5, length - places - 0.5) / 6.0
    return np.asarray(np.minimum(1.0, edge), np.float32)


def similarity(first: Spectra, second: Spectra) -> Vectors:
    """Peak correlation of aligned pairs, float32 (N,): 1 for equal views, 0 for blank ones."""
    scores = np.zeros(len(first), np.float32)
    for start in range(0, len(first), BATCH):
        part = slice(start, start + BATCH)
        scores[part] = _peaks(first[part] * second[part].conj())
    return scores


def _peaks(product: Spectra) -> Vectors:
    side = 2 * BAND
    padded = np.zeros((len(product), side, BAND + 1), np.complex64)
    padded[:, :BAND] = product[:, :BAND]
    padded[:, BAND + 1 :] = product[:, BAND:]
    surface = scipy.fft.irfft2(padded, s=(side, side), workers=-1) * side**2
    near = np.r_[0 : LARGEST_SHIFT + 1, side - LARGEST_SHIFT : side]
    return np.asarray(surface[:, near][:, :, near].max(axis=(1, 2)), np.float32)


def descriptors(spectra: Spectra) -> Vectors:
    """Shift-free signatures for finding candidates: pooled log power spectra, float32 (N, D), rows of norm 1."""
    log = np.where(_SEEN, np.log(np.abs(spectra) + 1e-6), 0.0).astype(np.float32)
    even = np.pad(log[:, :, :BAND], ((0, 0), (0, 1), (0, 0)), mode="edge")
    pooled = even.reshape(len(log), BAND, 2, BAND // 2, 2).mean(axis=(2, 4)).reshape(len(log), -1)
    centred = pooled - pooled.mean(axis=0)
    scaled = centred / (centred.std(axis=0) + 1e-6)
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(scaled / np.maximum(norms, 1e-6), np.float32)
