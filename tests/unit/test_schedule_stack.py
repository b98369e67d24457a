"""A schedule as ZenML's own: what can be handed over, and why this machine's stack cannot take it."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from inspection.errors import UserError
from pipelines.schedule.stack import zenml_schedule
from tests.cli_line import Line
from tests.unit.schedule_material import planned

pytestmark = [pytest.mark.zenml, pytest.mark.process]
MONITOR = ("monitor", "line.yaml", "log")


def test_times_and_catching_up__are_the_same_in_zenml() -> None:
    kept = zenml_schedule(planned("watch", cron="*/15 * * * *", command=MONITOR, missed="all"))
    assert (kept.name, kept.cron_expression, kept.catchup) == ("watch", "*/15 * * * *", True)
    assert not zenml_schedule(planned(command=MONITOR)).catchup


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"command": MONITOR, "zone": "Europe/Berlin"}, "Europe/Berlin would be lost"),
        ({"command": ("loop", "step", "line.yaml", "log")}, "not `plumbline loop`"),
    ],
)
def test_what_zenml_would_change__is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        zenml_schedule(planned(**changes))


@pytest.mark.slow
def test_the_local_stack__says_why_it_cannot(tmp_path: Path) -> None:
    line = Line(tmp_path / "line", "name: tiny\ndata: {kind: synthetic}\n")
    (line.folder / "log").mkdir()
    line.json("schedule", "add", "watch", "--cron", "0 * * * *", "monitor", "line.yaml", "log")
    (fault,) = line.json("schedule", "hand-over", "watch", code=2)["faults"]
    assert "cannot schedule: its orchestrator 'local' keeps no clock" in fault
    assert "plumbline schedule start" in fault
    (listed,) = line.json("schedule", "list")["schedules"]
    assert not listed["paused"]


@pytest.mark.slow
def test_an_orchestrator_that_says_it_keeps_clocks__is_given_the_schedule(tmp_path: Path) -> None:
    """The local one is made to say so; it then runs at once, on a bundle that is none, which is how this ends."""
    line = Line(tmp_path / "line", "name: tiny\ndata: {kind: synthetic}\n")
    for folder in ("log", "bundle"):
        (line.folder / folder).mkdir()
    line.store.mkdir()
    # No launcher waits for such a run: who is told, is told by ZenML's failure hook.
    (line.store / "alerts.yaml").write_text(f"file: {line.folder}/told.jsonl\n")
    command = ["--", "monitor", "line.yaml", "log", "--bundle", "bundle"]
    code, _, err = line.say("schedule", "add", "watch", "--cron", "5 * * * *", *command)
    assert code == 0, err
    script = """
        from pipelines.cli import run_command_line
        from pipelines.launcher.client import open_zenml
        from pipelines.settings import settings_here
        client = open_zenml(settings_here())
        from zenml.orchestrators.local.local_orchestrator import LocalOrchestratorConfig
        LocalOrchestratorConfig.is_schedulable = property(lambda _: True)
        assert run_command_line(["schedule", "hand-over", "watch"]) == 2
        (kept,) = client.list_schedules().items
        print(kept.name, kept.cron_expression, kept.active)
    """
    code, out, err = line.say(door=textwrap.dedent(script))
    assert code == 0, err
    assert out.splitlines()[-1] == "watch 5 * * * * True"
    assert "has no manifest.json" in err
    (told,) = map(json.loads, (line.folder / "told.jsonl").read_text().splitlines())
    assert (told["kind"], told["what"]) == ("failed", "monitor of watch")
    assert "has no manifest.json" in told["sentence"]
