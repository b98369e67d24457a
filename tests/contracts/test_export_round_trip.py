"""`plumbline data export` in every format, read by others and by us; the source stays as it is, whatever is asked."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from inspection.data.index import ImageIndex
from tests.contracts.export_material import (
    HEIGHT,
    OK,
    WIDTH,
    command,
    drawn_by,
    equal,
    hashes,
    truth,
)
from tests.reader_layouts import yolo_layout


def test_coco__masks_as_others_and_we_read_them(
    data: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = pytest.importorskip("pycocotools.coco")
    before = hashes(data)
    said = command(capsys, "export", index, "all.json")
    assert said["objects"] == {"MT_Crack": 4}
    assert said["lost"] == {"split of an image: coco has no place for it": 6}
    coco = judge.COCO("all.json")
    found = {}
    for image in coco.loadImgs(coco.getImgIds()):
        marks = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        mask = np.zeros((HEIGHT, WIDTH), bool)
        for mark in marks:
            pixels = coco.annToMask(mark).astype(bool)
            assert mark["area"] == pixels.sum()
            mask |= pixels
        place = Path(image["file_name"])
        found[f"{place.parts[-3]}/{place.stem}"] = mask
        assert len(marks) == {"exp1": 2}.get(place.stem, 1) * (image["label"] == "MT_Crack")
    assert equal(found, truth(data))
    assert hashes(data) == before
    shutil.copytree(data, "copy")
    for mask_file in Path("copy").rglob("*.png"):
        mask_file.unlink()
    shutil.copy("all.json", "copy/all.json")
    command(capsys, "import", "copy", "--out", "again.parquet", "--ok-class", OK)
    assert equal(drawn_by(Path("again.parquet")), truth(data))


def test_coco__threshold_of_the_mask(
    data: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = command(capsys, "export", index, "all.json", "--mask-threshold", 201)
    assert said["objects"] == {"MT_Crack": 3}


def rasterised(text: str) -> np.ndarray:
    """Even-odd fill at pixel centres of a YOLO label file, written without the house's code."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for line in text.splitlines():
        number, *shares = line.split()
        assert number == "0"
        assert len(shares) >= 8
        x = np.array(shares[::2], float) * WIDTH
        y = np.array(shares[1::2], float) * HEIGHT
        inside = np.zeros_like(mask)
        for i in range(len(x)):
            x0, y0, x1, y1 = x[i - 1], y[i - 1], x[i], y[i]
            for row in range(HEIGHT):
                if (y0 <= row + 0.5) != (y1 <= row + 0.5):
                    at = x0 + (row + 0.5 - y0) / (y1 - y0) * (x1 - x0)
                    inside[row] ^= np.arange(WIDTH) + 0.5 > at
        mask |= inside
    return mask


@pytest.mark.parametrize("images", ["link", "copy"])
def test_yolo__folder_is_usable_as_it_stands(
    images: str, data: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = hashes(data)
    said = command(capsys, "export", index, "out", "--to", "yolo", "--images", images)
    assert said["parts"] == {"train": 2, "val": 2, "test": 2}
    assert said["placed"] == {{"link": "hard links", "copy": "copies"}[images]: 6}
    stated = yaml.safe_load(Path("out/data.yaml").read_text())
    assert stated.pop("names") == {0: "MT_Crack"}
    assert stated == {"train": "train.txt", "val": "val.txt", "test": "test.txt"}
    found = {}
    for part, name in stated.items():
        for line in Path("out", name).read_text().splitlines():
            image = Path("out", line)
            assert line.startswith(f"./images/{part}/")
            assert image.read_bytes() == (data / Path(*image.parts[3:])).read_bytes()
            label = Path(str(image).replace("images", "labels")).with_suffix(".txt")
            found[f"{image.parts[3]}/{image.stem}"] = rasterised(label.read_text())
    assert equal(found, truth(data))
    assert [what.partition(":")[0] for what in sorted(said["lost"])] == [
        "hole in an outline", "image with a class and nothing drawn"
    ]  # fmt: skip
    assert hashes(data) == before
    following = said["next"][0].split()[2:]
    assert command(capsys, *following)["usable"] == 6
    assert equal(drawn_by(Path("out.parquet")), truth(data))
    again = ImageIndex.load(Path("out.parquet")).frame
    assert sorted(again["label"]) == ["MT_Crack"] * 3 + [OK] * 3
    shutil.rmtree("out")
    assert hashes(data) == before


def test_yolo__without_a_split_says_so(
    data: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = ImageIndex.load(index)
    table.with_columns(split=[None] * len(table)).save(index)
    said = command(capsys, "export", index, "out", "--to", "yolo", "--images", "none")
    assert (said["parts"], said["placed"], said["next"]) == ({}, {}, [])
    text = Path("out/data.yaml").read_text()
    assert text.startswith("# No train and no val")
    assert list(yaml.safe_load(text)) == ["names"]
    assert sorted(path.name for path in Path("out").iterdir()) == ["data.yaml", "labels"]


def test_yolo__from_another_disk_are_symbolic_links(
    data: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == data.stat().st_dev:
        pytest.skip("no second disk here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        target = Path(folder) / "out"
        said = command(capsys, "export", index, target, "--to", "yolo")
        assert (said["placed"], said["next"]) == ({"symbolic links": 6}, [])
        links = [path for path in target.rglob("*.jpg") if path.is_symlink()]
        assert len(links) == 6
        assert all(path.read_bytes() for path in links)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_manifest__reads_back_the_same(
    suffix: str, data: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = hashes(data)
    name = f"m{suffix}"
    command(capsys, "export", index, name, "--to", "manifest")
    table = pd.read_csv(name) if suffix == ".csv" else pq.read_table(name).to_pandas()
    masks = dict(zip(table["path"], table["mask_path"], strict=True))
    assert all(masks[path] == str(Path(path).with_suffix(".png")) for path in masks)
    assert (len(masks), hashes(data)) == (6, before)
    shutil.copytree(data, "copy")
    shutil.copy(name, f"copy/{name}")
    command(capsys, "import", "copy", "--out", "again.parquet", "--ok-class", OK)
    again, was = ImageIndex.load(Path("again.parquet")), ImageIndex.load(index)
    assert list(again.frame["mask_path"]) == list(was.frame["mask_path"])
    assert again.digest() == was.digest()


def test_manifest__parquet_keeps_boxes_and_regions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    yolo_layout(tmp_path / "data")
    command(capsys, "import", "data")
    command(capsys, "export", "index.parquet", "m.parquet", "--to", "manifest")
    shutil.copytree("data/images", "copy/images")
    shutil.copy("m.parquet", "copy/m.parquet")
    command(capsys, "import", "copy", "--out", "again.parquet")
    digests = {ImageIndex.load(Path(name)).digest() for name in ("index.parquet", "again.parquet")}
    assert len(digests) == 1


@pytest.mark.assets
def test_magnetic_tile__masks_survive_every_format(
    assets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    source = assets / "data" / "magnetic_tile"
    for label in ("MT_Crack", "MT_Blowhole", OK):
        for image in sorted((source / label / "Imgs").glob("*.jpg"))[:8]:
            Path("data", label, "Imgs").mkdir(parents=True, exist_ok=True)
            for file in (image, image.with_suffix(".png")):
                shutil.copy(file, Path("data", label, "Imgs", file.name))
    command(capsys, "import", "data", "--ok-class", OK)
    coco = command(capsys, "export", "index.parquet", "all.json")
    yolo = command(capsys, "export", "index.parquet", "out", "--to", "yolo")
    assert coco["objects"] == yolo["objects"]
    assert all(coco["objects"][label] >= 8 for label in ("MT_Crack", "MT_Blowhole"))
    command(capsys, *yolo["next"][0].split()[2:])
    pixels = sum(int(mask.sum()) for mask in truth(Path("data")).values())
    document = json.loads(Path("all.json").read_text())
    assert sum(each["area"] for each in document["annotations"]) == pixels
    rows = ImageIndex.load(Path("out.parquet")).usable().table().to_pylist()
    assert sum(sum(each["counts"][1::2]) for row in rows for each in row["regions"]) == pixels
