"""The whole job on real images: NEU-DET and Magnetic-tile, with MobileNetV2 weights from a local file.

Needs PLUMBLINE_TEST_ASSETS: a folder with `data/neu_det`, `data/magnetic_tile` and `weights/`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import write_result
from watched import run

ROOT = Path(__file__).resolve().parents[1]
ASSETS = Path(os.environ.get("PLUMBLINE_TEST_ASSETS", ROOT.parent / "shared"))
WEIGHTS = "mobilenetv2_100.imagenet.safetensors"


def measure(name: str) -> dict[str, Any]:
    """One run of `configs/<name>.yaml` in a fresh store."""
    with tempfile.TemporaryDirectory() as folder:
        result = run(
            [
                str(Path(sys.executable).parent / "plumbline"),
                "run",
                f"configs/{name}.yaml",
                f"data.root={ASSETS / 'data' / name}",
                f"teacher.weights={ASSETS / 'weights' / WEIGHTS}",
                "--json",
            ],
            environment={**os.environ, "PLUMBLINE_STORE": folder},
            folder=ROOT,
        )
        answer = result.stdout.replace(folder, "<store>").replace(str(ASSETS), "<assets>")
    print(result.stderr[-2000:], file=sys.stderr)
    return {
        "exit_code": result.code,
        "seconds": round(result.seconds, 1),
        "peak_memory_gb": round(result.peak_bytes / 2**30, 2),
        "answer": json.loads(answer.replace(str(ROOT), "<checkout>")),
    }


def main() -> None:
    """Both sets, or those named on the command line."""
    names = sys.argv[1:] or ["neu_det", "magnetic_tile"]
    for name in names:
        figures = measure(name)
        write_result(name, figures)
        # 3: the gate refused the student, which is an answer too; what it said is in the figures.
        assert figures["exit_code"] in (0, 3), figures


if __name__ == "__main__":
    main()
