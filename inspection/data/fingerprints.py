"""What is compared before pixels are: a digest of the pixels, a 64-bit hash that light leaves alone, and a longer one.

The bits are the signs of the image's slowest cosine waves: gain and offset do not change them, a shift of some pixels
few of them. The waves are those of a square in both directions, so that mirroring and turning an image only swaps and
flips bits, and all eight views of it can be asked for without reading it again.

Covered: any size and format; 8 symmetries. Not covered: crops of more than a few per cent (other waves).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.decode import Pixels, read_image
from inspection.data.index import ImageIndex
from inspection.parallel import in_order, one_thread_each
from inspection.progress import track

SHORT, LONG = 8, 16
"""Waves in each direction: 64 and 256 bits."""
COARSE = 256
"""An image whose shorter side is twice this or more is first shrunk by a whole factor: the waves are far slower."""
SYMMETRIES = (
    "as it is",
    "mirrored",
    "upside down",
    "turned by 180 degrees",
    "transposed",
    "turned by 90 degrees",
    "turned by 270 degrees",
    "transposed the other way",
)
"""Views of one image, in the order of `views`: rows and columns swapped from the fifth on, then flipped."""

Matrix = npt.NDArray[np.float32]
Image = TypeVar("Image", np.uint8, np.bool_)
Hashes = npt.NDArray[np.uint64]
Descriptors = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """One row per image: `pixel_ids` hex SHA-256, `hashes` uint64 (N,), `descriptors` uint64 (N, 4)."""

    pixel_ids: tuple[str, ...]
    hashes: Hashes
    descriptors: Descriptors


def fingerprints_of(paths: Sequence[Path], *, max_megapixels: float = 100.0) -> Fingerprints:
    """Read and decode every image once; ImageError for a file that cannot be."""

    rows = _read(paths, max_megapixels)
    return stated_fingerprints([row[0] for row in rows], [row[1] for row in rows])


def _read(paths: Sequence[Path], max_megapixels: float) -> list[tuple[str, str]]:
    def one(path: Path) -> tuple[str, str]:
        pixels = read_image(path, max_megapixels=max_megapixels).pixels
        return pixel_id(pixels), signs(pixels)

    with one_thread_each():
        return list(track(in_order(one, paths), "hashing images", len(paths)))


def indexed_fingerprints(index: ImageIndex, *, max_megapixels: float = 100.0) -> Fingerprints:
    """Those that were stated when the images were read; a row without is read now, ImageError if it cannot be."""
    frame = index.frame
    stated = {row: str(text) for row, text in frame["fingerprint"].items() if isinstance(text, str)}
    missing = [row for row in frame.index if row not in stated]
    read = _read([index.root / frame["path"][row] for row in missing], max_megapixels)
    stated |= {row: text for row, (_, text) in zip(missing, read, strict=True)}
    pixel_ids = [str(pixels) for pixels in frame["pixel_id"]]
    return stated_fingerprints(pixel_ids, [stated[row] for row in frame.index])


def stated_fingerprints(pixel_ids: Sequence[str], stated: Sequence[str]) -> Fingerprints:
    """Fingerprints from `pixel_id` and `signs` as the index keeps them."""
    words = np.frombuffer(bytes.fromhex("".join(stated)), "<u8").astype(np.uint64)
    descriptors = words.reshape(-1, LONG * LONG // 64)
    return Fingerprints(tuple(pixel_ids), hashes_of(descriptors), descriptors)


def pixel_id(pixels: Pixels) -> str:
    """SHA-256 of size and pixels: equal for equal pictures in any file format."""
    identity = hashlib.sha256(f"{pixels.shape[0]}x{pixels.shape[1]}".encode())
    identity.update(np.ascontiguousarray(pixels).data)
    return identity.hexdigest()


def signs(pixels: Pixels) -> str:
    """256 signs of slow waves as 64 hexadecimal digits; call it inside `one_thread_each` where there are threads."""
    down, across = _places(LONG)
    bits = waves(pixels)[down, across] > 0
    return np.packbits(bits, bitorder="little").tobytes().hex()


def waves(pixels: Pixels) -> Matrix:
    """How much of each slow cosine wave there is in the brightness, float32 (17, 17), down and across."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    factor = max(1, min(grey.shape) // COARSE)
    if factor > 1:
        # A whole factor is many times faster; what it leaves over is cut off evenly, for the symmetries' sake.
        height, width = (side // factor for side in grey.shape)
        top, left = ((side % factor) // 2 for side in grey.shape)
        grey = grey[top : top + height * factor, left : left + width * factor]
        grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    flat = grey.astype(np.float32)
    return np.asarray(_cosines(flat.shape[0]) @ flat @ _cosines(flat.shape[1]).T, np.float32)


def hashes_of(descriptors: Descriptors) -> Hashes:
    """64 of the 256 signs, as uint64 (N,): the slowest waves alone."""
    words, bits = np.divmod(_shorter(), 64)
    hashes = np.zeros(len(descriptors), np.uint64)
    for place, (word, bit) in enumerate(zip(words.tolist(), bits.tolist(), strict=True)):
        hashes |= ((descriptors[:, word] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)
    return hashes


def views(hashes: Hashes) -> npt.NDArray[np.uint64]:
    """The hashes that the 8 symmetric views of each image would have, in the order of `SYMMETRIES`; uint64 (8, N)."""
    down, across = _places(SHORT)
    odd_across = _mask(across % 2 == 1)
    odd_down = _mask(down % 2 == 1)
    flips = (np.uint64(0), odd_across, odd_down, odd_across ^ odd_down)
    return np.stack([upright ^ flip for upright in (hashes, _transposed(hashes)) for flip in flips])


def view_of(pixels: npt.NDArray[Image], symmetry: int) -> npt.NDArray[Image]:
    """The view of an image whose hash is `views(...)[symmetry]`."""
    upright = pixels.swapaxes(0, 1) if symmetry >= 4 else pixels
    rows = slice(None, None, -1) if symmetry & 2 else slice(None)
    columns = slice(None, None, -1) if symmetry & 1 else slice(None)
    return np.ascontiguousarray(upright[rows, columns])


def _transposed(hashes: Hashes) -> Hashes:
    down, across = _places(SHORT)
    place = {(int(u), int(v)): bit for bit, (u, v) in enumerate(zip(down, across, strict=True))}
    swapped = np.zeros_like(hashes)
    for bit, (u, v) in enumerate(zip(down, across, strict=True)):
        other = place[int(v), int(u)]
        swapped |= ((hashes >> np.uint64(bit)) & np.uint64(1)) << np.uint64(other)
    return swapped


@functools.cache
def _shorter() -> npt.NDArray[np.int64]:
    """Where the waves of the short code lie among those of the long one."""
    down, across = _places(SHORT)
    return np.asarray(down * LONG + across, np.int64)


@functools.cache
def _places(waves_kept: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which waves give the bits: a square of them without the constant, and one more on the diagonal in its stead."""
    down, across = np.divmod(np.arange(waves_kept * waves_kept), waves_kept)
    down[0] = across[0] = waves_kept
    return down, across


def _mask(chosen: npt.NDArray[np.bool_]) -> np.uint64:
    """The bits that are chosen, as one number."""
    return np.uint64(sum(1 << int(bit) for bit in np.flatnonzero(chosen)))


@functools.lru_cache(maxsize=512)
def _cosines(length: int) -> Matrix:
    places = (np.arange(length) + 0.5) / length
    return np.cos(np.pi * np.arange(LONG + 1)[:, None] * places[None]).astype(np.float32)
