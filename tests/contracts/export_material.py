"""A folder of images with masks, its index, `plumbline data` run over both, and what must come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deploy.edge.files import sha256_file
from inspection.data.index import ImageIndex
from pipelines.cli import run_command_line
from tests.reader_layouts import SIZE, mask_layout, save

WIDTH, HEIGHT = SIZE


OK = "MT_Free"


def command(
    capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0
) -> dict[str, Any]:
    """The document of `plumbline data …`."""
    capsys.readouterr()
    found = run_command_line(["data", *map(str, arguments), "--json"])
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found == code, said
    return said


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of an error of the user's."""
    (fault,) = command(capsys, *arguments, code=2)["faults"]
    assert "\n" not in fault
    assert "fault in Plumbline" not in fault
    return str(fault)


def hashes(folder: Path) -> dict[str, str]:
    """Content and time of every file."""
    return {
        str(path.relative_to(folder)): f"{sha256_file(path)} {path.stat().st_mtime_ns}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def truth(data: Path) -> dict[str, np.ndarray]:
    """Masks by the image's stem, as NumPy reads them."""
    return {
        f"{path.parts[-3]}/{path.stem}": np.asarray(Image.open(path).convert("L")) >= 128
        for path in sorted(data.rglob("*.png"))
    }


def marked_tiles(folder: Path) -> Path:
    """Magnetic-tile's layout: crack 0 is one block, 1 has a hole and a second part, 2 as it was; free ones empty."""
    mask_layout(folder)
    holed = np.zeros((HEIGHT, WIDTH), np.uint8)
    holed[3:20, 4:30] = 255
    holed[7:11, 9:15] = holed[13, 20] = 0
    holed[25:28, 33:40] = 200
    save(folder / "MT_Crack" / "Imgs" / "exp1.png", Image.fromarray(holed))
    return folder


def split_index(data: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Its index, split by hand: one image of each class in each part."""
    command(capsys, "import", data, "--ok-class", OK)
    path = data.parent / "index.parquet"
    table = ImageIndex.load(path)
    parts = {"exp0": "train", "exp1": "val", "exp2": "test"}
    table.with_columns(split=[parts[Path(p).stem] for p in table.frame["path"]]).save(path)
    return path


def drawn_by(path: Path) -> dict[str, np.ndarray]:
    """All regions of an index as one mask, by class folder and stem of the image."""
    from inspection.data.shapes import Region

    found = {}
    for row in ImageIndex.load(path).usable().table().to_pylist():
        mask = np.zeros((HEIGHT, WIDTH), bool)
        for each in row["regions"] or []:
            assert each["label"] == "MT_Crack"
            mask |= Region(each["label"], tuple(each["counts"])).mask(HEIGHT, WIDTH)
        place = Path(row["path"])
        found[f"{place.parts[-3]}/{place.stem}"] = mask
    return found


def equal(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> bool:
    """The same masks under the same names."""
    return found.keys() == wanted.keys() and all(
        np.array_equal(found[name], wanted[name]) for name in wanted
    )
