"""An index written as a YOLO folder: boxes and outlines as they were, what is lost counted, faults refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from inspection.data.export_yolo import BOX_AS_OUTLINE, NOTHING_DRAWN, PARTS_APART, to_yolo
from inspection.data.index import ImageIndex
from inspection.data.readers.yolo_lines import parse_lines
from inspection.data.shapes import Region
from inspection.errors import DataError
from tests.reader_layouts import picture, save
from tests.unit.data_export_material import HEIGHT, WIDTH, box, drawn_index, read, region, row, said


def boxes_only(index: ImageIndex) -> ImageIndex:
    return index.with_columns(regions=[[] for _ in range(len(index))])


def test_yolo__reads_back_the_boxes(tmp_path: Path) -> None:
    index = boxes_only(drawn_index(tmp_path / "data"))
    to_yolo(index, tmp_path / "out", images="copy")
    again = {Path(k).name: v for k, v in said(read(tmp_path / "out", "yolo"), "boxes").items()}
    wanted = {Path(k).name: v for k, v in said(index, "boxes").items() if v[0]}
    assert set(again) == set(wanted) == {"b.png", "both.png"}  # no boxes: annotation_missing
    for name, (boxes,) in wanted.items():
        assert len(boxes) == len(again[name][0])
        for found, each in zip(again[name][0], boxes, strict=True):
            assert found == pytest.approx(each, abs=1e-3)


def test_yolo__with_pixels_anywhere_everything_is_an_outline(tmp_path: Path) -> None:
    index = drawn_index(tmp_path / "data")
    written = to_yolo(index, tmp_path / "out", images="copy")
    found = said(read(tmp_path / "out", "yolo"), "boxes", "regions")
    assert found["images/unsplit/a/both.png"] == [
        [],
        [region("crack", 0, 0, 3, 3), region("dent", 1, 2, 9, 8), region("crack", 20, 20, 30, 30)],
    ]  # fmt: skip
    assert written.lost[BOX_AS_OUTLINE] == 2
    assert written.lost[NOTHING_DRAWN] == 1
    assert written.objects == {"crack": 3, "dent": 2}


def test_yolo__files(tmp_path: Path) -> None:
    to_yolo(drawn_index(tmp_path / "data"), tmp_path / "out")
    files = [p.relative_to(tmp_path / "out").as_posix() for p in sorted((tmp_path / "out").rglob("*.*"))]  # fmt: skip
    names = ["train/good", "unsplit/a/both", "unsplit/b", "unsplit/none", "unsplit/region"]
    assert files == ["data.yaml", *(f"labels/{name}.txt" for name in names), "train.txt"]
    assert yaml.safe_load((tmp_path / "out" / "data.yaml").read_text()) == {
        "train": "train.txt", "names": {0: "crack", 1: "dent"}
    }  # fmt: skip
    assert (tmp_path / "out" / "train.txt").read_text() == "./images/train/good.png\n"
    assert (tmp_path / "out" / "labels" / "train" / "good.txt").read_text() == ""
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


def test_yolo__parts_of_one_region_are_outlines_each(tmp_path: Path) -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[1:3, 1:3] = mask[20:24, 30:36] = True
    two = {"label": "dent", "counts": list(Region.of("dent", mask).counts)}
    save(tmp_path / "data" / "x.png", picture(1))
    index = ImageIndex.from_rows(tmp_path / "data", [row("x.png", "dent", regions=[two])])
    written = to_yolo(index, tmp_path / "out", images="copy")
    found = read(tmp_path / "out", "yolo").table().to_pylist()[0]["regions"]
    assert found == [region("dent", 1, 1, 3, 3), region("dent", 30, 20, 36, 24)]
    assert written.lost == {PARTS_APART: 1}


def test_yolo__names_that_yaml_would_misread(tmp_path: Path) -> None:
    labels = ("no", "12", "é: #")
    rows = [row("a.png", "no", boxes=[box(label, 1, 1, 5, 5) for label in labels])]
    save(tmp_path / "data" / "a.png", picture(1))
    index = ImageIndex.from_rows(tmp_path / "data", rows)
    to_yolo(index, tmp_path / "out", images="copy")
    found = read(tmp_path / "out", "yolo").table().to_pylist()[0]["boxes"]
    assert [each["label"] for each in found] == ["no", "12", "é: #"]


def test_yolo__refuses_a_folder_in_use_and_shared_label_files(tmp_path: Path) -> None:
    index = drawn_index(tmp_path / "data")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(DataError, match="is not empty; give a new folder"):
        to_yolo(index, tmp_path / "out")
    twins = [row("a.png", "dent", boxes=[box("dent", 1, 1, 5, 5)]), row("a.jpg", "dent")]
    with pytest.raises(DataError, match=r"'a\.png' shares the label file 'labels/a\.txt'"):
        to_yolo(ImageIndex.from_rows(tmp_path, twins), tmp_path / "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "out"]


def test_yolo__failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = drawn_index(tmp_path / "data")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inspection.data.export_yolo.yaml.safe_dump", full)
    with pytest.raises(OSError, match="No space"):
        to_yolo(index, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


SIDE = st.integers(1, 10**5)


@pytest.mark.fuzz
@given(
    width=SIDE, height=SIDE, shares=st.lists(st.floats(0, 1), min_size=4, max_size=4, unique=True)
)
def test_yolo__any_box_comes_back(
    width: int, height: int, shares: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    x0, x1 = sorted(round(share * width, 3) for share in shares[:2])
    y0, y1 = sorted(round(share * height, 3) for share in shares[2:])
    assume(x1 > x0 and y1 > y0)
    wide = {**row("a.png", "dent", boxes=[box("dent", x0, y0, x1, y1)]), "width": width, "height": height}  # fmt: skip
    folder = tmp_path_factory.mktemp("yolo") / "out"
    to_yolo(ImageIndex.from_rows(folder, [wide]), folder)
    found = parse_lines((folder / "labels" / "a.txt").read_bytes(), {0: "dent"})[0].box
    assert found is not None
    sides = (found.x0 * width, found.y0 * height, found.x1 * width, found.y1 * height)
    assert [round(side, 3) for side in sides] == pytest.approx([x0, y0, x1, y1], abs=1e-9)


def test_yolo__classes_of_undrawn_images_are_named(tmp_path: Path) -> None:
    rows = [row(f"{label}.png", label) for label in ("fine", "hidden")]
    rows.append(row("a.png", "dent", boxes=[box("dent", 1, 1, 5, 5)]))
    (note,) = to_yolo(ImageIndex.from_rows(tmp_path, rows), tmp_path / "out").notes
    assert "of 2 classes (fine, hidden)" in note
