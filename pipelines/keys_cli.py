"""The `plumbline keys` commands: who signs the bundles that devices accept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.options import Json
from pipelines.output import Answer
from pipelines.settings import settings_here

EPILOG = (
    "Exported bundles are signed by every key that signs; a store without keys exports unsigned bundles. A passphrase "
    "is read from PLUMBLINE_KEY_PASSPHRASE, never from the command line."
)

keys_app = typer.Typer(
    help="Keys that sign bundles: make, list, retire; sign a bundle.",
    epilog=EPILOG,
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A key's name, as listed.")]


@keys_app.command()
def new(
    name: Annotated[str | None, typer.Option(help="Its name (default: key-1, key-2 …).")] = None,
    json: Json = False,
) -> Answer:
    """Make a key pair in the store; every bundle exported from now on is signed by it too."""
    from pipelines.commands.keys import make_key

    return make_key(name, settings_here())


@keys_app.command("list")
def list_(json: Json = False) -> Answer:
    """The keys with their fingerprints: which sign, which are trusted."""
    from pipelines.commands.keys import show_keys

    return show_keys(settings_here())


@keys_app.command()
def retire(
    name: Name,
    distrust: Annotated[
        bool,
        typer.Option("--distrust", help="Also take its .pub out of the folder that devices get."),
    ] = False,
    json: Json = False,
) -> Answer:
    """Sign with this key no more; nothing is deleted."""
    from pipelines.commands.keys import retire_named

    return retire_named(name, settings_here(), distrust=distrust)


@keys_app.command()
def sign(
    bundle: Annotated[Path, typer.Argument(help="Folder of a finished bundle.")],
    json: Json = False,
) -> Answer:
    """Add the signatures of the signing keys to a bundle; its digest stays."""
    from pipelines.commands.keys import sign_folder

    return sign_folder(bundle, settings_here())
