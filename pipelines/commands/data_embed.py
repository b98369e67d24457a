"""`plumbline data embed`: vectors of the images, for the audit and the price of a split."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.errors import ConfigError, MissingExtra, UserError
from pipelines.commands.target import outside_images, replaceable, writable
from pipelines.data_options import option, option_faults
from pipelines.output import Answer, data_command, stdout_is_stderr
from pipelines.settings import Settings

if TYPE_CHECKING:
    from inspection.data.index import ImageIndex
    from inspection.features.backbone import BackboneInfo


def embed(
    index: Path,
    out: Path,
    teacher: dict[str, Any],
    *,
    seed: int,
    settings: Settings,
    force: bool = False,
) -> Answer:
    """Write the features of every usable image to the folder `out`; what the store knows is not computed again."""
    if find_spec("torch") is None:
        raise MissingExtra("pipeline", "plumbline data embed")
    from pydantic import ValidationError

    from inspection.config import TeacherConfig
    from inspection.data.index import ImageIndex
    from inspection.features.extract import extract_features

    try:
        config = TeacherConfig.model_validate(teacher)
    except ValidationError as error:
        raise ConfigError(option_faults(error)) from error
    table = ImageIndex.load(index)
    earlier = _earlier(outside_images(writable(out), table.root))
    _check_same(out, earlier, teacher, table, force=force)
    with stdout_is_stderr():
        found = extract_features(table, config, store=settings.store, seed=seed)
    _check_weights(out, earlier, found.backbone, force=force)
    found.save(out)
    rows, size = found.matrix.shape
    return Answer(
        document={
            "features": str(out),
            "images": rows,
            "size": size,
            "licence": found.backbone.licence,
        },
        lines=[
            f"Features     {rows} images, {size} numbers each: {out}",
            f"Weights      {found.backbone.name}, licence: {found.backbone.licence}",
        ],
        next=[
            data_command("audit", index, "--embeddings", out, "--page", "audit.html"),
            data_command("split", index, "--compare", "--embeddings", out),
        ],
    )


def _earlier(out: Path) -> dict[str, Any]:
    """What a folder of features says of itself; nothing for a new or empty folder, UserError for any other."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return {}
    try:
        said = json.loads((out / "features.json").read_bytes())
        return {"image_ids": list(said["image_ids"]), **said["backbone"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"'{out}' exists and holds no features: give a new folder") from error


def _check_same(
    out: Path, earlier: dict[str, Any], teacher: dict[str, Any], table: ImageIndex, *, force: bool
) -> None:
    """Features of other settings or other images are not replaced, unless by `force`."""
    if not earlier:
        return
    asked = {"name": teacher["backbone"], **teacher}
    changed = [key for key in ("name", "image_size", "pad_same") if earlier.get(key) != asked[key]]
    names = ", ".join("--backbone" if key == "name" else option(key) for key in changed)
    known = set(table.frame["image_id"])
    other = "" if known & set(earlier["image_ids"]) else "holds features of other images"
    why = f"holds features made with another {names}" if changed else other
    replaceable(out, own=not why, force=force, why=why)


def _check_weights(
    out: Path, earlier: dict[str, Any], backbone: BackboneInfo, *, force: bool
) -> None:
    """Known only now that the network is loaded; what was computed is kept in the store."""
    same = not earlier or earlier.get("weights_digest") == backbone.weights_digest
    replaceable(
        out, own=same, force=force, why="holds features made with other --weights or --seed"
    )
