"""Files are whole or absent: after an exception, a full disk, a kill."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.edge.files import (
    canonical_json,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_json,
    written_aside,
)


def test_failed_block__leaves_the_old_file_and_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "table.bin"
    write_bytes(path, b"old")

    def spoil() -> None:
        with written_aside(path) as aside:
            aside.write_bytes(b"half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spoil()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write__makes_the_folder_and_a_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "value.json"
    write_json(path, {"b": "grün", "a": 1})
    assert json.loads(path.read_text()) == {"a": 1, "b": "grün"}
    assert path.stat().st_mode & 0o777 == 0o644
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, float("nan"))
    assert json.loads(path.read_text())["a"] == 1


def test_hashes(tmp_path: Path) -> None:
    path = tmp_path / "data"
    write_bytes(path, b"abc" * 100_000)
    expected = hashlib.sha256(b"abc" * 100_000).hexdigest()
    assert sha256_file(path) == sha256_bytes(path.read_bytes()) == expected
    assert canonical_json({"b": [1, 2.5], "a": None}) == b'{"a":null,"b":[1,2.5]}'


FULL_DISK = """
import resource, sys
from pathlib import Path
from deploy.edge.files import write_bytes

resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_bytes(Path(sys.argv[1]), bytes(20_000))
except OSError as error:
    print(error)
"""


def test_full_disk__leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_bytes(path, b"old")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True
    )
    assert "too large" in done.stdout
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import sys
from pathlib import Path
from deploy.edge.files import write_bytes

n = 0
while True:
    write_bytes(Path(sys.argv[1]), bytes([n % 256]) * 300_000)
    n += 1
    if n == 1:
        print("writing", flush=True)
"""


def test_kill__leaves_one_whole_version(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for kill in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        time.sleep(0.004 * kill)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        data = path.read_bytes()
        assert len(data) == 300_000
        assert len(set(data)) == 1
