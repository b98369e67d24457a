"""Whether CUDA can be used here, and if not why not: asked in a process of its own, before anything touches CUDA.

Without a GPU TensorRT takes its process with it (segmentation fault), and a sick driver hangs; here both are a
sentence. A machine without NVIDIA's driver library pays for no process at all.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from deploy.edge.engines import cuda_ask
from deploy.edge.engines.cuda_library import LIBRARY, absence, library_present

TIMEOUT = 30.0
"""Seconds; a server with eight cards and no persistence daemon needs most of ten."""
KERNEL_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Gpu:
    """One device as the driver names it; `compute_capability` such as '8.7'."""

    name: str
    compute_capability: str
    memory_bytes: int


@dataclass(frozen=True)
class CudaProbe:
    """`reason` says why CUDA cannot be used, and is empty where it can; `driver` names the installed driver."""

    reason: str = ""
    driver: str = ""
    devices: tuple[Gpu, ...] = field(default_factory=tuple)

    @property
    def usable(self) -> bool:
        """There is a device, and the driver answers."""
        return not self.reason


@functools.cache
def probe_cuda(*, library: str = LIBRARY, timeout: float = TIMEOUT) -> CudaProbe:
    """What the driver says, asked once; a missing library costs no process, a crash or a hang is a reason."""
    if not library_present(library, os.environ):
        return CudaProbe(absence(library))
    program = [sys.executable, "-I", "-S", cuda_ask.__file__, library]
    try:
        done = subprocess.run(program, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return CudaProbe(f"the driver gave no answer within {timeout:g} s")
    except OSError as error:
        return CudaProbe(f"the driver cannot be asked: {error}")
    if done.returncode:
        return CudaProbe(f"asking the driver ended with {_ending(done.returncode)}")
    return read_answer(done.stdout, _kernel_driver())


def read_answer(text: str, kernel_driver: str = "") -> CudaProbe:
    """The probe's outcome from what the asking program printed."""
    try:
        answer = json.loads(text)
        if reason := str(answer.get("reason", "")):
            return CudaProbe(" ".join(reason.split()))
        devices = tuple(Gpu(**device) for device in answer["devices"])
        driver = f"{kernel_driver or 'unknown'}, CUDA {int(answer['cuda'])}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return CudaProbe(f"the driver's answer cannot be read ({error})")
    return CudaProbe("" if devices else "the driver shows no GPU", driver, devices)


def _kernel_driver() -> str:
    """The version in the kernel module's own words, such as '580.95.05'; empty where it is not told."""
    try:
        words = KERNEL_DRIVER.read_text(errors="replace").split()
    except OSError:
        return ""
    return next((word for word in words if word[0].isdigit() and "." in word), "")


def _ending(code: int) -> str:
    if code >= 0:
        return f"status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
