"""`plumbline keys` as a user meets it: what it answers, what it refuses, and what never shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.edge.cli import main as edge
from pipelines.cli import run_command_line
from tests.edge_bundles import write_bundle

Captured = pytest.CaptureFixture[str]
SECRET = "correct horse battery"


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Any:
    """Run `plumbline keys …` with --json: its document."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_STORE", str(tmp_path / "store"))
    # Set and taken back, so that what a .env puts there goes with the test.
    monkeypatch.setenv("PLUMBLINE_KEY_PASSPHRASE", "")

    def run(*arguments: object, code: int = 0) -> dict[str, Any]:
        found = run_command_line(["keys", *map(str, arguments), "--json"])
        out, err = capsys.readouterr()
        assert found == code, err + out
        assert SECRET not in out + err
        return {**json.loads(out), "stderr": err}

    return run


def test_from_a_new_key_to_a_device_that_runs_the_bundle(keys: Any, tmp_path: Path) -> None:
    made = keys("new", "--name", "line-3")
    assert made["name"] == "line-3"
    assert Path(made["public"]).read_text().startswith("-----BEGIN PUBLIC KEY-----")
    bundle = write_bundle(tmp_path / "bundle")
    device = ["--keys", str(Path(made["public"]).parent)]
    assert edge(["verify", str(bundle), *device]) == 2
    signed = keys("sign", bundle)
    assert signed["signed_by"] == [made["fingerprint"]]
    assert signed["next"] == [f"plumbline-edge verify {bundle} {' '.join(device)}"]
    assert edge(signed["next"][0].split()[1:]) == 0


def test_list__shows_states_and_warns_of_open_files(keys: Any, tmp_path: Path) -> None:
    assert keys("list")["keys"] == []
    assert not (tmp_path / "store").exists()
    for name in ("old", "new"):
        keys("new", "--name", name)
    keys("retire", "old")
    shown = {key["name"]: key for key in keys("list")["keys"]}
    assert (shown["old"]["signs"], shown["old"]["trusted"]) == (False, True)
    assert (shown["new"]["signs"], shown["new"]["trusted"]) == (True, True)
    (tmp_path / "store/keys/private/new.pem").chmod(0o644)
    warned = keys("list")["stderr"]
    assert warned.startswith("warning: private key")
    assert "chmod 600" in warned


def test_list__for_people(keys: Any, capsys: Captured) -> None:
    assert run_command_line(["keys", "list"]) == 0
    assert "exported unsigned" in capsys.readouterr().out
    made = keys("new")
    assert run_command_line(["keys", "list"]) == 0
    out = capsys.readouterr().out
    assert made["fingerprint"] in out
    assert "signs" in out
    assert "trusted" in out


def test_retire__says_what_is_left(keys: Any, capsys: Captured) -> None:
    keys("new", "--name", "old")
    keys("new", "--name", "new")
    assert keys("retire", "old", "--distrust")["signing"] == ["new"]
    assert run_command_line(["keys", "retire", "new"]) == 0
    assert "UNSIGNED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["retire", "none"], "no key 'none'"),
        (["new", "--name", ""], "letters, digits"),
        (["new", "--name", "a/b"], "letters, digits"),
        (["sign", "absent"], "no bundle folder"),
    ],
)
def test_mistakes__are_one_line_and_make_nothing(
    arguments: list[str], says: str, keys: Any, tmp_path: Path
) -> None:
    (fault,) = keys(*arguments, code=2)["faults"]
    assert says in fault
    assert not (tmp_path / "store/keys").exists()


def test_sign_without_a_key__names_the_command(keys: Any, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    (fault,) = keys("sign", bundle, code=2)["faults"]
    assert "plumbline keys new" in fault
    assert not (bundle / "signature.json").exists()


def test_passphrase__from_the_environment_or_a_dotenv_and_never_shown(
    keys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f'PLUMBLINE_KEY_PASSPHRASE="{SECRET}"\n')
    monkeypatch.delenv("PLUMBLINE_KEY_PASSPHRASE")
    made = keys("new")
    assert made["encrypted"]
    assert made["stderr"] == ""
    bundle = write_bundle(tmp_path / "bundle")
    assert keys("sign", bundle)["signed_by"] == [made["fingerprint"]]
    monkeypatch.setenv("PLUMBLINE_KEY_PASSPHRASE", "wrong")
    (fault,) = keys("sign", bundle, code=2)["faults"]
    assert "does not open it" in fault


@pytest.mark.parametrize("grid", ["", "grid: {student.epochs: [1, 2]}\n"])
def test_run_with_a_locked_key__ends_before_its_first_step(
    grid: str, keys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("PLUMBLINE_KEY_PASSPHRASE", SECRET)
    keys("new")
    monkeypatch.setenv("PLUMBLINE_KEY_PASSPHRASE", "")
    (tmp_path / "line.yaml").write_text(f"name: tiny\ndata: {{kind: synthetic}}\n{grid}")
    assert run_command_line(["run", "line.yaml"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "has a passphrase: set PLUMBLINE_KEY_PASSPHRASE" in said[-1]
    assert not (tmp_path / "store/runs").exists()
    assert not (tmp_path / "store/zenml").exists()


def test_help__imports_nothing_heavy() -> None:
    script = (
        "import sys; from pipelines.cli import run_command_line\n"
        "run_command_line(['keys', '--help']); run_command_line(['keys', 'new', '--help'])\n"
        "heavy = {'numpy', 'cv2', 'torch', 'zenml', 'cryptography', 'onnxruntime'}\n"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "PLUMBLINE_KEY_PASSPHRASE" in done.stdout
