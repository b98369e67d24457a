"""`plumbline schedule` as a user meets it: what it takes, what it refuses, and the texts it writes."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import run_command_line
from pipelines.schedule.keeper import PLUMBLINE
from pipelines.schedule.places import taken
from pipelines.schedule.unit import cron_line, systemd_unit
from tests.unit.schedule_material import places_in, planned, wait_until

Captured = pytest.CaptureFixture[str]
HOURLY = ["--cron", "0 * * * *"]


@pytest.fixture
def schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Any:
    """Run `plumbline schedule …`: what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_STORE", str(tmp_path / "store"))
    (tmp_path / "line.yaml").write_text("name: tiny\ndata: {kind: synthetic}\n")
    (tmp_path / "grid.yaml").write_text(
        "name: tiny\ndata: {kind: synthetic}\ngrid: {student.epochs: [1, 2]}\n"
    )

    def run(*arguments: object, code: int = 0) -> dict[str, Any]:
        found = run_command_line(["schedule", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert found == code, err + out
        return {"stdout": out, "stderr": err}

    return run


def document(schedule: Any, verb: str, *arguments: object, code: int = 0) -> dict[str, Any]:
    """With --json before the arguments, where no command of a schedule takes it for its own."""
    said = schedule(verb, "--json", *arguments, code=code)
    found: dict[str, Any] = json.loads(said["stdout"])
    return found


@pytest.mark.parametrize(
    "command",
    [
        ["run", "line.yaml", "student.epochs=3"],
        ["run", "grid.yaml"],
        ["run", "line.yaml", "--fresh"],
        ["--", "run", "line.yaml", "--fresh"],
        ["export", "line.yaml"],
        ["monitor", "line.yaml", "."],
        ["data", "import", "."],
        ["recipes"],
    ],
)
def test_any_command_that_ends_can_be_entered(schedule: Any, command: list[str]) -> None:
    made = document(schedule, "add", "x", *HOURLY, *command)
    assert made["command"] == [word for word in command if word != "--"]
    (listed,) = document(schedule, "list")["schedules"]
    assert (listed["name"], listed["paused"], listed["last"]) == ("x", False, [])
    assert datetime.fromisoformat(listed["next_due"]) > datetime.now(UTC)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["x", "--cron", "* * * *", "recipes"], "cron '* * * *': has 4 fields"),
        (["x", "--cron", "99 * * * *", "recipes"], "wrong minute"),
        (["x", *HOURLY, "--zone", "Europe/Berln", "recipes"], "did you mean 'Europe/Berlin'"),
        (["x", *HOURLY, "rn", "line.yaml"], "unknown command 'rn': did you mean 'run'?"),
        (["x", *HOURLY, "data", "imprt", "."], "unknown command 'imprt': did you mean 'import'?"),
        (["x", *HOURLY, "data"], "unknown command ''"),
        (["x", *HOURLY, "run", "nothere.yaml"], "nothere.yaml: no such config"),
        (["x", *HOURLY, "run", "line.yaml", "student.epoch=3"], "did you mean 'epochs'?"),
        (["x", *HOURLY, "run", "grid.yaml", "grid.student.epochs=7"], "grid"),
        (["x", *HOURLY, "run", "line.yaml", "--frsh"], "No such option: --frsh"),
        (["x", *HOURLY, "run"], "Missing argument 'CONFIG'"),
        (["x", *HOURLY, "monitor", "line.yaml", "no-log"], "there is no folder 'no-log'"),
        (["x", *HOURLY, "ui"], "'plumbline ui' cannot be scheduled: it serves pages"),
        (["x", *HOURLY, "drift", "ui"], "'plumbline drift ui' cannot be scheduled"),
        (["x", "--cron", "*/90 * * * *", "recipes"], "minute step 90 is longer than an hour"),
        (["x", *HOURLY, "schedule", "start"], "the scheduler does not start itself"),
        (["x", *HOURLY, "--missed", "some", "recipes"], "missed: input should be 'one'"),
        (["x", *HOURLY, "--on-kill", "cry", "recipes"], "on_kill: input should be"),
        (["x", *HOURLY, "--grace", "5", "recipes"], "write a duration"),
        (["x", *HOURLY, "--limit", "0", "recipes"], "limit: input should be greater"),
        (["a b", *HOURLY, "recipes"], "name: write up to 40 letters a to z, digits"),
        (["../x", *HOURLY, "recipes"], "name: write up to 40 letters a to z, digits"),
        (["${x}", *HOURLY, "recipes"], "such as 'night-shift', got '${x}'"),
        (["x", *HOURLY, "--lock", "é", "recipes"], "lock: write up to 40 letters"),
    ],
)
def test_mistakes__are_a_sentence_and_make_nothing(
    schedule: Any, arguments: list[str], says: str, tmp_path: Path
) -> None:
    said = schedule("add", *arguments, code=2)
    assert says in said["stderr"]
    assert all(line.startswith("error: ") for line in said["stderr"].splitlines())
    assert not (tmp_path / "store").exists()


def test_a_name_that_is_taken_and_names_that_are_not_there(schedule: Any) -> None:
    schedule("add", "nightly", *HOURLY, "recipes")
    said = schedule("add", "nightly", *HOURLY, "recipes", code=2)
    assert "schedule 'nightly' is there already" in said["stderr"]
    for verb in ("pause", "resume", "remove", "run-now", "simulate", "status"):
        assert "did you mean 'nightly'?" in schedule(verb, "nightl", code=2)["stderr"]


def test_pause_resume_remove(schedule: Any) -> None:
    schedule("add", "x", *HOURLY, "recipes")
    assert document(schedule, "pause", "x")["paused"]
    (listed,) = document(schedule, "list")["schedules"]
    assert (listed["paused"], listed["next_due"]) == (True, None)
    assert not document(schedule, "resume", "x")["paused"]
    document(schedule, "remove", "x")
    assert document(schedule, "list")["schedules"] == []


def test_simulate__every_firing_in_order_with_what_the_clocks_do(schedule: Any) -> None:
    schedule("add", "night", "--cron", "30 2 * * *", "--zone", "Europe/Berlin", "recipes")
    schedule("add", "rhythm", "--cron", "0 */6 * * *", "recipes")
    found = document(schedule, "simulate", "--from", "2026-10-24T12:00", "--to", "2026-10-26")
    shown = [(one["due"][5:16], one["schedule"], one["note"]) for one in found["firings"]]
    assert shown == [
        ("10-24T18:00", "rhythm", ""),
        ("10-25T00:00", "rhythm", ""),
        ("10-25T00:30", "night", "02:30 comes twice: fires the first time"),
        ("10-25T06:00", "rhythm", ""),
        ("10-25T12:00", "rhythm", ""),
        ("10-25T18:00", "rhythm", ""),
        ("10-26T00:00", "rhythm", ""),
    ]
    only = document(schedule, "simulate", "night", "--from", "2026-03-28", "--to", "2026-03-30")
    assert [one["note"] for one in only["firings"]] == [
        "",
        "02:30 is skipped: fires when the clocks go forward",
    ]
    for words, says in (
        (["--from", "tomorrow"], "'tomorrow' is no day"),
        (["--from", "2026-01-02", "--to", "2026-01-01"], "must come after"),
        (["--from", "2026-01-02", "--to", "2126-01-01"], "ten years"),
    ):
        assert says in schedule("simulate", *words, code=2)["stderr"]


def test_simulate_without_a_schedule__says_how_to_add_one(schedule: Any) -> None:
    assert "plumbline schedule add" in schedule("simulate", code=2)["stderr"]


@pytest.mark.process
def test_run_now__gives_the_commands_own_code_and_log(schedule: Any, tmp_path: Path) -> None:
    schedule("add", "good", *HOURLY, "recipes")
    made = document(schedule, "run-now", "good")
    assert (made["status"], made["exit_code_of_command"]) == ("done", 0)
    assert "recipe" in Path(made["log"]).read_text()
    schedule("add", "bad", *HOURLY, "run", "line.yaml")
    (tmp_path / "line.yaml").write_text("nam: tiny\n")  # broken since
    made = document(schedule, "run-now", "bad", code=2)
    assert made["status"] == "failed"
    assert "did you mean 'name'?" in made["sentence"] or "line.yaml" in made["sentence"]
    shown = document(schedule, "status")
    assert [one["status"] for one in shown["firings"]] == ["done", "failed"]
    assert schedule("status")["stdout"].count("run-now, by hand") == 2
    assert not shown["at_work"]
    with taken(places_in(tmp_path).at_work, fcntl.LOCK_SH):
        assert document(schedule, "status")["at_work"]


@pytest.mark.process
def test_run_now_under_a_lock_that_is_taken__waits_in_line(schedule: Any, tmp_path: Path) -> None:
    schedule("add", "x", *HOURLY, "--lock", "gpu", "recipes")
    lock = tmp_path / "store/schedule/locks/gpu.lock"
    with taken(lock, fcntl.LOCK_EX):
        assert document(schedule, "run-now", "x")["status"] == "claimed"
    assert document(schedule, "start", "--once")["started"] == 1


@pytest.mark.process
def test_start_once__fires_what_is_due(schedule: Any, tmp_path: Path) -> None:
    places = places_in(tmp_path)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    places.book.add(planned(folder=tmp_path), yesterday)
    assert document(schedule, "start", "--once")["started"] == 1
    firing = places.book.history(1)[0]
    wait_until(lambda: places.book.firing(firing.id).status == "done")
    skipped, fired = document(schedule, "status")["firings"]
    assert skipped["status"].startswith("skipped (2")
    assert fired["status"] == "done"


def test_a_clock_that_was_put_back__is_told_with_the_way_out(schedule: Any, tmp_path: Path) -> None:
    ahead = datetime.now(UTC) + timedelta(days=400)
    places_in(tmp_path).book.add(planned(), ahead)
    (said, *_) = [w for w in document(schedule, "status")["warnings"] if "clock" in w]
    assert "plumbline schedule resume line" in said
    document(schedule, "resume", "line")
    assert not [w for w in document(schedule, "status")["warnings"] if "clock" in w]


def test_unit__one_of_both(schedule: Any) -> None:
    assert "--systemd" in schedule("unit", code=2)["stderr"]
    text = document(schedule, "unit", "--systemd")["text"]
    assert f"WorkingDirectory={Path.cwd()}" in text
    assert f"Environment=PLUMBLINE_STORE={Path.cwd()}/store" in text
    assert f"ExecStart={sys.executable} -P -m pipelines.entry schedule start\n" in text
    assert "WantedBy=default.target" in text
    assert "multi-user.target" in document(schedule, "unit", "--systemd", "--system")["text"]


def test_unit__never_holds_a_secret(schedule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_KEY_PASSPHRASE", "correct horse")
    for kind in ("--systemd", "--cron"):
        said = schedule("unit", kind)
        assert "correct horse" not in said["stdout"] + said["stderr"]
        assert "PLUMBLINE_KEY_PASSPHRASE: not written here" in said["stderr"]


ODD = 'odd "folder" 100% of $HOME'


@pytest.mark.process
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd__takes_the_unit_with_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    text = systemd_unit(PLUMBLINE, folder, {"PLUMBLINE_STORE": str(folder / "store")}, user=False)
    unit = tmp_path / "plumbline.service"
    unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "plumbline" in line]
    assert not ours, ours


@pytest.mark.process
def test_the_cron_line__is_what_a_shell_runs(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    show = (
        sys.executable,
        "-c",
        "import os, sys; print([os.getcwd(), os.environ['A'], *sys.argv[1:]])",
    )
    line = cron_line(show, folder, {"A": "50% 'off'"})
    assert line.startswith("* * * * * ")
    command = line.removeprefix("* * * * * ").replace(r"\%", "%")  # what cron makes of it
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout.strip() == str([str(folder), "50% 'off'", "schedule", "start", "--once"])


def test_help__imports_nothing_heavy() -> None:
    script = (
        "import sys; from pipelines.cli import run_command_line\n"
        "run_command_line(['schedule', '--help']); run_command_line(['alerts', '--help'])\n"
        "heavy = {'numpy', 'cv2', 'torch', 'zenml', 'cronsim', 'sqlite3', 'smtplib'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
