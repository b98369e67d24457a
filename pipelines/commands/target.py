"""The file that a command was told to write: it must be meant as one of ours, because what stands there is replaced."""

from __future__ import annotations

from pathlib import Path

from inspection.errors import UserError


def checked_target(target: Path, suffix: str) -> Path:
    """`target` itself; UserError for a folder, an empty path, or a name that promises something else."""
    if target.is_dir():
        raise UserError(f"'{target}' is a folder: give the name of a {suffix} file")
    if target.suffix.lower() != suffix:
        raise UserError(f"'{target}' would be replaced: give a file name that ends in {suffix}")
    return target
