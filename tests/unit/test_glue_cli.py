"""The command line: light, honest about its exit codes, one document on stdout with --json."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

COMMANDS = (
    *("run", "monitor", "doctor", "report", "runs", "compare", "models", "log", "ui"),
    *("promote", "rollback", "history", "who"),
)
HEAVY = ("torch", "zenml", "mlflow", "pandas", "numpy", "lightning", "matplotlib", "onnxruntime")
CALL = "import sys; from pipelines.entry import main; sys.exit(main())"


def plumbline(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PLUMBLINE_")}
    return subprocess.run(
        [sys.executable, "-c", CALL, *arguments],
        cwd=folder,
        env={**kept, "PLUMBLINE_STORE": str(folder / "store"), "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    shown = plumbline(tmp_path, "--help")
    assert shown.returncode == 0
    assert all(command in shown.stdout for command in COMMANDS)
    assert "Exit codes: 0 done; 1 our fault; 2 yours" in shown.stdout
    assert not (tmp_path / "store").exists()


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    script = f"""
        import sys
        from pipelines.cli import run_command_line
        run_command_line(["run", "--help"])
        print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_takes_json(tmp_path: Path, command: str) -> None:
    shown = plumbline(tmp_path, command, "--help")
    assert shown.returncode == 0
    assert "--json" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rum"], "No such command"),
        (["run"], "Missing argument"),
        (["run", "none.yaml"], "no such config"),
        (["runs", "--last", "0"], "--last"),
        (["monitor", "none.yaml", "log"], "no such config"),
        (["report"], "no report in"),
        (["report", "none"], "no run 'none'"),
        (["compare"], "Missing argument"),
        (["compare", "none"], "no run 'none'"),
        (["log", "none", "out.parquet"], "none"),
        (["ui"], "nothing registered yet"),
        (["promote", "demo", "1"], "Missing option '--reason'"),
        (["promote", "demo", "1", "--reason", "x"], "nothing is registered yet"),
        (["rollback", "demo", "--reason", "x"], "no model 'demo' in the registry"),
        (["history", "demo"], "nothing is registered yet"),
        (["who", "demo"], "nothing is registered yet"),
    ],
)
def test_a_users_mistake_exits_2_and_makes_nothing(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = plumbline(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_config_faults_come_out_as_lines_and_as_one_document(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: demo\ndata: {kind: synthetic}\nseeed: 1\n")
    done = plumbline(tmp_path, "run", "a.yaml", "student.epoch=1", "--json")
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert document["error"] == "ConfigError"
    assert len(document["faults"]) == 2
    assert done.stderr.count("error: ") == 2
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("command", [["runs"], ["models"]])
def test_an_empty_store_is_no_error(tmp_path: Path, command: list[str]) -> None:
    done = plumbline(tmp_path, *command, "--json")
    assert done.returncode == 0, done.stderr
    (rows,) = [value for value in json.loads(done.stdout).values() if value == []]
    assert rows == []
    assert not (tmp_path / "store").exists()


def test_a_fault_of_ours_is_one_line_and_exit_1(tmp_path: Path) -> None:
    script = """
        import sys
        import pipelines.commands.runs as runs
        def broken(*_):
            raise ZeroDivisionError("by zero")
        runs.list_runs = broken
        from pipelines.cli import run_command_line
        sys.exit(run_command_line(["runs"]))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error: ZeroDivisionError: by zero")
    assert "Traceback" not in done.stderr


def test_without_the_extra_it_prints_the_install_command(root: Path, tmp_path: Path) -> None:
    """A Python that sees our code and nothing else."""
    command = [sys.executable, "-S", "-c", CALL, "run"]
    done = subprocess.run(
        command,
        env={"PYTHONPATH": str(root)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install '.[pipeline]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_stdout_carries_the_answer_alone(tmp_path: Path) -> None:
    script = """
        import os
        from pipelines.output import Answer, say, stdout_is_stderr
        with stdout_is_stderr():
            print("chatter")
            os.write(1, b"chatter from C\\n")
        say(Answer({"a": 1}, next=["b"]), as_json=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"a": 1, "next": ["b"], "exit_code": 0}
    assert done.stderr.count("chatter") == 2
