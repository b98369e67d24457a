"""Pictures stay inside the page's budget and the data folder; outlines lie on what they outline."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from inspection.data.index import ImageIndex
from inspection.data.shapes import Region
from inspection.reporting import thumbnails
from inspection.reporting.thumbnails import Pictures, Thumbnail


def save(path: Path, pixels: npt.NDArray[Any]) -> None:
    path.write_bytes(cv2.imencode(path.suffix, pixels.astype(np.uint8))[1].tobytes())


def pictures(root: Path, **row: Any) -> Pictures:
    return Pictures(ImageIndex.from_rows(root, [{"image_id": "0" * 64, "path": "a.png", **row}]))


def decoded(thumbnail: Thumbnail) -> npt.NDArray[Any]:
    data = base64.b64decode(thumbnail.uri.removeprefix("data:image/jpeg;base64,"))
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return pixels


def bounds(thumbnail: Thumbnail) -> tuple[float, float, float, float]:
    points = np.array([point for polygon in thumbnail.polygons for point in polygon])
    return (*points.min(axis=0), *points.max(axis=0))


def test_a_large_image_shrinks_and_keeps_its_shape_and_colours(tmp_path: Path) -> None:
    pixels = np.zeros((500, 1000, 3))
    pixels[..., 2] = 200  # red, as OpenCV stores it
    save(tmp_path / "a.png", pixels)
    made = pictures(tmp_path).of("a.png")
    shown = decoded(made)
    assert shown.shape == (160, 320, 3) == (made.height, made.width, 3)
    assert shown[80, 160] == pytest.approx([0, 0, 200], abs=4)


def test_a_small_image_is_not_blown_up(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((20, 33, 3), 90))
    made = pictures(tmp_path).of("a.png")
    assert (made.width, made.height) == (33, 20)


def test_a_mask_is_outlined_where_it_lies_and_scaled_with_the_picture(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((640, 640, 3), 90))
    mask = np.zeros((640, 640))
    mask[100:300, 200:400] = 255
    save(tmp_path / "m.png", mask)
    made = pictures(tmp_path, mask_path="m.png").of("a.png")
    assert bounds(made) == pytest.approx((100, 50, 200, 150), abs=1)


def test_the_mask_is_read_at_the_threshold_of_the_config(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((64, 64, 3), 90))
    mask = np.zeros((64, 64))
    mask[10:30, 10:30] = 100
    save(tmp_path / "m.png", mask)
    index = pictures(tmp_path, mask_path="m.png").index
    assert Pictures(index).of("a.png").polygons == ()
    assert len(Pictures(index, mask_threshold=64).of("a.png").polygons) == 1


def test_boxes_are_outlined_when_there_is_no_mask(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((640, 640, 3), 90))
    box = {"x0": 20.0, "y0": 40.0, "x1": 120.0, "y1": 240.0, "label": "dent"}
    made = pictures(tmp_path, boxes=[box]).of("a.png")
    assert bounds(made) == (10, 20, 60, 120)


def test_a_defect_of_few_pixels_keeps_its_outline(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((1600, 1600, 3), 90))
    mask = np.zeros((1600, 1600))
    mask[800:804, 800:804] = 255
    save(tmp_path / "m.png", mask)
    assert len(pictures(tmp_path, mask_path="m.png").of("a.png").polygons) == 1


def test_a_mask_of_another_size_is_not_drawn(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((64, 64, 3), 90))
    save(tmp_path / "m.png", np.full((32, 32), 255))
    assert pictures(tmp_path, mask_path="m.png").of("a.png").polygons == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"no image at all", "unknown format"), (None, "missing")],
)
def test_what_cannot_be_shown_says_why(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    made = pictures(tmp_path).of("a.png")
    assert made.uri == ""
    assert made.missing == f"no picture: {reason}"


def test_nothing_outside_the_root_is_shown(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    save(tmp_path / "secret.png", np.full((64, 64, 3), 90))
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    for name in ("../secret.png", "link.png", str(tmp_path / "secret.png")):
        made = pictures(root, path=name).of(name)
        assert (made.uri, made.missing) == ("", "outside the data folder")


def test_a_mask_outside_the_root_is_not_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    save(root / "a.png", np.full((64, 64, 3), 90))
    save(tmp_path / "m.png", np.full((64, 64), 255))
    assert pictures(root, mask_path="../m.png").of("a.png").polygons == ()


def test_later_pictures_shrink_then_give_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (320, 320, 3))
    names = [f"{i}.png" for i in range(8)]
    for name in names:
        save(tmp_path / name, noise)
    index = ImageIndex.from_rows(tmp_path, [{"image_id": n, "path": n} for n in names])
    monkeypatch.setattr(thumbnails, "SHRINK_AFTER", 150_000)
    monkeypatch.setattr(thumbnails, "STOP_AFTER", 200_000)
    found = Pictures(index)
    made = [found.of(name) for name in names]
    widths = [t.width for t in made if t.uri]
    assert widths == sorted(widths, reverse=True)
    assert {widths[0], widths[-1]} == {320, 160}
    assert made[-1].missing == "left out: the page is full"
    assert found.spent < 200_000 + 100_000


def test_a_repeated_picture_is_decoded_once_and_counted_twice(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((64, 64, 3), 90))
    found = pictures(tmp_path)
    first = found.of("a.png")
    once = found.spent
    (tmp_path / "a.png").unlink()
    assert found.of("a.png") is first
    assert found.spent == pytest.approx(2 * once, rel=0.05)


def test_regions_are_outlined_and_win_over_the_mask_they_were_read_from(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((640, 640, 3), 90))
    classes = np.zeros((640, 640))  # class numbers: far below any grey threshold
    classes[100:300, 200:400] = 2
    save(tmp_path / "m.png", classes)
    region = dataclasses.asdict(Region.of("dent", classes == 2))
    made = pictures(tmp_path, mask_path="m.png", regions=[region]).of("a.png")
    assert bounds(made) == pytest.approx((100, 50, 200, 150), abs=1)


def test_regions_of_another_size_outline_nothing(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((64, 64, 3), 90))
    region = dataclasses.asdict(Region.of("dent", np.ones((10, 10), bool)))
    assert pictures(tmp_path, regions=[region]).of("a.png").polygons == ()
