"""What `plumbline data` says: of files set aside, of options, of closed or foreign files, and in which form."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from pydantic import ValidationError

from inspection.config import DataConfig, SplitConfig
from inspection.data.readers.guess import passed_over
from inspection.errors import DataError
from pipelines.data_options import by_option, option_faults
from pipelines.faults import stopped_sentence
from pipelines.output import Table, _print_table
from tests.unit.checks_material import surface
from tests.unit.glue_material import INDEX, draw, fault

pytestmark = pytest.mark.thorough


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return draw(tmp_path / "images")


def test_import_names_what_it_sets_aside(images: Path, said: Any, told: Any) -> None:
    for number in range(7):
        (images / "ok" / f"bad {number}.png").write_bytes(b"no image")
    found = said("import", images)
    assert len(found["set_aside_files"]) == 7
    assert all(each["detail"] for each in found["set_aside_files"])
    text = told("import", images, "--out", "my index.parquet")
    assert "ok/bad 0.png: " in text
    assert "and 2 more: plumbline data view 'my index.parquet'" in text
    command = text.partition("Next:")[2].splitlines()[0]
    assert shlex.split(command) == ["plumbline", "data", "check", "my index.parquet"]


def test_no_usable_image_is_no_success(images: Path, said: Any, told: Any) -> None:
    for path in images.rglob("*.png"):
        path.write_bytes(b"no image")
    found = said("import", "images", code=3)
    assert found["next"] == [f"plumbline data view {INDEX}"]
    assert "no image is usable" in told("import", "images", code=3)


def test_images_without_a_label_are_not_called_nan(images: Path, said: Any) -> None:
    cv2.imwrite(str(images / "stray.png"), surface(500, size=48))
    assert said("import", "images")["labels"] == {"ok": 9, "ng": 9, "(no label)": 1}


def test_a_warning_of_the_whole_table_is_told_in_its_words(images: Path, told: Any) -> None:
    rows = [f"ok/{n}.png,ok" for n in range(4)] + [f"ng/{n}.png,ng" for n in range(4)]
    (images / "list.csv").write_text("\n".join(["path,label", *rows]))
    text = told("import", images)
    assert "images_unlisted: 10 below" in text
    assert "1 x images_unlisted" not in text


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("annotations.json", b"", "is empty"),
        ("annotations.json", b"[1, 2]", "no COCO file"),
        ("list.csv", b"", "is empty"),
        ("list.csv", b"file,klass\na,b\n", "'file,klass'"),
        ("list.csv", "path,label\n".encode("utf-16"), "no UTF-8"),
    ],
)
def test_annotation_files_that_are_passed_over_are_named(
    images: Path, said: Any, name: str, data: bytes, why: str
) -> None:
    assert passed_over(images, "folder") == []
    (images / name).write_bytes(data)
    (note,) = said("import", images)["notes"]
    assert name in note
    assert "looks like an annotation file and was not used" in note
    assert why in note


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--annotations", "missing.csv"), "--annotations: kind 'folder' reads no such file"),
        (("--kind", "yolo", "--class-name", "1=a", "--class-name", "1=b"), "is 'a' and 'b'"),
        (("--kind", "synthetic"), "--kind synthetic: no such layout"),
        (("--kind", "manifest", "--annotations", "no.csv"), "--annotations: no file 'no.csv'"),
        (("--ok-class", "fine"), "--ok-class: no image is labelled 'fine'"),
        (("--label-pattern", "["), "--label-pattern: "),
    ],
)
def test_import_speaks_of_options(
    images: Path, said: Any, arguments: tuple[str, ...], words: str
) -> None:
    answer = fault(said("import", images, *arguments, code=2))
    assert words in answer
    assert "data." not in answer


def test_patch_options_are_called_as_the_command_line_calls_them(images: Path, said: Any) -> None:
    said("import", images)
    assert fault(said("patches", INDEX, "p", "--per-image", 0, code=2)).startswith("--per-image is")
    assert "--ok-class" in fault(said("patches", INDEX, "p", "--ok-per-image", 2, code=2))


def test_faults_of_a_list_are_called_by_its_option() -> None:
    with pytest.raises(ValidationError) as caught:
        SplitConfig.model_validate({"keep_together": ["banana"], "val": 2})
    faults = option_faults(caught.value)
    assert [fault.partition(":")[0] for fault in faults] == ["--val", "--together"]


def test_both_names_become_the_option() -> None:
    error = by_option(DataError("give --ok-class (data.ok_class) below data.root"))
    assert str(error) == "give --ok-class below the image folder"


@pytest.fixture
def nobody() -> Iterator[None]:
    """A user whom closed folders stay closed to, also where tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


def test_a_closed_class_folder_is_not_an_empty_one(nobody: None) -> None:
    from inspection.data.readers.folder import read_folder

    with tempfile.TemporaryDirectory() as place:
        for label in ("ok", "ng"):
            (Path(place) / label).mkdir()
            (Path(place) / label / "a.png").write_bytes(b"x")
        (Path(place) / "ng").chmod(0)
        with pytest.raises(DataError, match=r"/ng' cannot be read .*change its permissions"):
            read_folder(Path(place), DataConfig(kind="folder", root=Path(place)))
        (Path(place) / "ng").chmod(0o755)


def test_an_index_of_another_version_is_told_in_short(images: Path, said: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    said("import", images)
    table = pq.read_table(INDEX)
    pq.write_table(table.drop(["fingerprint"]).append_column("hue", pa.nulls(len(table))), INDEX)
    answer = fault(said("view", INDEX, code=2))
    assert "another version (without fingerprint; with hue)" in answer
    pq.write_table(pa.table({"a": [1]}), "other.parquet")
    assert "plumbline data import writes one" in fault(said("view", "other.parquet", code=2))


def test_a_signal_costs_what_is_said() -> None:
    assert "what was read is kept" in stopped_sentence(["data", "import", "x"])
    assert "finished vectors" in stopped_sentence(["--json", "data", "embed", "i"])
    assert "no file is half-written" in stopped_sentence(["data", "view", "i"])
    assert "finished steps" in stopped_sentence(["run", "x.yaml"])


def test_tables_end_where_their_words_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = Table(("name", "what was seen"), [("a", "x" * 300), ("b", "short")])
    _print_table(table)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "b     short"
    assert lines[1].endswith("x" * 300)


def test_no_color_leaves_no_codes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, wanted in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", name)
        _print_table(Table(("name", "seen"), [("a", "b")]))
        assert ("\x1b[" in capsys.readouterr().out) == wanted


def test_a_seed_that_no_generator_takes_is_refused(images: Path, said: Any) -> None:
    said("import", images)
    assert "--seed" in fault(said("patches", INDEX, "p", "--seed", 10**20, code=2))
