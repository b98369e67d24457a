"""Is the file all there? Decoders paint the missing half of a cut image grey and call it a success.

Covered: a cut anywhere in PNG, JPEG, TIFF, WEBP and uncompressed BMP; any changed byte of a PNG (its own checksums).
Not covered: changed bytes inside a JPEG's, TIFF's, BMP's or WEBP's pixel data, which carry no checksum.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Mapping

from deploy.edge import tiff_tags as tiff
from deploy.edge.errors import ImageError
from deploy.edge.headers import JPEG_END, Header, jpeg_segments, png_chunks

_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # no stuffed zero, restart or fill byte


def check_complete(data: bytes, header: Header) -> None:
    """ImageError `truncated` or `undecodable` unless every byte the format promises is there."""
    try:
        _CHECKS[header.format](data, header)
    except (struct.error, IndexError) as error:
        raise _cut("it ends inside its header") from error


def _cut(what: str) -> ImageError:
    return ImageError("truncated", f"the file is cut: {what}; copy it again")


def _png(data: bytes, _: Header) -> None:
    for kind, start, size in png_chunks(data):
        if start + size + 4 > len(data):
            break
        (stated,) = struct.unpack_from(">I", data, start + size)
        if zlib.crc32(memoryview(data)[start - 4 : start + size]) != stated:
            raise ImageError("undecodable", f"the PNG is damaged: checksum of {kind!r} differs")
        if kind == b"IEND":
            return
    raise _cut("the PNG never reaches its IEND chunk")


def _jpeg(data: bytes, _: Header) -> None:
    position = 0
    for _marker, start, size in jpeg_segments(data):
        position = start + size
    while found := _JPEG_MARKER.search(data, position):
        if data[found.start() + 1] == JPEG_END:
            return
        if found.end() + 2 > len(data):
            break
        (size,) = struct.unpack_from(
            ">H", data, found.end()
        )  # tables or a scan of a progressive file
        position = found.end() + size
    raise _cut("the JPEG has no end-of-image marker")


def _bmp(data: bytes, header: Header) -> None:
    start, size = struct.unpack_from("<II", data, 10)
    bits, compression = struct.unpack_from("<HI", data, 28) if size > 12 else (0, 0)
    if compression in (1, 2):  # run lengths; the decoder stops by itself where they end
        return
    if size == 12:
        (bits,) = struct.unpack_from("<H", data, 24)
    row = (header.width * bits + 31) // 32 * 4
    if start + row * header.height > len(data):
        raise _cut(f"the BMP needs {start + row * header.height} bytes, has {len(data)}")


def _tiff(data: bytes, _: Header) -> None:
    tags = tiff.read_tags(data)
    tiled = tiff.TILE_OFFSETS in tags
    offsets = tags.get(tiff.TILE_OFFSETS if tiled else tiff.STRIP_OFFSETS)
    sizes = tags.get(tiff.TILE_BYTES if tiled else tiff.STRIP_BYTES)
    if offsets is None or sizes is None or len(offsets.values) != len(sizes.values):
        raise ImageError("undecodable", "the TIFF does not say where its pixels are: save it again")
    if any(at + size > len(data) for at, size in zip(offsets.values, sizes.values, strict=True)):
        raise _cut("the TIFF's pixels lie beyond its end")


def _webp(data: bytes, _: Header) -> None:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise _cut(f"the WEBP promises {size + 8} bytes, has {len(data)}")


_CHECKS: Mapping[str, Callable[[bytes, Header], None]] = {
    "png": _png,
    "jpeg": _jpeg,
    "bmp": _bmp,
    "tiff": _tiff,
    "webp": _webp,
}
