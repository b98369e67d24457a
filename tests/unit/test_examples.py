"""The notebooks are kept as written: no outputs, no traces of somebody's session, text beside the code."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

BOOKS = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.ipynb"))


def test_there_is_a_notebook() -> None:
    assert BOOKS


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_says_what_it_does(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert sum(cell.cell_type == "markdown" for cell in book.cells) >= len(code) - 1
    private = [word for cell in code for word in cell.source.split() if word.startswith("_")]
    assert private == []
