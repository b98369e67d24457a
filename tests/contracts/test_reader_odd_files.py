"""One odd file or path among good ones, in every layout: set aside by name, or read with a warning."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inspection.config import DataConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import source_fingerprint
from inspection.data.readers.registry import READERS
from tests.reader_layouts import (
    LAYOUTS,
    folder_layout,
    picture,
    save,
)
from tests.reading import index_of, row


def jpeg_bytes(seed: int = 9) -> bytes:
    stream = io.BytesIO()
    picture(seed).save(stream, format="JPEG")
    return stream.getvalue()


def huge_png(path: Path) -> None:
    """12,000 x 12,000 in 18 MB of memory: one bit a pixel."""
    Image.new("1", (12_000, 12_000)).save(path)


def sixteen_bit(path: Path) -> None:
    pixels = np.linspace(0, 65535, 40 * 32).reshape(32, 40).astype(np.uint16)
    assert cv2.imwrite(str(path), pixels)


def turned(path: Path) -> None:
    """A photograph whose EXIF says: turn me by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(8).save(path, exif=exif)


# name, how it is written, quarantine code or None, warning code or None
BAD_FILES: list[tuple[str, Callable[[Path], object], str | None, str | None]] = [
    ("cut.jpg", lambda p: p.write_bytes(jpeg_bytes()[:-200]), "truncated", None),
    ("zero.jpg", lambda p: p.write_bytes(b""), "empty", None),
    ("text.png", lambda p: p.write_text("not an image"), "unknown_format", None),
    ("dot.png", lambda p: save(p, picture(1, (1, 1))), "too_small", None),
    ("huge.png", huge_png, "too_large", None),
    ("png.jpg", lambda p: save(p, picture(2), "PNG"), None, "wrong_extension"),
    ("deep.png", sixteen_bit, None, "sixteen_bit"),
    ("ink.jpg", lambda p: save(p, picture(3, mode="CMYK")), None, "cmyk"),
    ("palette.png", lambda p: save(p, picture(4, mode="P")), None, "palette"),
    ("alpha.png", lambda p: save(p, picture(5, mode="RGBA")), None, "alpha_dropped"),
    ("turned.jpg", turned, None, "exif_orientation"),
    ("grey.png", lambda p: save(p, picture(6, mode="L")), None, None),
    ("ünïcode näme 例.png", lambda p: save(p, picture(7)), None, None),
]


@pytest.mark.parametrize(
    ("name", "write", "quarantine", "warning"), BAD_FILES, ids=[case[0] for case in BAD_FILES]
)
def test_ingest__one_odd_file(
    name: str,
    write: Callable[[Path], object],
    quarantine: str | None,
    warning: str | None,
    tmp_path: Path,
) -> None:
    folder_layout(tmp_path)
    write(tmp_path / "good" / name)
    index = index_of("folder", tmp_path)
    found = row(index, f"good/{name}")
    assert found["quarantine"] == quarantine
    codes = [str(text).split(":")[0] for text in found["warnings"]]  # type: ignore[attr-defined]
    assert codes == ([warning] if warning else [])
    assert len(index.usable()) == 6 + (quarantine is None)
    if quarantine:
        assert len(str(found["detail"])) > 20
        assert "\n" not in str(found["detail"])
        assert str(tmp_path) not in str(found["detail"])


def test_ingest__link_out_of_the_root_is_not_followed(tmp_path: Path) -> None:
    folder_layout(tmp_path / "data")
    outside = save(tmp_path / "secret.png", picture(8))
    (tmp_path / "data" / "good" / "link.png").symlink_to(outside)
    found = row(index_of("folder", tmp_path / "data"), "good/link.png")
    assert found["quarantine"] == "path_escapes_root"
    assert found["pixel_id"] is None


def test_ingest__dangling_link(tmp_path: Path) -> None:
    folder_layout(tmp_path)
    (tmp_path / "good" / "gone.png").symlink_to(tmp_path / "good" / "nowhere.png")
    assert row(index_of("folder", tmp_path), "good/gone.png")["quarantine"] == "missing"


def test_ingest__name_that_is_no_text(tmp_path: Path) -> None:
    folder_layout(tmp_path)
    save(tmp_path / "good" / "x.png", picture(1)).rename(tmp_path / "good" / "caf\udce9.png")
    index = index_of("folder", tmp_path)
    assert row(index, "good/caf\\udce9.png")["quarantine"] == "name_not_utf8"
    index.save(tmp_path / "index.parquet")
    source_fingerprint(DataConfig(kind="folder", root=tmp_path))


def first_image(root: Path) -> Path:
    """An image of the layout that is no mask."""
    return next(p for p in sorted(root.rglob("*")) if p.suffix == ".jpg" or p.parent.name == "good")


def link_image_out(root: Path) -> str:
    victim = first_image(root)
    outside = root.parent / f"outside{victim.suffix}"
    victim.rename(outside)
    victim.symlink_to(outside)
    return victim.relative_to(root).as_posix()


def link_image_up(root: Path) -> str:
    """The same with a relative target full of '..'."""
    name = link_image_out(root)
    outside = (root / name).readlink()
    (root / name).unlink()
    (root / name).symlink_to(Path(*[".."] * len(Path(name).parts)) / outside.name)
    return name


def ring_of_links(root: Path) -> str:
    victim = first_image(root)
    victim.unlink()
    victim.symlink_to(victim.name)
    return victim.relative_to(root).as_posix()


def link_folder_out(root: Path) -> str:
    outside = root.parent / "elsewhere"
    save(outside / "a.jpg", picture(1))
    (root / "linked").symlink_to(outside, target_is_directory=True)
    return "linked"


def link_folder_in(root: Path) -> str:
    (root / "linked").symlink_to(first_image(root).parent, target_is_directory=True)
    return "linked"


def foreign_name(root: Path) -> str:
    victim = first_image(root)
    named = os.fsdecode(os.fsencode(victim.stem) + b"_\xff" + os.fsencode(victim.suffix))
    renamed = victim.with_name(named)
    victim.rename(renamed)
    return victim.with_name(f"{victim.stem}_\\udcff{victim.suffix}").relative_to(root).as_posix()


SPOILT: list[tuple[Callable[[Path], str], str]] = [
    (link_image_out, "path_escapes_root"),
    (link_image_up, "path_escapes_root"),
    (ring_of_links, "missing"),
    (link_folder_out, "path_escapes_root"),
    (link_folder_in, "linked_folder"),
    (foreign_name, "name_not_utf8"),
]


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(("spoil", "code"), SPOILT, ids=[case[0].__name__ for case in SPOILT])
def test_reader__one_path_that_cannot_be_used(
    kind: str, spoil: Callable[[Path], str], code: str, tmp_path: Path
) -> None:
    LAYOUTS[kind](tmp_path / "data")
    path = spoil(tmp_path / "data")
    index = index_of(kind, tmp_path / "data")
    found = row(index, path)
    assert found["quarantine"] == code
    assert found["pixel_id"] is None
    assert len(index.usable()) >= 5
    index.save(tmp_path / "index.parquet")
    assert ImageIndex.load(tmp_path / "index.parquet").digest() == index.digest()


@pytest.mark.parametrize("kind", READERS)
def test_reader__hidden_files_are_no_images(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    place = first_image(tmp_path).parent
    (place / "._copied_by_a_mac.jpg").write_bytes(b"\0\5\x16\7")
    save(place / ".thumbnails" / "small.jpg", picture(1, (20, 20)))
    assert len(index_of(kind, tmp_path)) == 6


def test_ingest__a_line_break_in_a_name_sets_that_file_aside(tmp_path: Path) -> None:
    folder_layout(tmp_path)
    save(tmp_path / "good" / "new\nline.png", picture(9))
    found = row(index_of("folder", tmp_path), "good/new\nline.png")
    assert found["quarantine"] == "name_control_character"
    assert "rename it" in str(found["detail"])
