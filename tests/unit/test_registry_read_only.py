"""A store that can only be read, as an auditor gets it: mounted read-only, or without the right to write."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.registry.ledger_server import APPLIED, copy_path, ledger_name
from deploy.registry.promotion import promote
from inspection.store import Store
from pipelines import database
from pipelines.schedule.places import Places
from tests.registry_sites import WHY, Site, empty_database, store

__all__ = ["empty_database", "store"]
pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
ASK = """
import contextlib, io, json, sys
from pipelines.cli import run_command_line
answers = []
for asked in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = run_command_line([*asked, "--json"])
    answers.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
"""


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a store, byte for byte."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def asked(folder: Path, *commands: list[str]) -> list[tuple[int, dict[str, Any], str]]:
    """Exit code, document and stderr of each command on the store in `folder`, which can only be read meanwhile."""
    run = [sys.executable, "-c", ASK, json.dumps(commands)]
    if os.geteuid() == 0:  # whom modes do not stop
        space = ["unshare", "--user", "--map-root-user", "--mount"]
        run = [*space, "sh", "-c", READ_ONLY, str(folder), *run]
        if subprocess.run([*space, "true"], capture_output=True, check=False).returncode:
            pytest.skip("this machine lets nobody mount anything")
    else:
        subprocess.run(["chmod", "-R", "a-w", str(folder)], check=True)
    environment = {**os.environ, "PLUMBLINE_STORE": str(folder), "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            run, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
        )
    finally:
        if os.geteuid() != 0:
            subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    assert done.returncode == 0, done.stderr
    return [(code, json.loads(out), err) for code, out, err in json.loads(done.stdout)]


def test_reading__works_on_a_store_that_can_only_be_read_and_changes_nothing(
    store: Store, tmp_path: Path
) -> None:
    site = Site(store, store, "sqlite")
    for name in ("first", "second"):
        promote(store, site.name, site.registered(tmp_path, name=name).version, WHY)
    # Killed between its ledger entry and its aliases; and this machine's copy has yet to be made.
    site.client.delete_model_version_tag(ledger_name(site.name), "4", APPLIED)
    site.client.set_registered_model_alias(site.name, "champion", "1")
    copy_path(store, site.name).unlink()
    before, page = files(store.root), tmp_path / "status.html"
    config = tmp_path / "line.yaml"
    demo = (ROOT / "configs/demo.yaml").read_text()
    config.write_text(demo.replace("name: demo\n", f"name: {site.name}\n"))
    who, history, models, status, schedules, loop, move = asked(
        store.root,
        ["who", site.name],
        ["history", site.name],
        ["models"],
        ["status", str(config), "--out", str(page)],
        ["schedule", "list"],
        ["loop", "show", str(config)],
        ["promote", site.name, "1", "--reason", "why not"],
    )
    assert [holder["version"] for holder in who[1]["holders"]] == [2]
    assert (history[0], history[1]["strays"], len(history[1]["entries"])) == (0, [], 4)
    assert [version["version"] for version in models[1]["models"]] == [2, 1]
    assert (status[1]["champion"], page.is_file(), schedules[0], loop[0]) == (
        "version 2",
        True,
        0,
        0,
    )
    assert (move[0], len(move[2].splitlines())) == (2, 1)
    assert "give a place that can be written" in move[1]["faults"][0]
    assert files(store.root) == before
    assert site.standing().strays == {}
    assert site.aliases["champion"] == 2  # finished by the first who can


def test_schedules__cannot_be_added_to_a_store_that_can_only_be_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database.os, "access", lambda *_: False)
    book = Places(store).book
    assert book.entries() == []
    with (
        pytest.raises(sqlite3.OperationalError, match="readonly database"),
        database.opened(book.path, "CREATE TABLE IF NOT EXISTS t (x);") as connection,
        database.changing(connection),
    ):
        connection.execute("INSERT INTO t VALUES (1)")
    assert not book.path.parent.exists()
