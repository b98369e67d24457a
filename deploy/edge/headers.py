"""What an image file is, read from its first bytes alone: format, size, colour. The name is never asked.

Covered: PNG, JPEG, BMP, TIFF, WEBP. Knowing the size before decoding keeps a 12,000 x 12,000 image out of memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from deploy.edge import tiff_tags as tiff
from deploy.edge.errors import ImageError

Format = Literal["png", "jpeg", "bmp", "tiff", "webp"]
Colour = Literal["grey", "rgb", "palette", "cmyk"]

PNG_START = b"\x89PNG\r\n\x1a\n"
SUFFIXES = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "bmp": (".bmp", ".dib"),
    "tiff": (".tif", ".tiff"),
    "webp": (".webp",),
}
"""Names people give to each format, to warn when they lie."""


@dataclass(frozen=True)
class Header:
    """An image as it is stored: `channels` counts stored samples (palette 1, CMYK 4), `bit_depth` bits of each."""

    format: Format
    width: int
    height: int
    channels: int = 3
    bit_depth: int = 8
    colour: Colour = "rgb"
    alpha: bool = False
    orientation: int = 1

    @property
    def megapixels(self) -> float:
        """Width x height in millions."""
        return self.width * self.height / 1e6


def sniff(data: bytes) -> Header:
    """Format, size and colour from the content; ImageError `empty`, `unknown_format`, `truncated` or `undecodable`."""
    if not data:
        raise ImageError("empty", "the file is empty (0 bytes): copy it again")
    for start, parse in _PARSERS.items():
        if data.startswith(start) and (start != b"RIFF" or data[8:12] == b"WEBP"):
            try:
                header = parse(data)
            except (struct.error, IndexError) as error:
                raise ImageError(
                    "truncated", "the file ends inside its header: copy it again"
                ) from error
            if header.width < 1 or header.height < 1:
                raise ImageError("undecodable", f"its size is {header.width} x {header.height}")
            return header
    raise ImageError(
        "unknown_format",
        f"no PNG, JPEG, BMP, TIFF or WEBP: it starts with {data[:8]!r}; convert it to PNG",
    )


_PNG_COLOURS: dict[int, tuple[int, Colour, bool]] = {
    0: (1, "grey", False),
    2: (3, "rgb", False),
    3: (1, "palette", False),
    4: (2, "grey", True),
    6: (4, "rgb", True),
}


def _png(data: bytes) -> Header:
    if data[12:16] != b"IHDR" and len(data) >= 16:
        raise ImageError("undecodable", "the PNG does not open with its header chunk")
    width, height, depth, colour_type = struct.unpack_from(">IIBB", data, 16)
    if colour_type not in _PNG_COLOURS:
        raise ImageError("undecodable", f"PNG has no colour type {colour_type}")
    channels, colour, alpha = _PNG_COLOURS[colour_type]
    orientation = 1
    for kind, start, size in png_chunks(data):
        if kind == b"tRNS":
            alpha = True
        if kind == b"eXIf":
            orientation = tiff.exif_orientation(data[start : start + size])
    return Header("png", width, height, channels, depth, colour, alpha, orientation)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start of content, size) of every chunk whose head is there, up to IEND."""
    position = len(PNG_START)
    while position + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        yield kind, position + 8, size
        if kind == b"IEND":
            return
        position += size + 12


_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..15 without DHT, JPG, DAC
JPEG_SCAN, JPEG_END = 0xDA, 0xD9


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start of content, size) of every segment up to and including the first scan's header."""
    position = 2
    while True:
        if data[position] != 0xFF:
            raise ImageError("undecodable", f"no JPEG marker where one must be (byte {position})")
        while data[position] == 0xFF:  # a marker may be padded with more 0xFF
            position += 1
        marker = data[position]
        position += 1
        if marker == JPEG_END:
            raise ImageError("undecodable", "the JPEG ends before its first scan")
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue  # markers without content
        (size,) = struct.unpack_from(">H", data, position)
        yield marker, position + 2, size - 2
        if marker == JPEG_SCAN:
            return
        position += size


def _jpeg(data: bytes) -> Header:
    orientation = 1
    frame: tuple[int, int, int, int] | None = None
    for marker, start, size in jpeg_segments(data):
        if marker == 0xE1 and data[start : start + 6] == b"Exif\x00\x00":
            orientation = tiff.exif_orientation(data[start + 6 : start + size])
        if marker in _JPEG_FRAMES and frame is None:
            frame = struct.unpack_from(">BHHB", data, start)
    if frame is None:
        raise ImageError("undecodable", "the JPEG has a scan but no frame header")
    depth, height, width, channels = frame
    colour: Colour = "grey" if channels == 1 else "cmyk" if channels == 4 else "rgb"
    return Header("jpeg", width, height, channels, depth, colour, False, orientation)


def _bmp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    elif 36 <= size <= 256:
        width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    else:
        raise ImageError("unknown_format", f"no BMP: its header claims {size} bytes")
    if bits <= 8:
        return Header("bmp", width, abs(height), 1, bits, "palette")
    return Header("bmp", width, abs(height), 3 + (bits == 32), 8 if bits > 16 else 5, "rgb", False)


_TIFF_COLOURS: dict[int, Colour] = {0: "grey", 1: "grey", 3: "palette", 5: "cmyk"}


def _tiff(data: bytes) -> Header:
    tags = tiff.read_tags(data)
    photometric = tiff.value(tags, tiff.PHOTOMETRIC, 1)
    channels = tiff.value(tags, tiff.SAMPLES, 1)
    depth = tiff.value(tags, tiff.BITS, 1)
    _check_samples(tags, depth, (photometric, channels))
    colour = _TIFF_COLOURS.get(photometric, "rgb")
    orientation = tiff.value(tags, tiff.ORIENTATION, 1)
    width, height = tiff.value(tags, tiff.WIDTH), tiff.value(tags, tiff.HEIGHT)
    alpha = tiff.EXTRA_SAMPLES in tags or (channels, colour) in ((2, "grey"), (4, "rgb"))
    return Header("tiff", width, height, channels, depth, colour, alpha, orientation)


def _check_samples(tags: Mapping[int, tiff.Tag], depth: int, layout: tuple[int, int]) -> None:
    """Refuse what OpenCV decodes wrongly without a word; `layout` is (colour space, samples per pixel)."""
    if tiff.value(tags, tiff.SAMPLE_FORMAT, 1) != 1:
        raise ImageError(
            "undecodable",
            "TIFF samples are signed or float, which has no fixed scale: save as 8 or 16 bit",
        )
    uneven = tiff.BITS in tags and len(set(tags[tiff.BITS].values)) > 1
    if uneven or depth not in (1, 2, 4, 8, 16):
        raise ImageError("undecodable", f"TIFF samples of {depth} bit: save as 8 or 16 bit")
    usual = layout in ((1, 1), (2, 3), (2, 4)) and tiff.value(tags, tiff.PLANAR, 1) == 1
    if depth == 16 and not usual:
        raise ImageError(
            "undecodable",
            f"16-bit TIFF of {layout[1]} samples in colour space {layout[0]}: save as grey or RGB",
        )


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start of content, size) of every chunk whose head is there."""
    position = 12
    while position + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, position + 4)
        yield data[position : position + 4], position + 8, size
        position += 8 + size + size % 2


def _webp(data: bytes) -> Header:
    kind = data[12:16]
    if kind == b"VP8X":
        flags = data[20]
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        data[29]  # IndexError when the header is cut
        exif = [data[at : at + size] for name, at, size in webp_chunks(data) if name == b"EXIF"]
        block = exif[0].removeprefix(b"Exif\x00\x00") if exif else b""
        orientation, alpha = tiff.exif_orientation(block), bool(flags & 0x10)
        return Header("webp", width, height, 3 + alpha, 8, "rgb", alpha, orientation)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height, alpha = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1)
        return Header("webp", width, height, 3 + alpha, 8, "rgb", alpha)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return Header("webp", width & 0x3FFF, height & 0x3FFF)
    if len(data) < 16:
        raise ImageError("truncated", "the file ends inside its header: copy it again")
    raise ImageError("undecodable", f"WEBP has no chunk {kind!r} in front")


_PARSERS: dict[bytes, Callable[[bytes], Header]] = {
    PNG_START: _png,
    b"\xff\xd8\xff": _jpeg,
    b"BM": _bmp,
    b"II*\x00": _tiff,
    b"MM\x00*": _tiff,
    b"RIFF": _webp,
}
