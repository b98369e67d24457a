"""`plumbline doctor`: is this machine, this installation and this store fit to run?"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from inspection.errors import PlumblineError
from pipelines.output import Answer, Table, stdout_is_stderr
from pipelines.settings import Settings, unknown_settings

MIN_FREE_GB = 2.0
EXTRAS = ("data", "pipeline")
GPU_PROBE = (
    "import torch; print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else '')"
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at; the remedy is empty when it is well."""

    what: str
    found: str
    remedy: str = ""

    @property
    def well(self) -> bool:
        """Nothing to be done."""
        return not self.remedy


def examine(settings: Settings) -> Answer:
    """Look at everything, stop at nothing; exit code 2 when something needs the user."""
    findings = [
        _python(),
        *_extras(),
        *_settings(settings),
        _disk(settings),
        _gpu(),
        _zenml(settings),
    ]
    ill = [finding for finding in findings if not finding.well]
    rows = [("ok" if f.well else "✗", f.what, f.found, f.remedy) for f in findings]
    return Answer(
        document={
            "well": not ill,
            "findings": [{**asdict(finding), "well": finding.well} for finding in findings],
        },
        table=Table(("", "what", "found", "remedy"), rows),
        lines=[f"{len(ill)} to mend." if ill else "All well."],
        next=[] if ill else ["plumbline run configs/demo.yaml"],
        exit_code=2 if ill else 0,
    )


def _python() -> Finding:
    fine = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("python", platform.python_version(), "" if fine else "use Python 3.11 to 3.13")


def _extras() -> Iterator[Finding]:
    for extra in EXTRAS:
        missing = [name for name in _packages(extra) if not _installed(name)]
        found = f"missing: {', '.join(missing)}" if missing else "installed"
        remedy = f"pip install '.[{extra}]'" if missing else ""
        yield Finding(f"extra '{extra}'", found, remedy)


def _packages(extra: str) -> list[str]:
    """Distribution names that our own metadata asks for under `extra`."""
    from packaging.requirements import Requirement

    asked = [Requirement(line) for line in requires("plumbline") or []]
    ours = [r for r in asked if r.marker is not None and r.marker.evaluate({"extra": extra})]
    return sorted({r.name for r in ours if r.name != "plumbline"})


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def _settings(settings: Settings) -> Iterator[Finding]:
    yield Finding("store", str(settings.store.root))
    yield Finding("tracking", settings.tracking_uri)
    for fault in unknown_settings(os.environ):
        yield Finding("setting", "not known", fault)


def _disk(settings: Settings) -> Finding:
    there = next(p for p in (settings.store.root, *settings.store.root.parents) if p.exists())
    free = shutil.disk_usage(there).free / 1e9
    if not os.access(there, os.W_OK):
        return Finding(
            "disk", f"{there} cannot be written", "set PLUMBLINE_STORE to your own folder"
        )
    low = "free some space, or set PLUMBLINE_STORE to a larger disk" if free < MIN_FREE_GB else ""
    return Finding("disk", f"{free:.1f} GB free at {there}", low)


def _gpu() -> Finding:
    """In a process of its own: a broken driver may take the asker with it."""
    if not _installed("torch"):
        return Finding("gpu", "not looked for: torch is missing")
    asked = subprocess.run(
        [sys.executable, "-c", GPU_PROBE], capture_output=True, text=True, check=False
    )
    name = asked.stdout.strip()
    if not name and shutil.which("nvidia-smi"):
        return Finding(
            "gpu", "a driver, but torch sees no GPU", "update the NVIDIA driver, or use device=cpu"
        )
    return Finding("gpu", name or "none: everything runs on the CPU")


def _zenml(settings: Settings) -> Finding:
    """Opening the store also closes runs that were killed."""
    if not _installed("zenml"):
        return Finding("zenml", "not looked at: missing")
    from pipelines.launcher.client import open_zenml

    try:
        with stdout_is_stderr():
            client = open_zenml(settings)
    except PlumblineError as error:
        return Finding("zenml", "does not open", str(error))
    return Finding("zenml", f"{version('zenml')}, repository {Path(str(client.root)) / '.zenml'}")
