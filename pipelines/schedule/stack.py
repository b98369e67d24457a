"""A schedule as ZenML's own `Schedule`, for stacks whose orchestrator can keep one (Kubernetes, Airflow …).

Covered: `plumbline monitor` and `plumbline run`, whose runs find their champion, images, moment and folder themselves,
with the config and the weights that were handed over. Not covered: grids and other commands; catching up, locks and
`on_kill`, which are the orchestrator's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.errors import UserError
from pipelines.schedule.plan import Schedule

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.config.schedule import Schedule as ZenSchedule

HANDED_OVER = ("monitor", "run")


def zenml_schedule(schedule: Schedule) -> ZenSchedule:
    """The same times for ZenML, which knows no time zones: UserError where that would change them."""
    from zenml.config.schedule import Schedule as ZenSchedule

    if schedule.zone != "UTC":
        raise UserError(
            f"schedule '{schedule.name}': ZenML's schedules have no time zone and {schedule.zone} would be lost; "
            "add it with --zone UTC"
        )
    if schedule.command[0] not in HANDED_OVER:
        raise UserError(
            f"schedule '{schedule.name}': a stack can keep pipelines ({', '.join(HANDED_OVER)}), not "
            f"`plumbline {schedule.command[0]}`: use plumbline schedule start"
        )
    return ZenSchedule(
        name=schedule.name, cron_expression=schedule.cron, catchup=schedule.missed == "all"
    )


def check_stack(client: Client) -> str:
    """The active stack's name; UserError with the reason when its orchestrator cannot schedule."""
    stack = client.active_stack
    if not stack.orchestrator.config.is_schedulable:
        raise UserError(
            f"the stack '{stack.name}' cannot schedule: its orchestrator '{stack.orchestrator.flavor}' keeps no clock; "
            "use plumbline schedule start, or set a stack that can (.zenml/README.md)"
        )
    return str(stack.name)
