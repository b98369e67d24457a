"""One cold start, in a process of its own: from nothing to the first answer, golden self-test included.

Run as `python -m deploy.edge.cold_start BUNDLE ENGINE VARIANT`; prints one JSON line. `measure_cold_start` starts it
and takes the time from outside, so that the interpreter and every import are in it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.edge.errors import EngineError

TIMEOUT = 900.0
"""Seconds; TensorRT may have to build an engine first."""


@dataclass(frozen=True)
class ColdStart:
    """Milliseconds from the start of a process to its first answer, and the most memory it held until then."""

    ms: float
    memory_mb: float


def measure_cold_start(folder: Path, engine: str, variant: str) -> ColdStart:
    """Start a process that inspects one golden image and ends; EngineError with its last words if it cannot."""
    program = [sys.executable, "-m", __name__, str(folder), engine, variant]
    started = time.perf_counter()
    try:
        done = subprocess.run(program, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"no answer by {engine} after {TIMEOUT:g} s") from error
    taken = (time.perf_counter() - started) * 1e3
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise EngineError(f"{engine} with {variant} does not start: {words[-1]}")
    return ColdStart(round(taken, 1), float(json.loads(done.stdout)["memory_mb"]))


def main(folder: str, engine: str, variant: str) -> None:
    """Open, answer once, say how much memory that took."""
    from deploy.edge.bundle import load_golden
    from deploy.edge.inspector import Inspector

    inspector = Inspector.open(Path(folder), engine=engine, variant=variant)
    inspector.inspect(load_golden(inspector.bundle).pixels[0])
    print(json.dumps({"memory_mb": round(_peak_mb(), 1)}))


def _peak_mb() -> float:
    """The most memory this process held; on Linux `getrusage` begins with what the parent held when it forked."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main(*sys.argv[1:])
