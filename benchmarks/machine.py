"""Where a figure was measured, and the one way to write it down."""

from __future__ import annotations

import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
TOOLS = ("torch", "timm", "lightning", "onnxruntime", "zenml", "mlflow", "numpy")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, accelerator and versions; nothing that names a host."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    model = re.search(r"model name\s*: (.*)", text)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": model.group(1).strip() if model else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(pages / 2**30, 1),
        "accelerator": "none",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {tool: version(tool) for tool in TOOLS},
    }


def write_result(name: str, figures: dict[str, Any]) -> Path:
    """Write `results/<name>.json` and print the figures."""
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{name}.json"
    document = {"benchmark": name, "machine": machine(), "figures": figures}
    target.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    print(json.dumps(figures, indent=2, sort_keys=True))
    return target
