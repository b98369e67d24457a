"""What several `plumbline data` commands take alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Index = Annotated[
    Path, typer.Argument(metavar="INDEX", help="An index that `plumbline data import` wrote.")
]
Page = Annotated[Path | None, typer.Option("--page", help="Also write this offline HTML page.")]
Seed = Annotated[int, typer.Option(min=0, help="For everything that is drawn at random.")]
Embeddings = Annotated[
    Path | None,
    typer.Option(help="Vectors of the images: .npz, .parquet, or a folder of features."),
]
OkClass = Annotated[str | None, typer.Option(help="The label of sound parts.")]
Threshold = Annotated[
    int, typer.Option(min=1, max=255, help="Grey level from which a mask marks a defect.")
]
