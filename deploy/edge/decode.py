"""Any image file as 8-bit RGB pixels, or one ImageError that says why not. Used by training and device alike.

One rule per oddity, and none looks at the content: 16 bit keeps the high byte (value // 256), a palette is looked
up, alpha is dropped, CMYK is converted, grey is repeated, the EXIF orientation is ignored (pixels as stored).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge import tiff_tags as tiff
from deploy.edge.completeness import check_complete
from deploy.edge.errors import ImageError
from deploy.edge.headers import Header, sniff

__all__ = ["Decoded", "Header", "decode", "read_bytes", "read_image", "sniff"]

Pixels = npt.NDArray[np.uint8]
MatLike = npt.NDArray[np.integer | np.floating]


@dataclass(frozen=True)
class Decoded:
    """`pixels` uint8 (H, W, 3) RGB; `channels` and `bit_depth` as they were stored."""

    pixels: Pixels
    header: Header

    @property
    def channels(self) -> int:
        """Samples per stored pixel (palette 1, CMYK 4)."""
        return self.header.channels

    @property
    def bit_depth(self) -> int:
        """Bits per stored sample."""
        return self.header.bit_depth


def decode(data: bytes, *, max_megapixels: float = 100.0) -> Decoded:
    """Pixels of an image file's bytes; ImageError reasons: see `sniff`, and `too_large`, `truncated`, `undecodable`."""
    header = sniff(data)
    if header.megapixels > max_megapixels:
        raise ImageError(
            "too_large",
            f"{header.width} x {header.height} is {header.megapixels:.4g} megapixels, the limit is "
            f"{max_megapixels:g}: cut it into tiles or raise the limit",
        )
    check_complete(data, header)
    stored = _decode_stored(_untouched(data, header), header)
    if stored is None or stored.shape[:2] != (header.height, header.width):
        raise ImageError(
            "undecodable", f"the {header.format.upper()} is damaged inside: save or copy it again"
        )
    return Decoded(_as_rgb(stored), header)


def read_bytes(path: Path, *, max_megapixels: float = 100.0) -> bytes:
    """A file's bytes; ImageError `missing`, `unreadable`, or `too_large` (no image within the limit weighs that)."""
    limit = (
        int(max_megapixels * 8e6) + 2**26
    )  # 16-bit RGBA, and room for what a file carries besides
    try:
        if not path.is_file():
            reason = "unreadable" if path.exists() else "missing"
            what = "no regular file" if path.exists() else "no such file: check the path"
            raise ImageError(reason, f"{path}: {what}")
        if (size := path.stat().st_size) > limit:
            raise ImageError("too_large", f"{path}: {size} bytes, the limit is {limit}: cut it up")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ImageError("unreadable", f"{path}: cannot be read ({error})") from error


def read_image(path: Path, *, max_megapixels: float = 100.0) -> Decoded:
    """`decode` of a file, its name in front of every complaint."""
    data = read_bytes(path, max_megapixels=max_megapixels)
    try:
        return decode(data, max_megapixels=max_megapixels)
    except ImageError as error:
        raise ImageError(error.reason, f"{path}: {error}") from error


@functools.cache
def _silence_decoder() -> None:
    """OpenCV prints its own story of every bad file; ours is in the ImageError."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _untouched(data: bytes, header: Header) -> bytes:
    """TIFF bytes told to neither rotate nor multiply colours by alpha: OpenCV does both, unasked."""
    if header.format != "tiff":
        return data
    for number in (tiff.ORIENTATION, tiff.EXTRA_SAMPLES):
        tag = tiff.read_tags(data).get(number)
        if tag is not None and tag.first != 1:  # 1: upright; 1: colours already multiplied
            data = tiff.with_value(data, tag, 1)
    return data


def _decode_stored(data: bytes, header: Header) -> MatLike | None:
    _silence_decoder()
    # As stored, so that every conversion is ours; but OpenCV takes some colour BMPs for grey unless told.
    flags = cv2.IMREAD_COLOR if header.format == "bmp" else cv2.IMREAD_UNCHANGED
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def _as_rgb(stored: MatLike) -> Pixels:
    if stored.dtype == np.uint16:
        stored = np.right_shift(stored, 8, dtype=np.uint16).astype(np.uint8)
    if stored.dtype != np.uint8:
        raise ImageError("undecodable", f"samples of type {stored.dtype}: save as 8 or 16 bit")
    channels = 1 if stored.ndim == 2 else stored.shape[2]
    conversions = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    if channels not in conversions:
        raise ImageError("undecodable", f"{channels} channels per pixel: save as RGB or grey")
    return cv2.cvtColor(stored, conversions[channels]).astype(np.uint8, copy=False)
