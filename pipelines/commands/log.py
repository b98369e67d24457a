"""`plumbline log`: a device's prediction log as one Parquet table."""

from __future__ import annotations

from pathlib import Path

from pipelines.commands.target import checked_target
from pipelines.output import Answer


def log_to_parquet(folder: Path, target: Path) -> Answer:
    """Read every segment of `folder`, torn last lines left out, and write `target` whole."""
    from data_checks.predictions import write_parquet

    rows = write_parquet(folder, checked_target(target, ".parquet"))
    return Answer(
        document={"rows": rows, "parquet": str(target)},
        lines=[f"{rows} predictions: {target}"],
        next=[f"plumbline monitor CONFIG {folder}"],
    )
