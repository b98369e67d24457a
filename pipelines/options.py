"""What commands of several groups take alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Config = Annotated[Path, typer.Argument(help="A YAML of configs/.", metavar="CONFIG")]
DeviceLog = Annotated[Path, typer.Argument(help="Folder of the device's prediction log.")]
PageFile = Annotated[Path, typer.Option(help="The page to write.")]
OpenIt = Annotated[bool, typer.Option("--open", help="Open it in the browser.")]
Port = Annotated[int, typer.Option(min=1024, max=65535)]
