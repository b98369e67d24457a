"""Pictures encoded by Pillow, files written by hand where Pillow writes none, and the reason a refusal gives."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from deploy.edge.decode import decode
from deploy.edge.errors import ImageError

SIZE = (45, 40)  # width, height: unequal, so that a rotation is seen
FORMATS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 95},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {"lossless": True, "exact": True},
}

MODES = ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK"]
NOT_HELD = {("JPEG", mode) for mode in ("P", "RGBA", "LA")} | {
    ("BMP", "LA"),
    ("BMP", "CMYK"),
    ("PNG", "CMYK"),
}
HELD = [(kind, mode) for kind in FORMATS for mode in MODES if (kind, mode) not in NOT_HELD]


def picture(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """Blocks of colour with soft edges, the same every time."""
    blocks = np.random.default_rng(3).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """A file of that kind, as Pillow writes it."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def by_pillow(data: bytes) -> npt.NDArray[np.int16]:
    """RGB as Pillow reads it; signed, so that it can be subtracted from."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int16)


def sixteen(shape: tuple[int, ...] = (256, 256)) -> npt.NDArray[np.uint16]:
    """Noise over the whole range of 16 bit."""
    return np.random.default_rng(5).integers(0, 65536, shape).astype(np.uint16)


def reason(data: bytes, **limits: float) -> str:
    """Why the file is refused, which is told in one line."""
    with pytest.raises(ImageError) as caught:
        decode(data, **limits)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG by hand, for what Pillow does not write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts
