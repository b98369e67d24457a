"""The question to NVIDIA's driver: every way it fails is a sentence, and none takes this process with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from deploy.edge.engines import cuda_ask
from deploy.edge.engines.cuda_library import LIBRARY, check_library, library_present
from deploy.edge.engines.cuda_probe import CudaProbe, Gpu, probe_cuda, read_answer
from deploy.edge.errors import EngineUnavailable

DRIVER = """
#include <string.h>
#include <unistd.h>
#include <stdlib.h>
int cuInit(unsigned flags) {{ {init} return {code}; }}
int cuDriverGetVersion(int *version) {{ *version = 12060; return 0; }}
int cuDeviceGetCount(int *count) {{ *count = {count}; return 0; }}
int cuDeviceGet(int *device, int index) {{ *device = index + 40; return 0; }}
int cuDeviceGetName(char *name, int size, int device) {{
    strncpy(name, device == 40 ? "Orin (planted)" : "Second", size); return 0; }}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {{ *bytes = 17179869184UL; return 0; }}
int cuDeviceGetAttribute(int *value, int attribute, int device) {{
    *value = attribute == 75 ? 8 : 7; return 0; }}
int cuGetErrorString(int code, const char **text) {{ *text = "planted: no device"; return 0; }}
"""


def planted_driver(folder: Path, *, init: str = "", code: int = 0, count: int = 2) -> str:
    """A library with the driver's functions, compiled here."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to plant a driver with")
    source, library = folder / "driver.c", folder / "libcuda.so.1"
    source.write_text(DRIVER.format(init=init, code=code, count=count))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return str(library)


def test_sound_driver__names_its_devices(tmp_path: Path) -> None:
    found = probe_cuda(library=planted_driver(tmp_path))
    assert found.usable
    assert found.reason == ""
    assert found.driver.endswith("CUDA 12060")
    assert found.devices == (Gpu("Orin (planted)", "8.7", 2**34), Gpu("Second", "8.7", 2**34))


@pytest.mark.parametrize(
    ("init", "code", "count", "says"),
    [
        ("", 100, 1, "the driver does not start: planted: no device (error 100)"),
        ("", 0, 0, "the driver shows no GPU"),
        ("abort();", 0, 1, "asking the driver ended with SIGABRT"),
        ("*(volatile int *)0 = 1;", 0, 1, "asking the driver ended with SIGSEGV"),
        ("_exit(3);", 0, 1, "asking the driver ended with status 3"),
        ("_exit(0);", 0, 1, "the driver's answer cannot be read"),
    ],
)
def test_sick_driver__is_a_sentence(
    init: str, code: int, count: int, says: str, tmp_path: Path
) -> None:
    found = probe_cuda(library=planted_driver(tmp_path, init=init, code=code, count=count))
    assert not found.usable
    assert says in found.reason
    assert "\n" not in found.reason
    assert found.devices == ()


def test_driver_that_hangs__is_given_up(tmp_path: Path) -> None:
    library = planted_driver(tmp_path, init="sleep(60);")
    start = time.monotonic()
    assert (
        probe_cuda(library=library, timeout=0.5).reason == "the driver gave no answer within 0.5 s"
    )
    assert time.monotonic() - start < 10


def test_library_without_the_drivers_functions__is_a_sentence(tmp_path: Path) -> None:
    text = tmp_path / "libcuda.so.1"
    text.write_text("not a library")
    assert "cannot be used" in probe_cuda(library=str(text)).reason
    empty = textwrap.dedent("int nothing(void) { return 0; }")
    if compiler := shutil.which("gcc"):
        (tmp_path / "empty.c").write_text(empty)
        library = tmp_path / "empty.so"
        subprocess.run([compiler, "-shared", "-o", library, tmp_path / "empty.c"], check=True)
        assert "cuInit" in probe_cuda(library=str(library)).reason


def test_absent_library__costs_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    found = probe_cuda(library=str(tmp_path / LIBRARY))
    assert found.reason == f"no NVIDIA driver library ({tmp_path / LIBRARY}) on this machine"


def test_library__is_found_where_the_loader_would_find_it(tmp_path: Path) -> None:
    cache, folder = tmp_path / "ld.so.cache", tmp_path / "lib"
    folder.mkdir()

    def present(**environment: str) -> bool:
        return library_present(LIBRARY, environment, loader_cache=cache, folders=[folder])

    assert not present()
    cache.write_bytes(b"glibc-ld.so.cache1.1\0libcuda.so.10\0/usr/lib/libcudart.so.1\0")
    assert not present()  # other libraries with like names
    cache.write_bytes(b"glibc-ld.so.cache1.1\0libcuda.so.1\0/usr/lib/libcuda.so.1\0")
    assert present()
    cache.unlink()
    (folder / LIBRARY).write_bytes(b"")
    assert present()
    (folder / LIBRARY).rename(tmp_path / LIBRARY)
    assert not present()
    assert present(LD_LIBRARY_PATH=f"/nowhere::{tmp_path}")


def test_this_machine__agrees_with_the_loader() -> None:
    program = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"
    loads = subprocess.run(
        [sys.executable, "-c", program, LIBRARY], capture_output=True, check=False
    ).returncode
    assert probe_cuda().reason.startswith("no NVIDIA driver library") == bool(loads)
    if loads:
        with pytest.raises(
            EngineUnavailable, match=r"X cannot run here: no NVIDIA .+; use"
        ) as caught:
            check_library("X")
        assert caught.value.exit_code == 2
        assert caught.value.reason == f"no NVIDIA driver library ({LIBRARY}) on this machine"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "{", '{"cuda": "x", "devices": []}', '{"cuda": 1, "devices": [{}]}',
     '{"cuda": 1, "devices": 3}', '{"cuda": 1, "devices": [{"name": "a"}]}'],
)  # fmt: skip
def test_unreadable_answer__is_a_sentence(text: str) -> None:
    assert "answer cannot be read" in read_answer(text).reason


def test_answer_without_devices__is_not_usable() -> None:
    assert read_answer('{"cuda": 13000, "devices": []}').reason == "the driver shows no GPU"


def test_answer__carries_the_kernels_driver() -> None:
    gpu = '{"name": "A", "compute_capability": "8.9", "memory_bytes": 5}'
    found = read_answer(f'{{"cuda": 13000, "devices": [{gpu}]}}', "580.95.05")
    assert found == CudaProbe("", "580.95.05, CUDA 13000", (Gpu("A", "8.9", 5),))


def test_asking__needs_nothing_but_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", cuda_ask.__file__, "/nowhere/libcuda.so.1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "/nowhere/libcuda.so.1" in read_answer(done.stdout).reason
