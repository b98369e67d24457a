"""Images as they lie on a line's computer, and what `plumbline-edge` printed about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.edge_bundles import pictures, png

Captured = pytest.CaptureFixture[str]


def lay_images(folder: Path) -> Path:
    """Four parts, in two folders, one under a name that lies and one under none."""
    (folder / "second").mkdir(parents=True)
    names = ("a.png", "b_is_a_png.jpg", "second/c.PNG", "second/no_suffix")
    for name, pixels in zip(names, pictures(4, seed=5), strict=True):
        (folder / name).write_bytes(png(pixels))
    (folder / "notes.txt").write_text("not an image, and nobody said it was")
    (folder / ".thumbnail.png").write_bytes(b"hidden")
    return folder


def lines(captured: Captured) -> tuple[list[dict[str, Any]], str]:
    """Parsed stdout and raw stderr."""
    found = captured.readouterr()
    return [json.loads(line) for line in found.out.splitlines()], found.err
