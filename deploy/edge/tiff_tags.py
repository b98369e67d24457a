"""The numbers in a TIFF directory: what a TIFF file and every EXIF block are described by.

Covered: classic TIFF, first directory, unsigned integer tags. Not covered: BigTIFF, nested directories.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.edge.errors import ImageError

WIDTH, HEIGHT, BITS, PHOTOMETRIC = 256, 257, 258, 262
STRIP_OFFSETS, ORIENTATION, SAMPLES, STRIP_BYTES = 273, 274, 277, 279
PLANAR, TILE_OFFSETS, TILE_BYTES, EXTRA_SAMPLES, SAMPLE_FORMAT = 284, 324, 325, 338, 339

_INTEGERS = {1: "B", 3: "H", 4: "I"}  # BYTE, SHORT, LONG


@dataclass(frozen=True)
class Tag:
    """One entry: its values, and where the first of them stands in the data."""

    values: tuple[int, ...]
    offset: int
    code: str

    @property
    def first(self) -> int:
        """The only value of a single-valued tag."""
        return self.values[0]


def byte_order(data: bytes) -> str:
    """The `struct` prefix of a TIFF block; '' when it is none."""
    return {b"II*\x00": "<", b"MM\x00*": ">"}.get(data[:4], "")


def read_tags(data: bytes) -> Mapping[int, Tag]:
    """Integer tags of the first directory by number; duplicates are refused, for decoders disagree on them."""
    order = byte_order(data)
    tags: dict[int, Tag] = {}
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            number, kind, length = struct.unpack_from(order + "HHI", data, entry)
            if number in tags:
                raise ImageError("undecodable", f"the TIFF names tag {number} twice: save it again")
            if kind in _INTEGERS and length:
                tags[number] = _read(data, order, entry, _INTEGERS[kind], length)
    except struct.error as error:
        raise ImageError("truncated", "the TIFF directory lies beyond the file's end") from error
    return tags


def _read(data: bytes, order: str, entry: int, code: str, length: int) -> Tag:
    size = struct.calcsize(code) * length
    offset = entry + 8
    if size > 4:
        (offset,) = struct.unpack_from(order + "I", data, offset)
    if offset + size > len(data):  # before a hostile count asks for memory
        raise struct.error("values beyond the end")
    return Tag(struct.unpack_from(f"{order}{length}{code}", data, offset), offset, code)


def value(tags: Mapping[int, Tag], number: int, default: int = 0) -> int:
    """First value of a tag, or `default` when it is absent."""
    return tags[number].first if number in tags else default


def with_value(data: bytes, tag: Tag, new: int) -> bytes:
    """A copy of `data` in which the tag's first value is `new`."""
    patched = bytearray(data)
    struct.pack_into(byte_order(data) + tag.code, patched, tag.offset, new)
    return bytes(patched)


def exif_orientation(block: bytes) -> int:
    """Orientation 1..8 of an EXIF block; 1 when it says nothing usable."""
    try:
        orientation = value(read_tags(block), ORIENTATION, 1) if byte_order(block) else 1
    except ImageError:
        return 1  # a broken note about the picture is no fault of the picture
    return orientation if 1 <= orientation <= 8 else 1
