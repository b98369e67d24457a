"""Annotation files that are tables: the file that a config means, its rows as text with their lines, safe names.

Covered: CSV with comma, semicolon or tab, quotes, BOM, CRLF, blank lines; Parquet; every fault of the file with its
line. Not covered: other encodings than UTF-8, comments, compressed files.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from inspection.data.readers.annotation_file import inside, named_file, read_limited
from inspection.data.readers.files import Fault, images_below, leads_out, relative
from inspection.data.readers.stated import one_line, shown
from inspection.errors import DataError

DELIMITERS = ",;\t"
MAX_CSV_BYTES = 2_000_000_000
"""Read as a whole; Python needs about five times as much memory."""

MAX_ROWS = 20_000_000
"""A few bytes of Parquet can promise any number of equal rows."""


@dataclass(frozen=True)
class Row:
    """One line of a table; a Parquet file's cells may be lists, a CSV's are text without blanks around it."""

    line: int
    cells: dict[str, Any]

    def text(self, column: str) -> str:
        """The cell as text, empty where the column or the value is missing."""
        value = self.cells.get(column)
        missing = value is None or value != value  # NaN, as tables of numbers write it
        return "" if missing else str(value).strip()


@dataclass(frozen=True)
class Table:
    """Column names as the file spells them, and the rows below."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def fault(self, line: int, sentence: str) -> DataError:
        """What is wrong with the file as a whole, and where."""
        return file_fault(self.path, line, sentence)


def file_fault(path: Path, line: int, sentence: str) -> DataError:
    """What is wrong with an annotation file as a whole, and where."""
    return DataError(f"data.annotations: {shown(path.name)} line {line}: {sentence}")


def annotation_file(root: Path, annotations: Path | None, suffixes: tuple[str, ...]) -> Path:
    """The file that `data.annotations` names below the root, else the only one with such a suffix."""
    if annotations is not None:
        return named_file(root, annotations)
    found = images_below(root, suffixes)
    wanted = " or ".join(f"*{suffix}" for suffix in suffixes)
    if not found:
        raise DataError(f"data.root: no {wanted} below '{root}'; is it the right folder?")
    if len(found) > 1:
        names = ", ".join(one_line(relative(path, root)) for path in found[:3])
        raise DataError(
            f"data.annotations: {len(found)} files {wanted} below the root ({names}); "
            "say which: data.annotations=<file>"
        )
    return inside(root, found[0])


def read_table(path: Path) -> Table:
    """All rows of a CSV or Parquet file; DataError with file and line for what is no table."""
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path)
    return _read_csv(path)


def _text(path: Path) -> str:
    data = read_limited(path, MAX_CSV_BYTES)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise file_fault(path, line, "not UTF-8 text; save it as 'CSV UTF-8'") from error


def _read_csv(path: Path) -> Table:
    # One cell may hold the run lengths of a large image; Python's own limit is 128 KiB.
    csv.field_size_limit(2**31 - 1)
    stream = io.StringIO(_text(path), newline="")
    delimiter = max(DELIMITERS, key=stream.readline().count)
    stream.seek(0)
    lines = list(_lines(path, csv.reader(stream, delimiter=delimiter, strict=True)))
    if not lines:
        raise file_fault(path, 1, "the file is empty; it needs a header and rows")
    columns = _checked_columns(path, lines[0][1])
    rows = tuple(_row(path, number, cells, columns) for number, cells in lines[1:])
    return Table(path, columns, rows)


def _lines(path: Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every line that is not blank."""
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        said = one_line(str(error).replace("'\t'", "a tab"))
        raise file_fault(path, reader.line_num, f"no CSV ({said}); mend the quotes") from error


def _checked_columns(path: Path, cells: list[str]) -> tuple[str, ...]:
    named = [place for place, name in enumerate(cells, start=1) if name]
    cells = cells[: named[-1] if named else 0]
    if twice := sorted(name for name, times in Counter(cells).items() if times > 1):
        raise file_fault(path, 1, f"column {shown(twice[0])} is there twice; rename one")
    return tuple(cells)


def _row(path: Path, line: int, cells: list[str], columns: tuple[str, ...]) -> Row:
    # Spreadsheets pad rows with empty cells.
    surplus = any(cells[len(columns) :])
    if surplus or len(cells) < len(columns):
        raise file_fault(
            path,
            line,
            f"{len(cells)} cells, the header has {len(columns)}; put cells that hold a separator in quotes",
        )
    return Row(line, dict(zip(columns, cells, strict=False)))


def _read_parquet(path: Path) -> Table:
    if not path.is_file():
        raise DataError(
            f"data.annotations: {shown(path.name)} is no regular file; put the file itself there"
        )
    try:
        # Not read_table: that takes folders called 'a=b' for columns.
        file = pq.ParquetFile(path)
        if (count := file.metadata.num_rows) > MAX_ROWS:
            raise ValueError(f"{count} rows, the limit is {MAX_ROWS}")
        table = file.read()
        rows = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"data.annotations: {shown(path.name)} is no Parquet file, or damaged ({one_line(error)}); write it again"
        ) from error
    columns = _checked_columns(path, [str(name) for name in table.column_names])
    return Table(path, columns, tuple(Row(n, cells) for n, cells in enumerate(rows, start=1)))


def safe_name(name: str) -> str | None:
    """A file's name in a table as a POSIX path below the root, or None when it leads out or cannot be a name.

    Backslashes separate folders: the table may come from Windows. Links are the item's affair (`path_fault`).
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or leads_out(name):
        return None
    return None if any(letter < " " for letter in name) else path.as_posix()


def outside(name: str) -> Fault:
    """The quarantine of a row whose file `safe_name` refuses."""
    sentence = f"{shown(name)} is no path below data.root: give it relative, without '..'"
    return "path_escapes_root", sentence
