"""What tests/fuzz/fuzz_parsers.py has found, each once, so that it stays mended; what it has found in the readers of
images: test_readers_found_by_fuzzing.py."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_checks.embeddings import load_embeddings
from data_checks.label_decisions import decisions_to_edits, read_decisions
from data_checks.profile import load_profile, profile_of
from inspection.data.edits import Edit, Edits, edited
from inspection.data.journal import history, journal_file
from inspection.data.readers.stated import one_line
from pipelines import door
from pipelines.door import load_config
from tests.fuzz.targets import INDEX, TARGETS
from tests.unit.found_material import LINE_END, refused

Place = Callable[[Path], object]


def test_one_line__of_whatever_a_library_says() -> None:
    assert one_line("a\nb\t c") == "a b c"
    assert one_line("ünï") == "ünï"
    assert one_line("red \x1b[31m") == "red \\x1b[31m"
    assert len(one_line("x" * 9000)) < 400


# --- edits, journals, decisions, profiles ------------------------------------------------------------------------

UNSTORABLE: list[tuple[str, Any]] = [
    ("boxes", [1]),
    ("boxes", [{"x0": "1", "y0": 2, "x1": 3, "y1": 4, "label": "a"}]),
    ("boxes", [{"x0": 10**400, "y0": 2, "x1": 3, "y1": 4, "label": "a"}]),
    ("boxes", [{"x0": 1, "label": "a"}]),
    ("regions", [{"label": "a", "counts": [2**40]}]),
    ("regions", [{"label": "a", "counts": "0 1"}]),
    ("regions", [{"label": None, "counts": [1]}]),
    ("regions", ["a"]),
    ("warnings", [3]),
]


@pytest.mark.parametrize(("column", "after"), UNSTORABLE)
def test_edits__value_that_the_index_cannot_hold(column: str, after: Any) -> None:
    edits = Edits("labels", (Edit("ok/1.png", column, [], after),))
    refused(lambda: edited(INDEX, edits), "must be a list of ")


def test_edits__long_and_odd_values_are_not_repeated_in_full() -> None:
    edit = Edit(f"{LINE_END}.png", "label", "x", "y")
    refused(lambda: edited(INDEX, Edits("x", (edit,))), "is not in the index")
    edit = Edit("ok/1.png", "label", "x" * 9000, "y")
    refused(lambda: edited(INDEX, Edits("x", (edit,))), "the edit expects 'xxx")
    edit = Edit("ok/1.png", "\x1b", "x", "y")
    refused(lambda: edited(INDEX, Edits("x", (edit,))), "cannot be edited")


PLACES: list[Place] = [os.mkfifo, lambda p: p.symlink_to(p.name), lambda p: p.mkdir()]
READ: dict[str, tuple[str, Callable[[Path], object]]] = {
    "edits": ("edits.json", Edits.read),
    "decisions": ("decisions.csv", read_decisions),
    "profile": ("profile.json", load_profile),
    "embeddings": ("vectors.npz", lambda path: load_embeddings(path, INDEX)),
    "config": ("run.yaml", lambda path: load_config(path, [], {})),
}


@pytest.mark.parametrize("place", PLACES, ids=["pipe", "link to itself", "folder"])
@pytest.mark.parametrize("parser", READ)
def test_file__that_is_none(parser: str, place: Place, tmp_path: Path) -> None:
    name, read = READ[parser]
    place(tmp_path / name)
    refused(lambda: read(tmp_path / name), name.partition(".")[0])


def test_journal__pipe_or_lost_index(tmp_path: Path) -> None:
    TARGETS["journal"].build(tmp_path)
    index = tmp_path / "index.parquet"
    index.unlink()
    refused(lambda: history(index), "does not exist")
    journal_file(index).unlink()
    os.mkfifo(journal_file(index))
    refused(lambda: history(index), "is damaged")


def test_decisions__deep_json_and_odd_names(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text("[" * 100_000)
    refused(lambda: read_decisions(path), "holds no decisions")
    rows = [{"path": LINE_END, "decision": "\x1b", "label": "a\nb"}]
    rows += [{"path": "ok/1.png", "decision": "relabel", "label": LINE_END}]
    path.write_text(json.dumps(rows))
    refused(lambda: decisions_to_edits(INDEX, read_decisions(path)), "unknown label 'a\\u2028b'")
    path.write_text(json.dumps([{"path": "a", LINE_END: "b"}]))
    refused(lambda: read_decisions(path), "unknown field 'a\\u2028b'")


def test_profile__odd_keys_are_shown_in_one_line(tmp_path: Path) -> None:
    stated = json.loads(profile_of(INDEX).to_json())
    for odd in ("a\nb", "x" * 201):
        (tmp_path / "p.json").write_text(json.dumps({**stated, "formats": [odd]}))
        refused(lambda: load_profile(tmp_path / "p.json"), "' is no name")
    (tmp_path / "p.json").write_text(json.dumps({**stated, f"{LINE_END}{'x' * 9000}": 1}))
    refused(lambda: load_profile(tmp_path / "p.json"), "a bxxx")


# --- embeddings --------------------------------------------------------------------------------------------------


def npz(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> Path:
    TARGETS["embeddings"].build(tmp_path)
    path = tmp_path / "vectors.npz"
    path.write_bytes(spoil(path.read_bytes()))
    return path


def newer_zip(data: bytes) -> bytes:
    """The version that extracting needs, in the directory at the end of the file."""
    at = data.index(b"PK\1\2") + 6
    return data[:at] + struct.pack("<H", 244) + data[at + 2 :]


def odd_member(_data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(f"{LINE_END}.npy", b"")
    return stream.getvalue()


@pytest.mark.parametrize("spoil", [newer_zip, odd_member, lambda data: data[:300]])
def test_embeddings__odd_archives(spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = npz(tmp_path, spoil)
    refused(lambda: load_embeddings(path, INDEX), "vectors.npz")


@pytest.mark.parametrize(
    "names",
    [pa.array([b"\xe4", b"a", b"b"]).cast(pa.string(), safe=False), pa.array([LINE_END] * 3)],
    ids=["not UTF-8", "odd"],
)
def test_embeddings__odd_names_in_parquet(names: Any, tmp_path: Path) -> None:
    vectors = pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    pq.write_table(pa.table({"path": names, "embedding": vectors}), tmp_path / "v.parquet")
    refused(lambda: load_embeddings(tmp_path / "v.parquet", INDEX), "v.parquet")


def test_embeddings__column_twice(tmp_path: Path) -> None:
    columns = [pa.array(["a"]), pa.array(["a"]), pa.array([[1.0]])]
    table = pa.Table.from_arrays(columns, names=["path", "path", "embedding"])
    pq.write_table(table, tmp_path / "v.parquet")
    refused(lambda: load_embeddings(tmp_path / "v.parquet", INDEX), "v.parquet")


# --- run configs -------------------------------------------------------------------------------------------------

BOMB = "\n".join(["a: &a0 [x]", *(f"b{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" for n in range(1, 20))])
CONFIGS: list[tuple[str, str]] = [
    (BOMB, "thousands of values"),
    ("a: &a [*a]", "holds itself"),
    ("- " * 2000, "not readable as YAML"),
    ("? [a]\n: b", "not readable as YAML"),
    ("a: !!timestamp 2001-99-99", "not readable as YAML"),
    ("a: !!int ''", "not readable as YAML"),
    (f"name: {'x' * 9000}", "got 'xxx"),
    ("name: [1, 2]", "got a list"),
    (
        '{name: line, data: {kind: folder, root: x, label_pattern: "([\\u2029-9])"}}',
        "not a regular",
    ),
    (f"name: ${{{'x' * 9000}}}", "is not set"),
    ('name: "a\\u2028b"', "got 'a"),
    ('"k\\u2028k": 1', "k k: unknown key"),
    (f"name: a{' ' * 300_000}", "the limit is"),
]


@pytest.mark.parametrize(("text", "words"), CONFIGS, ids=range(len(CONFIGS)))
def test_config__that_cannot_be_used(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    refused(lambda: load_config(tmp_path / "run.yaml", [], {}), words)


def test_config__that_is_missing_names_no_odd_neighbour(tmp_path: Path) -> None:
    (tmp_path / "ru\nn.yaml").write_text("name: a")
    refused(lambda: load_config(tmp_path / "run.yaml", [], {}), "no such config")


@pytest.mark.parametrize("value", ["[" * 3000, "{[a]: b}", "!!int ''"])
def test_config__change_whose_value_is_no_yaml(value: str, tmp_path: Path) -> None:
    TARGETS["config"].build(tmp_path)
    refused(lambda: load_config(tmp_path / "run.yaml", [f"name={value}"], {"IMAGES": "x"}), "name=")
    assert door.MAX_BYTES > 100_000
