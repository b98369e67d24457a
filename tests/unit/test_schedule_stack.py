"""A schedule as ZenML's own: what can be handed over, and why this machine's stack cannot take it."""

from __future__ import annotations

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
        ({"command": ("run", "line.yaml")}, "`plumbline run` is decided anew each time"),
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
