"""When a finished step may be reused: its inputs, its parameters *and all our code* are the same.

ZenML's own key sees a step's source but not what the step calls; with thin steps an edited function would return
yesterday's result. Coarse and honest: any edit below the pipelines repeats the cached steps.
"""

from __future__ import annotations

import functools
import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CODE_ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("steps", "materializers", "data_checks", "deploy", "inspection")
TOOLS = (
    "numpy",
    "opencv-python-headless",
    "torch",
    "timm",
    "lightning",
    "onnx",
    "onnxruntime",
    "optuna",
)
"""Libraries whose version can change a number."""


@functools.cache
def code_fingerprint() -> str:
    """Hex SHA-256 over our sources and the versions of the libraries that compute."""
    return fingerprint_of(CODE_ROOT)


def fingerprint_of(root: Path) -> str:
    """The fingerprint of the packages below `root`."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for source in sorted((root / package).rglob("*.py")):
            digest.update(source.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    for tool in TOOLS:
        digest.update(f"{tool}={_version(tool)}\n".encode())
    return digest.hexdigest()


def _version(tool: str) -> str:
    try:
        return version(tool)
    except PackageNotFoundError:
        return "absent"
