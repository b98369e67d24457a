"""Pillow writes and reads the odd files; decode must come to the same pixels or refuse with a reason."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deploy.edge.decode import decode, read_image, sniff
from tests.unit.decode_material import (
    FORMATS,
    HELD,
    SIZE,
    by_pillow,
    encoded,
    picture,
    png,
    reason,
    sixteen,
)


@pytest.mark.parametrize(("kind", "mode"), HELD)
def test_decode__agrees_with_pillow(kind: str, mode: str) -> None:
    data = encoded(picture(mode), kind, **FORMATS[kind])
    decoded = decode(data)
    assert decoded.header.format == kind.lower()
    assert (decoded.header.width, decoded.header.height) == SIZE
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.flags.c_contiguous
    gap = np.abs(decoded.pixels - by_pillow(data)).max()
    assert gap <= (1 if mode == "CMYK" else 0)  # both divide by 255, one rounds


@pytest.mark.parametrize(("kind", "mode"), [pair for pair in HELD if pair[1] in ("RGBA", "LA")])
def test_alpha__is_dropped_and_never_multiplied(kind: str, mode: str) -> None:
    image = picture(mode)
    image.putalpha(Image.fromarray(np.arange(1800).reshape(40, 45).astype(np.uint8)))
    data = encoded(image, kind, **FORMATS[kind])
    assert np.array_equal(decode(data).pixels, np.asarray(picture(mode).convert("RGB")))


def test_palette_with_transparency__gives_the_palette_colours() -> None:
    image = picture("P")
    decoded = decode(encoded(image, "PNG", transparency=3))
    assert decoded.header.alpha
    assert np.array_equal(decoded.pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit__keeps_the_high_byte_whatever_the_content(kind: str) -> None:
    for values in (sixteen(), sixteen() // 16):  # a 12-bit camera's image stays as dark as it is
        decoded = decode(encoded(Image.fromarray(values), kind))
        assert decoded.bit_depth == 16
        assert decoded.channels == 1
        assert np.array_equal(decoded.pixels, np.repeat((values >> 8)[..., None], 3, axis=2))


def test_sixteen_bit_colour__keeps_the_high_byte() -> None:
    values = sixteen((40, 45, 3))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    decoded = decode(png(45, 40, 16, 2, rows))
    assert (decoded.channels, decoded.bit_depth) == (3, 16)
    assert np.array_equal(decoded.pixels, values >> 8)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation__is_reported_and_not_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options = {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif}
    plain = encoded(picture(), kind, **FORMATS[kind])
    turned = encoded(picture(), kind, **FORMATS[kind], **options)
    assert decode(turned).header.orientation == orientation
    assert np.array_equal(decode(turned).pixels, decode(plain).pixels)


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    [
        ("RGB", "PNG", (3, 8, "rgb", False)),
        ("P", "PNG", (1, 8, "palette", False)),
        ("LA", "PNG", (2, 8, "grey", True)),
        ("RGBA", "PNG", (4, 8, "rgb", True)),
        ("1", "PNG", (1, 1, "grey", False)),
        ("L", "JPEG", (1, 8, "grey", False)),
        ("CMYK", "JPEG", (4, 8, "cmyk", False)),
        ("CMYK", "TIFF", (4, 8, "cmyk", False)),
        ("RGBA", "TIFF", (4, 8, "rgb", True)),
        ("RGB", "BMP", (3, 8, "rgb", False)),
        ("P", "BMP", (1, 8, "palette", False)),
    ],
)
def test_header__says_how_it_is_stored(
    mode: str, kind: str, expected: tuple[int, int, str, bool]
) -> None:
    header = sniff(encoded(picture(mode), kind))
    assert (header.channels, header.bit_depth, header.colour, header.alpha) == expected


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}])
def test_webp__lossy_and_lossless_agree_with_pillow(options: dict[str, Any]) -> None:
    data = encoded(picture(), "WEBP", **options)
    assert np.array_equal(decode(data).pixels, by_pillow(data))


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 2}, {"restart": True}])
def test_jpeg_variants__are_whole(options: dict[str, Any]) -> None:
    extra = {"restart_marker_rows": 1} if "restart" in options else options
    data = encoded(picture(size=(300, 200)), "JPEG", **extra)
    assert np.array_equal(decode(data).pixels, by_pillow(data))


def test_animation__gives_its_first_frame() -> None:
    first, second = picture(), picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    data = encoded(first, "WEBP", save_all=True, append_images=[second], lossless=True)
    assert np.array_equal(decode(data).pixels, np.asarray(first))


@pytest.mark.parametrize("kind", FORMATS)
def test_one_pixel__is_an_image(kind: str) -> None:
    decoded = decode(encoded(picture(size=(1, 1)), kind))
    assert decoded.pixels.shape == (1, 1, 3)


def test_float_tiff__has_no_scale() -> None:
    assert reason(encoded(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF")) == "undecodable"


def test_white_is_zero_tiff__eight_bit_is_read_sixteen_bit_refused() -> None:
    grey = encoded(picture("L"), "TIFF", tiffinfo={262: 0})
    assert np.array_equal(decode(grey).pixels, by_pillow(grey))
    assert reason(encoded(Image.fromarray(sixteen()), "TIFF", tiffinfo={262: 0})) == "undecodable"


def test_tiff_that_names_its_width_twice__is_refused() -> None:
    data = bytearray(encoded(picture("L"), "TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    struct.pack_into(
        "<H", data, start + 2 + 12, 256
    )  # the second entry, the height, becomes a second width
    assert reason(bytes(data)) == "undecodable"


def test_top_down_bmp__has_a_positive_height() -> None:
    data = bytearray(encoded(picture(), "BMP"))
    struct.pack_into("<i", data, 22, -SIZE[1])
    flipped = decode(bytes(data)).pixels[::-1]
    assert np.array_equal(flipped, np.asarray(picture()))


def test_os2_bmp__is_read() -> None:
    rows = np.asarray(picture(size=(4, 4)))
    pixels = rows[::-1, :, ::-1].tobytes()
    head = b"BM" + struct.pack("<IHHI", 26 + len(pixels), 0, 0, 26)
    data = head + struct.pack("<IHHHH", 12, 4, 4, 1, 24) + pixels
    assert np.array_equal(decode(data).pixels, rows)
    assert reason(data[:-5]) == "truncated"


def big_endian_tiff(pixels: bytes, changes: dict[int, int | None]) -> bytes:
    """A grey 4 x 3 TIFF by hand, tags changed or left out."""
    tags = {256: 4, 257: 3, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 3, 279: len(pixels)}
    entries = [
        (number, value) for number, value in {**tags, **changes}.items() if value is not None
    ]
    directory = struct.pack(">H", len(entries))
    for number, value in entries:
        directory += struct.pack(">HHII", number, 4, 1, value)
    return b"MM\0*" + struct.pack(">I", 8 + len(pixels)) + pixels + directory + bytes(4)


def test_big_endian_tiff__is_read() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    decoded = decode(big_endian_tiff(values.tobytes(), {}))
    assert np.array_equal(decoded.pixels[..., 0], values)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({258: 12}, "undecodable"),
        ({258: 32}, "undecodable"),  # no rule leads from 32 bit to 8
        ({277: 5, 262: 2}, "undecodable"),
        ({273: None}, "undecodable"),
        ({279: None}, "undecodable"),
        ({256: 0}, "undecodable"),
        ({273: 10_000}, "truncated"),
        ({256: 60_000, 257: 60_000}, "too_large"),
    ],
)
def test_impossible_tiff__is_refused(changes: dict[int, int | None], expected: str) -> None:
    assert reason(big_endian_tiff(bytes(60), changes)) == expected


def test_sixteen_bit_tiff_of_a_rare_layout__is_refused_for_opencv_would_mix_its_samples() -> None:
    grey = np.arange(0, 60_000, 5_000, dtype=">u2")
    both = np.stack([grey, grey[::-1]], axis=1).tobytes()
    with_alpha, planar = {258: 16, 277: 2, 338: 2}, {258: 16, 284: 2}
    assert reason(big_endian_tiff(both, with_alpha)) == "undecodable"
    assert reason(big_endian_tiff(both, planar)) == "undecodable"
    plain = decode(big_endian_tiff(grey.tobytes(), {258: 16}))
    assert np.array_equal(plain.pixels[..., 0].ravel(), grey >> 8)


def test_run_length_bmp__is_left_to_its_decoder() -> None:
    rows = b"\x04\x02\0\0" * 3 + b"\0\x01"  # four pixels of colour 2, end of line, three times
    palette = b"".join(bytes([i, i, i, 0]) for i in (10, 20, 30, 40)) + bytes(4 * 252)
    head = b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + len(palette))
    info = struct.pack("<IiiHHIIiiII", 40, 4, 3, 1, 8, 1, len(rows), 0, 0, 256, 0)
    assert (decode(head + info + palette + rows).pixels == 30).all()


@pytest.mark.assets
@pytest.mark.parametrize("name", ["neu_det", "magnetic_tile", "pipe_frames"])
def test_real_images__agree_with_pillow(name: str, assets: Path) -> None:
    paths = sorted(path for path in (assets / "data" / name).rglob("*.[jp][pn]g"))
    for path in paths[:: max(1, len(paths) // 30)]:
        decoded = read_image(path)
        assert np.array_equal(decoded.pixels, by_pillow(path.read_bytes())), path


def test_read_image__goes_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encoded(picture()))
    decoded = read_image(path)
    assert decoded.header.format == "png"
    assert np.array_equal(decoded.pixels, np.asarray(picture()))
