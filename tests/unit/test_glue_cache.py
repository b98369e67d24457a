"""The code fingerprint: any edit of what computes changes it, nothing else does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipelines.caching import PACKAGES, fingerprint_of


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / package, tmp_path / package, ignore=ignored)
    return tmp_path


@pytest.mark.parametrize(
    "edited", ["inspection/config.py", "deploy/edge/spec.py", "steps/__init__.py"]
)
def test_an_edit_gives_a_new_key(copy: Path, edited: str) -> None:
    before = fingerprint_of(copy)
    with (copy / edited).open("a") as stream:
        stream.write("\n# edited\n")
    assert fingerprint_of(copy) != before


def test_a_moved_file_gives_a_new_key(copy: Path) -> None:
    before = fingerprint_of(copy)
    (copy / "inspection" / "store.py").rename(copy / "inspection" / "shop.py")
    assert fingerprint_of(copy) != before


def test_the_same_code_elsewhere_gives_the_same_key(copy: Path, root: Path) -> None:
    before = fingerprint_of(copy)
    assert before == fingerprint_of(root)
    (copy / "inspection" / "note.txt").write_text("not code")
    (copy / "inspection" / "__pycache__").mkdir(exist_ok=True)
    assert fingerprint_of(copy) == before
