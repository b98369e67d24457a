"""Masks beside their images: each bad one is told, alone or with the image's own fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.reader_layouts import (
    SIZE,
    mask_layout,
    picture,
    save,
)
from tests.reading import index_of, row

MASKS: list[tuple[str, Callable[[Path], object], str | None, str | None]] = [
    ("missing", lambda p: p.unlink(), "mask_missing", None),
    ("other size", lambda p: save(p, picture(1, (20, 20), "L")), "mask_size", None),
    ("broken", lambda p: p.write_bytes(b"\x89PNG\r\n"), "mask_undecodable", None),
    ("empty", lambda p: save(p, Image.new("L", SIZE)), None, "mask_empty"),
    ("grey below threshold", lambda p: save(p, Image.new("L", SIZE, 127)), None, "mask_empty"),
    ("grey at threshold", lambda p: save(p, Image.new("L", SIZE, 128)), None, None),
]


@pytest.mark.parametrize(
    ("name", "spoil", "quarantine", "warning"), MASKS, ids=[case[0] for case in MASKS]
)
def test_masks__one_bad_mask(
    name: str,
    spoil: Callable[[Path], object],
    quarantine: str | None,
    warning: str | None,
    tmp_path: Path,
) -> None:
    mask_layout(tmp_path)
    spoil(tmp_path / "MT_Crack" / "Imgs" / "exp1.png")
    found = row(index_of("mask_pairs", tmp_path, ok_class="MT_Free"), "MT_Crack/Imgs/exp1.jpg")
    assert found["quarantine"] == quarantine
    codes = [str(text).split(":")[0] for text in found["warnings"]]  # type: ignore[attr-defined]
    assert codes == ([warning] if warning else [])


def test_masks__mask_without_image(tmp_path: Path) -> None:
    mask_layout(tmp_path)
    (tmp_path / "MT_Crack" / "Imgs" / "exp1.jpg").unlink()
    found = row(index_of("mask_pairs", tmp_path), "MT_Crack/Imgs/exp1.png")
    assert found["quarantine"] == "label_without_image"


def test_masks__mask_that_leads_outside(tmp_path: Path) -> None:
    mask_layout(tmp_path / "data")
    mask = tmp_path / "data" / "MT_Crack" / "Imgs" / "exp1.png"
    mask.rename(tmp_path / "mask.png")
    mask.symlink_to(tmp_path / "mask.png")
    found = row(index_of("mask_pairs", tmp_path / "data"), "MT_Crack/Imgs/exp1.jpg")
    assert found["quarantine"] == "path_escapes_root"


def test_masks__good_part_with_a_marked_mask(tmp_path: Path) -> None:
    mask_layout(tmp_path)
    index = index_of("mask_pairs", tmp_path, ok_class="MT_Crack")
    crack = row(index, "MT_Crack/Imgs/exp1.jpg")
    assert crack["quarantine"] is None
    assert "mask_not_empty" in str(crack["warnings"])


def test_masks__two_faults_are_both_named(tmp_path: Path) -> None:
    mask_layout(tmp_path)
    image = tmp_path / "MT_Crack" / "Imgs" / "exp1.jpg"
    image.write_bytes(image.read_bytes()[:-100])
    image.with_suffix(".png").unlink()
    found = row(index_of("mask_pairs", tmp_path), "MT_Crack/Imgs/exp1.jpg")
    assert found["quarantine"] == "mask_missing"
    assert "also truncated: " in str(found["detail"])


def test_masks__threshold_is_the_configured_one(tmp_path: Path) -> None:
    mask_layout(tmp_path)
    save(tmp_path / "MT_Crack" / "Imgs" / "exp1.png", Image.new("L", SIZE, 60))
    name = "MT_Crack/Imgs/exp1.jpg"
    assert row(index_of("mask_pairs", tmp_path, mask_threshold=60), name)["warnings"] == []
    assert row(index_of("mask_pairs", tmp_path, mask_threshold=61), name)["warnings"] != []
