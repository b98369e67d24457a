"""What several `plumbline data` commands take alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inspection.errors import DataError

if TYPE_CHECKING:
    from pydantic import ValidationError

Index = Annotated[
    Path, typer.Argument(metavar="INDEX", help="An index that `plumbline data import` wrote.")
]
Page = Annotated[Path | None, typer.Option("--page", help="Also write this offline HTML page.")]
Seed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, help="For everything that is drawn at random.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace what stands there, whoever wrote it.")
]
Embeddings = Annotated[
    Path | None,
    typer.Option(help="Vectors of the images: .npz, .parquet, or a folder of features."),
]
Kind = Annotated[
    str | None,
    typer.Option(
        help="folder, mask_pairs, voc, coco, yolo, severstal, index_masks, template_pairs or "
        "manifest (default: what the folder looks like)."
    ),
]
LabelPattern = Annotated[
    str | None, typer.Option(help="Regular expression with one group for the label.")
]
Annotations = Annotated[Path | None, typer.Option(help="The annotation file below the folder.")]
ClassNames = Annotated[
    list[str] | None, typer.Option(help="NUMBER=NAME, for formats that have numbers only.")
]
OkClass = Annotated[str | None, typer.Option(help="The label of sound parts.")]
Threshold = Annotated[
    int, typer.Option(min=1, max=255, help="Grey level from which a mask marks a defect.")
]

Unlabelled = Annotated[
    str | None,
    typer.Option(
        help="Folder (or pattern) of images that nobody has labelled: training may learn from them too."
    ),
]

OPTIONS: Mapping[str, str] = {
    "keep_together": "--together",
    "max_per_image": "--per-image",
    "class_names": "--class-name",
    "root": "SOURCE",
    "features_engine": "--engine",
}
"""Keys of configs that the command line calls otherwise; the others are spelt with hyphens."""

OPTION_KEYS = ("annotations", "ok_class", "label_pattern", "class_names", "unlabelled")
"""Keys of `data` that readers name in their messages."""


def option(key: str) -> str:
    """What the command line calls a key of a config."""
    return OPTIONS.get(key, f"--{key.replace('_', '-')}")


def by_option(error: DataError) -> DataError:
    """The error in the words of the command line, where a reader speaks of keys of a config."""
    said = str(error)
    for key in OPTION_KEYS:
        both = f"{option(key)} (data.{key})"
        said = said.replace(both, option(key)).replace(f"data.{key}=", f"{option(key)} ")
        said = said.replace(f"data.{key}", option(key))
    said = said.removeprefix("data.root: ").replace("data.root=", "")
    return type(error)(said.replace("data.root", "the image folder"))


def option_faults(error: ValidationError, *, sections: int = 0) -> list[str]:
    """One line per fault, by the name of its option; `sections` of a config stand before the key."""
    return [f"{option(str(fault['loc'][sections]))}: {fault['msg']}" for fault in error.errors()]
