"""Asks the NVIDIA driver what there is and prints the answer as JSON: a program of its own, run by `cuda_probe`.

A broken driver hangs or takes the process with it, so nobody imports this: it starts as a file, needs the standard
library alone, and creates no CUDA context.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

# Of the driver's stable interface (cuda.h).
MAJOR, MINOR = 75, 76
NAME_BYTES = 256


def ask(library: str) -> dict[str, Any]:
    """`{"reason": why not}`, or `{"cuda": 13000, "devices": [{name, compute_capability, memory_bytes}]}`."""
    try:
        driver = ctypes.CDLL(library)
        return _devices(driver)
    except (OSError, AttributeError) as error:  # not there, or without these functions
        return {"reason": f"the driver library {library} cannot be used ({error})"}


def _devices(driver: ctypes.CDLL) -> dict[str, Any]:
    if code := driver.cuInit(0):
        return {"reason": f"the driver does not start: {_words(driver, code)}"}
    version, count = ctypes.c_int(), ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    if code := driver.cuDeviceGetCount(ctypes.byref(count)):
        return {"reason": f"the driver cannot count its devices: {_words(driver, code)}"}
    if not count.value:
        return {"reason": "the driver shows no GPU (is CUDA_VISIBLE_DEVICES empty?)"}
    return {
        "cuda": version.value,
        "devices": [_device(driver, index) for index in range(count.value)],
    }


def _device(driver: ctypes.CDLL, index: int) -> dict[str, Any]:
    handle, name = ctypes.c_int(), ctypes.create_string_buffer(NAME_BYTES)
    memory, part = ctypes.c_size_t(), ctypes.c_int()
    driver.cuDeviceGet(ctypes.byref(handle), index)
    driver.cuDeviceGetName(name, NAME_BYTES, handle)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), handle)
    capability = []
    for attribute in (MAJOR, MINOR):
        driver.cuDeviceGetAttribute(ctypes.byref(part), attribute, handle)
        capability.append(str(part.value))
    return {
        "name": name.value.decode(errors="replace"),
        "compute_capability": ".".join(capability),
        "memory_bytes": memory.value,
    }


def _words(driver: ctypes.CDLL, code: int) -> str:
    text = ctypes.c_char_p()
    driver.cuGetErrorString(code, ctypes.byref(text))
    return f"{text.value.decode(errors='replace') if text.value else 'no text'} (error {code})"


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1])))
