"""Pillow writes and reads the odd files; decode must come to the same pixels or refuse with a reason."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deploy.edge.decode import Decoded, decode, read_bytes, read_image, sniff
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
    blocks = np.random.default_rng(3).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def by_pillow(data: bytes) -> npt.NDArray[np.int16]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int16)


def sixteen(shape: tuple[int, ...] = (256, 256)) -> npt.NDArray[np.uint16]:
    return np.random.default_rng(5).integers(0, 65536, shape).astype(np.uint16)


def reason(data: bytes, **limits: float) -> str:
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


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95, 1.0])
def test_cut_file__is_truncated(kind: str, share: float) -> None:
    data = encoded(picture(size=(200, 150)), kind, **FORMATS[kind])
    assert reason(data[: min(int(len(data) * share), len(data) - 3)]) == "truncated"


@pytest.mark.parametrize("kind", FORMATS)
def test_cut_inside_the_header__is_truncated(kind: str) -> None:
    data = encoded(picture(), kind)
    for length in (13, 16, 18):
        assert reason(data[:length]) == "truncated", length


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"this is a text file, whatever its name says\n", "unknown_format"),
        (b"\0" * 500, "unknown_format"),
        (b"GIF89a" + b"\0" * 50, "unknown_format"),
        (b"RIFF\x20\0\0\0WAVEfmt " + b"\0" * 50, "unknown_format"),
        (b"BM no picture at all, but a text" + b"\0" * 50, "unknown_format"),
        (b"II+\0\x08\0\0\0" + b"\0" * 50, "unknown_format"),  # BigTIFF
        (b"RIFF\x20\0\0\0WEBPABCD" + b"\0" * 50, "undecodable"),
        (png(4, 4, 8, 5, b""), "undecodable"),  # there is no colour type 5
        (png(0, 4, 8, 2, b""), "undecodable"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x04IDAT" + b"\0" * 30, "undecodable"),
        (b"\xff\xd8\xff\xd9", "undecodable"),
        (b"\xff\xd8\xff\xe0\0\x04ab no marker", "undecodable"),
        (b"\xff\xd8\xff\xda\0\x02\xff\xd9", "undecodable"),  # a scan without a frame
    ],
)
def test_no_image__has_its_reason(data: bytes, expected: str) -> None:
    assert reason(data) == expected


def test_short_pixel_data_under_right_checksums__is_refused() -> None:
    rows = b"\0" + bytes(45 * 3)
    assert reason(png(45, 40, 8, 2, rows)) == "undecodable"


def test_changed_byte_of_a_png__is_undecodable_everywhere() -> None:
    data = encoded(picture(), "PNG")
    for position in range(40, len(data) - 12, 97):
        changed = bytearray(data)
        changed[position] ^= 0x20
        assert reason(bytes(changed)) in {"undecodable", "truncated"}, position


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


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
def test_too_large__is_refused_from_the_header_alone(kind: str) -> None:
    """Only the header claims 12,000 x 12,000: were the pixels touched, the reason would be `truncated`."""
    data = bytearray(encoded(picture("L"), kind))
    width = struct.pack(">H", 12000)
    if kind == "PNG":
        struct.pack_into(">II", data, 16, 12000, 12000)
    elif kind == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = width + width
    elif kind == "BMP":
        struct.pack_into("<ii", data, 18, 12000, 12000)
    else:
        (start,) = struct.unpack_from("<I", data, 4)
        for entry in (start + 2, start + 14):
            struct.pack_into("<HII", data, entry + 2, 4, 1, 12000)
    assert sniff(bytes(data)).megapixels == 144
    assert reason(bytes(data)) == "too_large"


def test_real_12000_square__is_refused_in_a_small_memory(tmp_path: Path) -> None:
    """The genuine article, in a process that could not hold its 432 MB of pixels."""
    path = tmp_path / "huge.png"
    rows = (b"\0" + bytes(1500)) * 12000
    path.write_bytes(png(12000, 12000, 1, 0, rows))
    program = f"""
import cv2, numpy, resource, pathlib
from deploy.edge.decode import read_image
from deploy.edge.errors import ImageError
used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + 100 * 2**20,) * 2)
try:
    read_image(pathlib.Path({str(path)!r}))
except ImageError as error:
    print(error.reason, error)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.startswith("too_large"), found
    assert "12000 x 12000" in found.stdout
    assert str(path) in found.stdout


def test_limit__is_the_callers() -> None:
    data = encoded(picture(size=(200, 100)))
    assert reason(data, max_megapixels=0.019) == "too_large"
    assert decode(data, max_megapixels=0.02).pixels.shape == (100, 200, 3)


def test_read_image__goes_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encoded(picture()))
    decoded = read_image(path)
    assert decoded.header.format == "png"
    assert np.array_equal(decoded.pixels, np.asarray(picture()))


def test_read_image__names_the_file_in_every_complaint(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    cases = {"empty.png": "empty", "absent.png": "missing", "folder.png": "unreadable"}
    cases["nul\0.png"] = "unreadable"
    for name, expected in cases.items():
        with pytest.raises(ImageError, match=name.partition("\0")[0]) as caught:
            read_image(tmp_path / name)
        assert caught.value.reason in {expected, "missing" if "\0" in name else expected}


def test_read_image__that_the_system_refuses_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read") as caught:
        read_image(tmp_path / ("x" * 300 + ".png"))
    assert caught.value.reason == "unreadable"


def test_read_bytes__refuses_what_no_image_can_weigh(tmp_path: Path) -> None:
    path = tmp_path / "log.jpg"
    with path.open("wb") as stream:
        stream.truncate(2**27)  # sparse: nothing is written
    with pytest.raises(ImageError, match="bytes, the limit is") as caught:
        read_bytes(path, max_megapixels=1.0)
    assert caught.value.reason == "too_large"


def test_bad_files__leave_stderr_alone(tmp_path: Path) -> None:
    """OpenCV would print a paragraph for each."""
    broken = bytearray(encoded(picture(), "WEBP", lossless=True))
    broken[30:60] = bytes(30)
    (tmp_path / "a.webp").write_bytes(broken)
    (tmp_path / "b.png").write_bytes(png(45, 40, 8, 2, b"\0" + bytes(45 * 3)))
    program = f"""
from pathlib import Path
from deploy.edge.decode import read_image
from deploy.edge.errors import ImageError
for path in sorted(Path({str(tmp_path)!r}).iterdir()):
    try:
        read_image(path)
    except ImageError as error:
        print(error.reason)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.split() == ["undecodable", "undecodable"]
    assert "OpenCV" not in found.stderr


def assert_known(error: ImageError) -> None:
    assert error.reason in {"empty", "unknown_format", "truncated", "undecodable", "too_large"}
    assert "\n" not in str(error)


def only_image_errors(data: bytes) -> Decoded | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            decoded = decode(data, max_megapixels=1.0)
        except ImageError as error:
            return assert_known(error)
    assert decoded.pixels.shape == (decoded.header.height, decoded.header.width, 3)
    return decoded


STARTS = [
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"RIFF\x40\0\0\0WEBPVP8",
]


@pytest.mark.fuzz
@given(start=st.sampled_from([b"", *STARTS]), rest=st.binary(max_size=300))
def test_random_bytes__only_image_errors_come_out(start: bytes, rest: bytes) -> None:
    only_image_errors(start + rest)


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", FORMATS)
@given(data=st.data())
def test_flipped_bits__only_image_errors_come_out(kind: str, data: st.DataObject) -> None:
    mode = data.draw(st.sampled_from([mode for other, mode in HELD if other == kind]))
    good = encoded(picture(mode, (16, 12)), kind, **FORMATS[kind])
    changed = bytearray(good)
    # Mostly the head, where sizes, offsets and counts are.
    places = st.one_of(st.integers(0, min(99, len(good) - 1)), st.integers(0, len(good) - 1))
    for position in data.draw(st.lists(places, min_size=1, max_size=6)):
        changed[position] = data.draw(st.integers(0, 255))
    only_image_errors(bytes(changed))


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", FORMATS)
@given(data=st.data())
def test_any_cut__is_refused(kind: str, data: st.DataObject) -> None:
    good = encoded(picture("RGB", (16, 12)), kind, **FORMATS[kind])
    length = data.draw(st.integers(0, len(good) - 1))
    decoded = only_image_errors(good[:length])
    # What lies behind the last pixel (a TIFF's directory aside) may be missing; a pixel may not.
    assert decoded is None or np.array_equal(decoded.pixels, decode(good).pixels)
