"""Where patches lie, what they are called, and the options that say so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.data.patch_geometry import (
    Window,
    cropped,
    free_window,
    moved,
    resized_mask,
    window_around,
)
from inspection.data.patch_names import class_folders_of, patch_name
from inspection.data.patch_options import PatchOptions
from inspection.data.readers.base import Box
from inspection.errors import DataError


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"context": -0.1}, "context is -0.1; give a number from 0 to 10"),
        ({"context": float("nan")}, "context is nan"),
        ({"size": 4}, "size is 4; give a whole number from 8 to 4096"),
        ({"size": 64.5}, "size is 64.5; give a whole number"),
        ({"max_per_image": 0}, "max_per_image is 0"),
        ({"mask_threshold": 256}, "mask_threshold is 256"),
        ({"ok_per_image": 1}, "no class is named as sound; give ok_class"),
    ],
)
def test_options_out_of_range(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        PatchOptions(**values)


def test_names_are_safe_and_never_the_same() -> None:
    parents = [
        "a/x 1.png",
        "b/x 1.png",
        "A/x 1.png",
        "a/x 1.jpg",
        "ä/плата.png",
        "..png",
        "a/" + "n" * 200,
    ]
    names = [patch_name(parent, 3) for parent in parents]
    assert len({name.casefold() for name in names}) == len(parents)
    assert all(name.isascii() and " " not in name and len(name) < 70 for name in names)
    assert not any(name.startswith((".", "-")) for name in names)
    labels = ["ok", "Riß 2", "Dent", "dent", "a/b", "..", "con", "трещина", " x", "q" * 90]
    folders = class_folders_of(labels)
    assert {name for name in labels if folders[name] == name} == {"ok", "Riß 2", "трещина"}
    assert len({folder.casefold() for folder in folders.values()}) == len(labels)
    assert not any("/" in folder or folder.startswith(".") for folder in folders.values())


SIDE = st.integers(1, 60)


@given(SIDE, SIDE, st.data())
def test_every_patch_lies_in_its_image_and_holds_its_defect(
    width: int, height: int, data: st.DataObject
) -> None:
    x0, y0 = data.draw(st.floats(0, width - 0.5)), data.draw(st.floats(0, height - 0.5))
    x1, y1 = data.draw(st.floats(x0 + 0.1, width)), data.draw(st.floats(y0 + 0.1, height))
    context, least = data.draw(st.floats(0, 3)), data.draw(st.integers(1, 40))
    defect = Box(x0, y0, x1, y1, "dent")
    window = window_around(defect, (height, width), context=context, min_side=least)
    assert window.side >= max(least, x1 - x0, y1 - y0)
    for begin, length in ((window.x, width), (window.y, height)):
        if window.side <= length:
            assert 0 <= begin <= length - window.side
        else:
            assert begin <= 0
            assert begin + window.side >= length
    assert window.x <= x0 < x1 <= window.x + window.side
    assert window.y <= y0 < y1 <= window.y + window.side
    assert cropped(np.zeros((height, width, 3), np.uint8), window).shape == (
        window.side,
        window.side,
        3,
    )
    there = moved(defect, window, window.side)
    assert there is not None
    assert there.area == pytest.approx(defect.area, rel=1e-6)


def test_free_windows_find_the_only_place_there_is() -> None:
    random = np.random.default_rng(0)
    taken = [(0, 0, 20, 40), (20, 0, 40, 20)]
    assert free_window((40, 40), 20, taken, random) == Window(20, 20, 20)
    assert free_window((40, 40), 21, taken, random) is None
    assert free_window((40, 10), 20, [], random) is None


def test_a_thin_line_survives_shrinking() -> None:
    mask = np.zeros((200, 200), bool)
    mask[:, 100] = True
    assert resized_mask(mask, 20).any(axis=1).all()


def test_context_gives_way_before_anything_is_mirrored() -> None:
    defect = Box(10, 10, 90, 40, "dent")
    assert window_around(defect, (100, 200), context=0.2, min_side=8) == Window(2, 0, 96)
    assert window_around(defect, (100, 200), context=0.5, min_side=8) == Window(0, 0, 100)
    assert window_around(defect, (60, 200), context=0.5, min_side=8) == Window(10, -10, 80)
