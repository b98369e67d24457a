"""The `plumbline data` commands: what each is called and takes. The `data` extra is enough: no torch, no ZenML."""

# ruff: noqa: ARG001 - `--json` is read from the arguments, because errors must obey it too

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.data_options import Embeddings, Index, Json, OkClass, Page, Seed, Threshold
from pipelines.output import Answer

EPILOG = (
    "An index is a Parquet file of what is known about each image. Nothing here changes an image. "
    "What dedupe, split and audit find becomes part of the index by `apply` only, and `revert` takes it back."
)

data_app = typer.Typer(
    help="Images and what is said of them: read, check, deduplicate, split, audit, cut, export, look at.",
    epilog=EPILOG,
    no_args_is_help=True,
)


@data_app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="Folder of the images.")],
    out: Annotated[Path, typer.Option(help="The index to write.")] = Path("index.parquet"),
    kind: Annotated[
        str | None,
        typer.Option(
            help="folder, mask_pairs, voc, coco, yolo, severstal, index_masks, template_pairs or "
            "manifest (default: what the folder looks like)."
        ),
    ] = None,
    ok_class: OkClass = None,
    label_pattern: Annotated[
        str | None, typer.Option(help="Regular expression with one group for the label.")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="The annotation file below the folder.")
    ] = None,
    class_name: Annotated[
        list[str] | None, typer.Option(help="NUMBER=NAME, for formats that have numbers only.")
    ] = None,
    mask_threshold: Threshold = 128,
    edits: Annotated[
        list[Path] | None, typer.Option(help="Edits or decisions to apply at once, in order.")
    ] = None,
    json: Json = False,
) -> Answer:
    """Read a folder of images in any of nine formats into an index; bad files are set aside with a reason."""
    from pipelines.commands.data_import import import_images

    return import_images(
        source,
        out,
        kind=kind,
        settings={
            "ok_class": ok_class,
            "label_pattern": label_pattern,
            "annotations": annotations,
            "mask_threshold": mask_threshold,
        },
        class_names=class_name or [],
        edits=edits or [],
    )


@data_app.command()
def check(
    index: Index,
    profile: Annotated[
        Path | None, typer.Option(help="Hold the index against this reviewed profile.")
    ] = None,
    write_profile: Annotated[
        Path | None, typer.Option(help="Write a profile of this index, to be reviewed.")
    ] = None,
    quality: Annotated[
        bool, typer.Option("--quality/--no-quality", help="Also measure every image.")
    ] = True,
    page: Page = None,
    json: Json = False,
) -> Answer:
    """Ask the gate's questions, measure image quality, compare with a profile; exit code 3 when refused."""
    from pipelines.commands.data_check import check_index

    return check_index(index, profile, write_profile, quality=quality, page=page)


@data_app.command()
def dedupe(
    index: Index,
    out: Annotated[Path | None, typer.Option(help="The plan to write (JSON).")] = None,
    radius: Annotated[
        int, typer.Option(min=0, max=20, help="Bits of 64 in which copies' hashes may differ.")
    ] = 10,
    symmetries: Annotated[
        bool, typer.Option("--symmetries", help="Also find mirrored and turned copies.")
    ] = False,
    smallest_defect: Annotated[
        float,
        typer.Option(min=1, max=255, help="Grey levels of the faintest 2 px scratch to be kept."),
    ] = 20.0,
    mask_threshold: Threshold = 128,
    page: Page = None,
    json: Json = False,
) -> Answer:
    """Plan which copies to drop, which images to keep together, and which contradict each other."""
    from pipelines.commands.data_dedupe import plan

    return plan(
        index,
        out,
        page,
        options={
            "radius": radius,
            "symmetries": symmetries,
            "smallest_defect": smallest_defect,
            "mask_threshold": mask_threshold,
        },
    )


@data_app.command()
def split(
    index: Index,
    test: Annotated[float, typer.Option(help="Share of the test set.")] = 0.25,
    val: Annotated[float, typer.Option(help="Share of the validation set.")] = 0.15,
    seed: Seed = 7,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Take the split the data came with: folders train, val, test, or a column.",
        ),
    ] = False,
    together: Annotated[
        list[str] | None,
        typer.Option(help="session, camera, line or folder: whose images stay in one split."),
    ] = None,
    part_pattern: Annotated[
        str | None, typer.Option(help="Regular expression with one group: the part's id in a path.")
    ] = None,
    symmetries: Annotated[
        bool, typer.Option("--symmetries", help="Mirrored and turned copies leak as well.")
    ] = False,
    max_leak_rate: Annotated[
        float, typer.Option(help="Share of a split that may have a copy in another.")
    ] = 0.0,
    audit: Annotated[
        bool, typer.Option("--audit", help="Do not split: look for leaks in the split there is.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="What a random split would have promised.")
    ] = False,
    embeddings: Embeddings = None,
    json: Json = False,
) -> Answer:
    """Split whole groups into train, val and test; or audit a split that is there (exit code 3 on leaks)."""
    from pipelines.commands.data_split import audit_split_of, split_index

    settings = {
        "test": test,
        "val": val,
        "keep": keep,
        "keep_together": together or [],
        "part_pattern": part_pattern,
        "symmetries": symmetries,
        "max_leak_rate": max_leak_rate,
    }
    if audit:
        return audit_split_of(index, settings)
    return split_index(index, settings, seed=seed, embeddings=embeddings, compare=compare)


@data_app.command()
def embed(
    index: Index,
    out: Annotated[Path, typer.Argument(help="Folder for the features.")] = Path("features"),
    backbone: Annotated[str, typer.Option(help="Any timm network.")] = "resnet18",
    weights: Annotated[str, typer.Option(help="hub, none, or a .safetensors file.")] = "none",
    image_size: Annotated[int, typer.Option(help="Side to which images are scaled.")] = 224,
    pad_same: Annotated[
        bool, typer.Option("--pad-same", help="For weights that come from TensorFlow.")
    ] = False,
    seed: Seed = 7,
    json: Json = False,
) -> Answer:
    """Vectors of every image from a frozen network, for audit and split --compare (extra: pipeline)."""
    from pipelines.commands.data_embed import embed as embed_index
    from pipelines.settings import settings_here

    teacher = {
        "backbone": backbone,
        "weights": weights,
        "image_size": image_size,
        "pad_same": pad_same,
    }
    return embed_index(index, out, teacher, seed=seed, settings=settings_here())


@data_app.command()
def audit(
    index: Index,
    embeddings: Embeddings = None,
    out: Annotated[Path | None, typer.Option(help="Write the queue (JSON).")] = None,
    page: Page = None,
    seed: Seed = 7,
    json: Json = False,
) -> Answer:
    """Which labels, boxes and masks are probably wrong, the costliest first."""
    from pipelines.commands.data_audit import audit_index

    return audit_index(index, embeddings, out, page, seed=seed)


@data_app.command()
def apply(
    index: Index,
    edits: Annotated[Path, typer.Argument(help="A plan, edits, or decisions of an audit.")],
    json: Json = False,
) -> Answer:
    """Carry out a plan or decisions on the index; the images stay as they are."""
    from pipelines.commands.data_edits import apply_file

    return apply_file(index, edits)


@data_app.command()
def revert(index: Index, json: Json = False) -> Answer:
    """Take back what was applied last: the index becomes what it was, byte for byte."""
    from pipelines.commands.data_edits import revert_last

    return revert_last(index)


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
    json: Json = False,
) -> Answer:
    """Cut a square patch around every defect; each stays in the group of its image."""
    from pipelines.commands.data_make import cut

    return cut(
        index,
        target,
        pictures,
        seed=seed,
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
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    mask_threshold: Threshold = 128,
    json: Json = False,
) -> Answer:
    """One offline page with every image, its marks, and filters by class, split and fault."""
    from pipelines.commands.data_make import view_index

    return view_index(index, page, open_it=open_it, mask_threshold=mask_threshold)
