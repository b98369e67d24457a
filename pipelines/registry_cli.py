"""`plumbline promote | rollback | history | who`: which model is champion, since when, by whom, and the way back."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.options import Json
from pipelines.output import Answer
from pipelines.settings import settings_here, utc_now

registry_app = typer.Typer()

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model's name, as listed by models.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
Who = Annotated[str | None, typer.Option(help="Who moves it (default: user@machine).")]
Expect = Annotated[
    int | None, typer.Option(metavar="VERSION", help="Only if this version holds the alias now.")
]


@registry_app.command()
def promote(
    name: Name,
    version: Annotated[
        int, typer.Argument(min=1, max=2**31 - 1, metavar="VERSION", help="As listed by models.")
    ],
    reason: Reason,
    to: Annotated[str, typer.Option(help="champion, challenger or shadow.")] = "champion",
    who: Who = None,
    expect: Expect = None,
    force: Annotated[
        bool, typer.Option("--force", help="Though the gate refused it, or was never asked.")
    ] = False,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt", help="First accept aliases and a ledger that were changed outside Plumbline."
        ),
    ] = False,
    json: Json = False,
) -> Answer:
    """Give an alias to a registered version: all or nothing, and in the ledger."""
    from pipelines.commands.promote import promote_version

    return promote_version(
        name,
        version,
        to,
        reason=reason,
        who=who,
        expect=expect,
        force=force,
        adopt=adopt,
        settings=settings_here(),
        now=utc_now,
    )


@registry_app.command()
def rollback(
    name: Name, reason: Reason, who: Who = None, expect: Expect = None, json: Json = False
) -> Answer:
    """Back to the champion before: model, thresholds and drift reference in one step."""
    from pipelines.commands.promote import roll_back_to_last

    return roll_back_to_last(
        name, reason=reason, who=who, expect=expect, settings=settings_here(), now=utc_now
    )


@registry_app.command()
def history(
    name: Name,
    last: Annotated[int, typer.Option(min=1, help="How many moves.")] = 20,
    json: Json = False,
) -> Answer:
    """Every move of the aliases, by whom and why; exit code 3 when the ledger or an alias was changed by hand."""
    from pipelines.commands.history import show_history

    return show_history(name, last, settings=settings_here(), now=utc_now())


@registry_app.command()
def who(
    name: Name,
    on: Annotated[
        str | None,
        typer.Option(
            help="2026-01-31, or 2026-01-31T14:30+01:00: all who held it then (default: now)."
        ),
    ] = None,
    alias: Annotated[str, typer.Option(help="Any alias in the ledger.")] = "champion",
    json: Json = False,
) -> Answer:
    """Who was champion on a day, or at a moment; without an offset in this machine's time zone."""
    from pipelines.commands.history import show_holder

    return show_holder(name, on, alias, settings=settings_here(), now=utc_now())
