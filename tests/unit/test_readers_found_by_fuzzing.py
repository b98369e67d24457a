"""What tests/fuzz/fuzz_parsers.py has found in the readers of images, each once, so that it stays mended;
pipes, links and folders in the place of an annotation: tests/contracts/test_every_format_malformed.py."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from inspection.data.readers import tables
from inspection.errors import DataError
from tests.fuzz.targets import check_lines
from tests.parquet_layout import parquet_layout
from tests.reader_layouts import LAYOUTS, picture, save
from tests.reading import index_of, rows_of
from tests.unit.found_material import LINE_END, refused


def sentences(kind: str, root: Path) -> dict[str, tuple[str, str]]:
    """Code and sentence of what is set aside, by path; every sentence and warning one short line."""
    rows = rows_of(kind, root)
    for row in rows.values():
        check_lines([row["detail"] or "", *row["warnings"]], "a sentence")
    return {
        path: (row["quarantine"], row["detail"]) for path, row in rows.items() if row["quarantine"]
    }


@pytest.mark.parametrize("name", [LINE_END, "a\u2029b", "a\x85b"])
def test_names__with_unicodes_own_line_ends_are_set_aside(name: str, tmp_path: Path) -> None:
    LAYOUTS["folder"](tmp_path)
    save(tmp_path / "good" / f"{name}.png", picture(9))
    assert sentences("folder", tmp_path)[f"good/{name}.png"][0] == "name_control_character"


LOST: list[tuple[str, str]] = [
    ("yolo", "labels/a\nb.txt"),
    ("voc", "annotations/a\nb.xml"),
    ("mask_pairs", f"MT_Crack/Imgs/{LINE_END}.png"),
    ("index_masks", f"masks/{LINE_END}.png"),
    ("template_pairs", "group1/001_not/a\x1b[31m.txt"),
]


@pytest.mark.parametrize(("kind", "path"), LOST, ids=[case[0] for case in LOST])
def test_names__of_annotations_without_image_are_shown_in_one_line(
    kind: str, path: str, tmp_path: Path
) -> None:
    LAYOUTS[kind](tmp_path)
    (tmp_path / path).write_bytes(b"")
    assert sentences(kind, tmp_path)[path][0] == "label_without_image"


def test_names__of_empty_classes_are_shown_in_one_line(tmp_path: Path) -> None:
    LAYOUTS["folder"](tmp_path)
    (tmp_path / LINE_END).mkdir()
    refused(lambda: index_of("folder", tmp_path), "holds no images")


def test_names__of_several_tables_are_shown_in_one_line(tmp_path: Path) -> None:
    LAYOUTS["severstal"](tmp_path)
    (tmp_path / "a\nb.csv").write_text("x")
    refused(lambda: index_of("severstal", tmp_path), "2 files *.csv")


def test_severstal__text_after_a_quote_where_a_tab_should_be(tmp_path: Path) -> None:
    LAYOUTS["severstal"](tmp_path)
    (tmp_path / "train.csv").write_text('ImageId\tClassId\n"a"b\t1\n')
    refused(lambda: index_of("severstal", tmp_path), "no CSV (a tab expected after '\"')")


@pytest.mark.parametrize("path", ["x" * 5000, "n" * 300 + ".png"])
def test_manifest__path_that_no_disk_holds_is_not_repeated_in_full(
    path: str, tmp_path: Path
) -> None:
    save(tmp_path / "a.png", picture(1))
    (tmp_path / "list.csv").write_text(f"path,label\n{path},x\na.png,y\n")
    assert sentences("manifest", tmp_path)[path][0] in ("unreadable", "missing")


@pytest.mark.parametrize("counts", [[10**4000, 1], [1, 10**4000], [10**4000, 10**4000]])
def test_manifest__regions_of_endless_runs(counts: list[int], tmp_path: Path) -> None:
    LAYOUTS["manifest"](tmp_path)
    path = tmp_path / "manifest.csv"
    table = pd.read_csv(path)
    table["regions"] = json.dumps([{"label": "crack", "counts": counts}])
    table.to_csv(path, index=False)
    said = dict(sentences("manifest", tmp_path).values())
    assert set(said) == {"runs_size"}
    assert "far too many pixels" in said["runs_size"]


@pytest.mark.parametrize("header", ["," * 200_000 + "path", "path" + "," * 200_000])
def test_manifest__csv_of_endless_columns(header: str, tmp_path: Path) -> None:
    LAYOUTS["manifest"](tmp_path)
    (tmp_path / "manifest.csv").write_text(f"{header}\nx\n")
    started = time.process_time()
    with suppress(DataError):
        index_of("manifest", tmp_path)
    assert time.process_time() - started < 2.5  # quadratic, it took a minute


def test_manifest__parquet_of_endless_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet_layout(tmp_path)
    monkeypatch.setattr(tables, "MAX_ROWS", 5)
    refused(lambda: index_of("manifest", tmp_path), "6 rows, the limit is 5")


def test_manifest__parquet_whose_fault_takes_several_lines(tmp_path: Path) -> None:
    parquet_layout(tmp_path)
    data = (tmp_path / "manifest.parquet").read_bytes()
    (tmp_path / "manifest.parquet").write_bytes(data[:40] + b"\xff" * 400 + data[440:])
    refused(lambda: index_of("manifest", tmp_path), "no Parquet file, or damaged")


@pytest.mark.parametrize("corner", ["1_0", "x" * 9000, "1\u20282", "1e12", ""])
def test_voc__corner_that_is_no_number(corner: str, tmp_path: Path) -> None:
    LAYOUTS["voc"](tmp_path)
    xml = tmp_path / "annotations" / "patches_1.xml"
    xml.write_text(xml.read_text().replace("<xmin>1<", f"<xmin>{corner}<"))
    assert sentences("voc", tmp_path)["images/patches_1.jpg"][0] == "annotation_unreadable"


def test_yolo__names_that_are_too_long_to_show(tmp_path: Path) -> None:
    LAYOUTS["yolo"](tmp_path)
    (tmp_path / "data.yaml").write_text(f"names: [crack, {'d' * 5000}]")
    refused(lambda: index_of("yolo", tmp_path), "has 5000 characters, the limit is 200")
    (tmp_path / "data.yaml").write_text(f"names: [crack, {'d' * 200}]")
    assert sentences("yolo", tmp_path) == {}
