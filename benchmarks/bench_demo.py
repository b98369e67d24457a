"""`make demo` on this machine: wall time, peak memory, an unchanged second run, and a run on shuffled labels.

Each in a fresh store. Needs nothing but the installation.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import write_result
from watched import Watched, run

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [str(Path(sys.executable).parent / "plumbline"), "run", "configs/demo.yaml", "--json"]


def plumbline(store: Path, *changes: str) -> Watched:
    """One run of the demo config in `store`."""
    environment = {**os.environ, "PLUMBLINE_STORE": str(store)}
    return run([*COMMAND, *changes], environment=environment, folder=ROOT)


def facts(result: Watched) -> dict[str, Any]:
    """What is kept of one run."""
    return {
        "exit_code": result.code,
        "seconds": round(result.seconds, 1),
        "peak_memory_gb": round(result.peak_bytes / 2**30, 2),
        "answer": json.loads(result.stdout),
    }


def main() -> None:
    """Three runs, one file."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        figures = {
            "first": facts(plumbline(store)),
            "again": facts(plumbline(store)),
            "shuffled_labels": facts(
                plumbline(Path(folder) / "other", "data.synthetic.shuffle_labels=true")
            ),
        }
    assert figures["first"]["exit_code"] == figures["again"]["exit_code"] == 0, figures
    assert figures["shuffled_labels"]["exit_code"] == 3, figures["shuffled_labels"]
    text = json.dumps(figures).replace(folder, "<store>").replace(str(ROOT), "<checkout>")
    write_result("demo", json.loads(text))


if __name__ == "__main__":
    main()
