"""Files that are cut, spoilt, no images or too large are refused with a reason, and nothing else comes out."""

from __future__ import annotations

import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.edge.decode import Decoded, decode, read_bytes, read_image, sniff
from deploy.edge.errors import ImageError
from tests.unit.decode_material import FORMATS, HELD, encoded, picture, png, reason


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
