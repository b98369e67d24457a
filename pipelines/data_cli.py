"""The `plumbline data` commands: what each is called and takes. The `data` extra is enough: no torch, no ZenML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.data_options import (
    Annotations,
    ClassNames,
    Embeddings,
    Force,
    Index,
    Kind,
    LabelPattern,
    OkClass,
    Page,
    Seed,
    Threshold,
    Unlabelled,
)
from pipelines.options import Json
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
    kind: Kind = None,
    ok_class: OkClass = None,
    label_pattern: LabelPattern = None,
    annotations: Annotations = None,
    class_name: ClassNames = None,
    unlabelled: Unlabelled = None,
    mask_threshold: Threshold = 128,
    edits: Annotated[
        list[Path] | None, typer.Option(help="Edits or decisions to apply at once, in order.")
    ] = None,
    force: Force = False,
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
            "unlabelled": unlabelled,
            "mask_threshold": mask_threshold,
        },
        class_names=class_name or [],
        edits=edits or [],
        force=force,
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
    force: Force = False,
    json: Json = False,
) -> Answer:
    """Ask the gate's questions, measure image quality, compare with a profile; exit code 3 when refused."""
    from pipelines.commands.data_check import check_index

    return check_index(index, profile, write_profile, quality=quality, page=page, force=force)


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
    force: Force = False,
    json: Json = False,
) -> Answer:
    """Plan which copies to drop, which images to keep together, and which contradict each other."""
    from pipelines.commands.data_dedupe import plan

    return plan(
        index,
        out,
        page,
        force=force,
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
    pooling: Annotated[
        str,
        typer.Option(
            help="What the vector is: levels, or of a transformer cls, patches or cls+patches."
        ),
    ] = "levels",
    batch_size: Annotated[
        str, typer.Option(help="Images in the network at once, or auto: as many as fit.")
    ] = "32",
    precision: Annotated[
        str, typer.Option(help="float32, or auto: bfloat16 on a GPU that has it.")
    ] = "float32",
    engine: Annotated[
        str, typer.Option(help="local, or ray: on the machines of a Ray cluster (extra: ray).")
    ] = "local",
    pad_same: Annotated[
        bool, typer.Option("--pad-same", help="For weights that come from TensorFlow.")
    ] = False,
    seed: Seed = 7,
    force: Force = False,
    json: Json = False,
) -> Answer:
    """Vectors of every image from a frozen network, for audit and split --compare (extra: pipeline)."""
    from pipelines.commands.data_embed import batch_size_of
    from pipelines.commands.data_embed import embed as embed_index
    from pipelines.settings import settings_here

    teacher = {
        "backbone": backbone,
        "weights": weights,
        "image_size": image_size,
        "pad_same": pad_same,
        "pooling": pooling,
        "batch_size": batch_size_of(batch_size),
        "precision": precision,
        "features_engine": engine,
    }
    return embed_index(index, out, teacher, seed=seed, settings=settings_here(), force=force)


@data_app.command()
def audit(
    index: Index,
    embeddings: Embeddings = None,
    out: Annotated[Path | None, typer.Option(help="Write the queue (JSON).")] = None,
    page: Page = None,
    seed: Seed = 7,
    force: Force = False,
    json: Json = False,
) -> Answer:
    """Which labels, boxes and masks are probably wrong, the costliest first."""
    from pipelines.commands.data_audit import audit_index

    return audit_index(index, embeddings, out, page, seed=seed, force=force)


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
