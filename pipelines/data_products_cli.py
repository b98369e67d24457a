"""The `plumbline data` commands around an index: public sets, and what is made of it: patches, exports, pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.data_cli import data_app
from pipelines.data_options import Force, Index, OkClass, Seed, Threshold
from pipelines.options import Json, OpenIt
from pipelines.output import Answer

__all__ = ["data_app"]


@data_app.command()
def patches(
    index: Index,
    target: Annotated[Path, typer.Argument(help="Folder for the patches.")],
    size: Annotated[int, typer.Option(help="Side of a patch file in pixels.")] = 128,
    context: Annotated[float, typer.Option(help="Surroundings, in sides of the defect.")] = 0.5,
    per_image: Annotated[int, typer.Option(help="At most so many from one image.")] = 20,
    min_area: Annotated[float, typer.Option(help="Smallest defect in pixels.")] = 4.0,
    ok_class: OkClass = None,
    ok_per_image: Annotated[int, typer.Option(help="Patches without a defect per image.")] = 0,
    mask_threshold: Threshold = 128,
    seed: Seed = 7,
    pictures: Annotated[
        Path | None, typer.Option(help="Also write the images with all marks drawn, here.")
    ] = None,
    force: Force = False,
    json: Json = False,
) -> Answer:
    """Cut a square patch around every defect; each stays in the group of its image."""
    from pipelines.commands.data_patches import cut

    return cut(
        index,
        target,
        pictures,
        seed=seed,
        force=force,
        options={
            "size": size,
            "context": context,
            "max_per_image": per_image,
            "min_area": min_area,
            "ok_class": ok_class,
            "ok_per_image": ok_per_image,
            "mask_threshold": mask_threshold,
        },
    )


@data_app.command()
def export(
    index: Index,
    target: Annotated[
        Path,
        typer.Argument(
            help="A new .json file (coco), folder (yolo), .csv or .parquet file (manifest)."
        ),
    ],
    to: Annotated[str, typer.Option(help="coco, yolo or manifest.")] = "coco",
    part: Annotated[str | None, typer.Option(help="Only train, val or test.")] = None,
    images: Annotated[
        str,
        typer.Option(help="yolo: link the images into the folder (no room taken), copy, or none."),
    ] = "link",
    mask_threshold: Threshold = 128,
    json: Json = False,
) -> Answer:
    """Write usable images' boxes, masks and labels in another tool's format; counts what it cannot say."""
    from pipelines.commands.data_export import export_index

    return export_index(index, target, to, part, images=images, mask_threshold=mask_threshold)


@data_app.command()
def view(
    index: Index,
    page: Annotated[Path, typer.Option("--page", help="The page to write.")] = Path("view.html"),
    open_it: OpenIt = False,
    mask_threshold: Threshold = 128,
    force: Force = False,
    json: Json = False,
) -> Answer:
    """One offline page with every image, its marks, and filters by class, split and fault."""
    from pipelines.commands.data_view import view_index

    return view_index(index, page, open_it=open_it, mask_threshold=mask_threshold, force=force)


@data_app.command()
def fetch(
    name: Annotated[
        str | None, typer.Argument(metavar="SET", help="Its name (default: list the sets).")
    ] = None,
    folder: Annotated[
        Path | None, typer.Argument(help="A new folder (default: the set's name).")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Fetch it: you have read the terms that were shown.")
    ] = False,
    json: Json = False,
) -> Answer:
    """Download a public data set; without --yes only say from where, how large, under which terms."""
    from pipelines.commands.data_fetch import fetch_set

    return fetch_set(name, folder, yes=yes)
