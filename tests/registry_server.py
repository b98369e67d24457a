"""A real `mlflow server` on a real PostgreSQL, on this machine only, gone when its block ends.

PostgreSQL refuses to run as root, so a root's goes to another user, in a folder that this user may enter.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

UNPRIVILEGED = ("postgres", "nobody")
PACKAGED = Path("/usr/lib/postgresql")
"""Where Debian keeps the server's programs, one folder per major version, off the PATH."""
MISSING = (
    "no PostgreSQL: neither on the PATH nor in /usr/lib/postgresql (Debian's package: postgresql)"
)
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
"""No telemetry, and no process for jobs that nobody here starts."""
UP_WITHIN = 300
"""Seconds; MLflow takes ten of a processor that is its own."""


def postgres_programs() -> Path | None:
    """The folder of `initdb` and `postgres`; None without PostgreSQL."""
    found = [*PACKAGED.glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(path.parts[-3])).parent
    here = shutil.which("initdb")
    return Path(here).parent if here else None


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database, as SQLAlchemy wants it."""
    programs = postgres_programs()
    if programs is None:
        raise FileNotFoundError(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="plumbline-postgres-", dir="/tmp"))
    user = _unprivileged()
    if user:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
    port, data = free_port(), folder / "data"
    # Of crashes of the whole machine nothing is claimed here, so it need not wait for the disk.
    make = [programs / "initdb", "-D", data, "-U", "plumbline", "-A", "trust", "-E", "UTF8", "-N"]
    run = [programs / "postgres", "-D", data, "-p", str(port), "-k", folder, "-F"]
    try:
        _as_user(user, make, folder).communicate(timeout=120)
        server = _as_user(user, [*run, "-c", "listen_addresses=127.0.0.1"], folder)
        try:
            _wait_for(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), server)
            yield f"postgresql://plumbline@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def mlflow_server(database: str, folder: Path, workers: int) -> Iterator[str]:
    """The address of a server on `database` that keeps artifacts in `folder` and hands them out itself."""
    address = ("127.0.0.1", str(free_port()))
    command = [sys.executable, "-m", "mlflow", "server", "--host", address[0], "--port", address[1]]
    stores = ["--backend-store-uri", database, "--artifacts-destination", str(folder / "artifacts")]
    said = folder / "server.log"
    folder.mkdir(parents=True, exist_ok=True)
    with said.open("wb") as log:
        server = subprocess.Popen(
            [*command, *stores, "--workers", str(workers)],
            cwd=folder,
            env={**os.environ, **QUIET},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://{':'.join(address)}"
    try:
        _wait_for(lambda: urlopen(f"{url}/health", timeout=5).close(), server, said)
        yield url
    finally:
        _end(server)


@contextlib.contextmanager
def registry_server(workers: int = 1) -> Iterator[str]:
    """Both together: what `PLUMBLINE_TRACKING_URI` names."""
    with (
        tempfile.TemporaryDirectory(prefix="plumbline-mlflow-") as folder,
        postgres() as database,
        mlflow_server(database, Path(folder), workers) as url,
    ):
        yield url


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged() -> str | None:
    if os.getuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(user for user in UNPRIVILEGED if user in known)


def _as_user(user: str | None, command: list[object], folder: Path) -> subprocess.Popen[bytes]:
    group = pwd.getpwnam(user).pw_gid if user else None
    return subprocess.Popen(
        list(map(str, command)),
        user=user,
        group=group,
        extra_groups=[] if user else None,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _wait_for(answer: object, server: subprocess.Popen[bytes], said: Path | None = None) -> None:
    assert callable(answer)
    ends = time.monotonic() + UP_WITHIN
    while True:
        try:
            return answer()
        except (OSError, URLError) as error:
            if server.poll() is not None or time.monotonic() > ends:
                log = said.read_text()[-2000:] if said else ""
                raise RuntimeError(f"a server did not come up: {error}\n{log}") from error
            time.sleep(0.2)


def _end(server: subprocess.Popen[bytes]) -> None:
    """The server and its workers, which stand in a process group of their own."""
    for number in (15, 9):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=20)
            return
