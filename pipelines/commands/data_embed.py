"""`plumbline data embed`: vectors of the images, for the audit and the price of a split."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.errors import ConfigError, MissingExtra, UserError, WeightsError
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

    from inspection.data.index import ImageIndex
    from inspection.features.extract import extract_features
    from inspection.learning_config import TeacherConfig

    try:
        config = TeacherConfig.model_validate(teacher)
    except ValidationError as error:
        raise ConfigError(option_faults(error)) from error
    table = ImageIndex.load(index)
    earlier = _earlier(outside_images(writable(out), table.root))
    _check_same(out, earlier, teacher, table, force=force)
    with stdout_is_stderr(), _by_option():
        found = extract_features(table, config, store=settings.store, seed=seed)
    _check_weights(out, earlier, found.backbone, force=force)
    found.save(out)
    rows, size = found.matrix.shape
    return Answer(
        document={
            "features": str(out),
            "images": rows,
            "size": size,
            "pooling": found.backbone.pooling,
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


def batch_size_of(text: str) -> int | str:
    """A number, or `auto`; UserError for anything else."""
    if text != "auto" and not (text.isdecimal() and int(text) > 0):
        raise UserError(f"--batch-size {text}: give a number from 1, or auto")
    return text if text == "auto" else int(text)


@contextmanager
def _by_option() -> Iterator[None]:
    """What the network refuses, in the words of the command line."""
    try:
        yield
    except MissingExtra as error:
        raise MissingExtra(error.extra, "plumbline data embed --engine ray") from error
    except WeightsError as error:
        said = re.sub(r"set teacher\.(\w+)(=| to )", _given, str(error))
        said = re.sub(r"teacher\.(\w+)(=?)", _given, said)
        raise WeightsError(said) from error


def _given(found: re.Match[str]) -> str:
    """`set teacher.x=1` as `give --x 1`."""
    start = "give " if found[0].startswith("set ") else ""
    return f"{start}{option(found[1])}{' ' * bool(found[2])}"


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
    changed += [] if _same_vector(earlier, teacher["pooling"]) else ["pooling"]
    names = ", ".join("--backbone" if key == "name" else option(key) for key in changed)
    known = set(table.frame["image_id"])
    other = "" if known & set(earlier["image_ids"]) else "holds features of other images"
    why = f"holds features made with another {names}" if changed else other
    replaceable(out, own=not why, force=force, why=why)


def _same_vector(earlier: dict[str, Any], pooling: str) -> bool:
    """Whether features are of this pooling; those from before there was a choice are of `levels`."""
    from inspection.features.backbone import BFLOAT16
    from inspection.features.pooling import RECIPES

    told = str(earlier.get("pooling", RECIPES["levels"]))
    return told.removesuffix(BFLOAT16) == RECIPES[pooling]


def _check_weights(
    out: Path, earlier: dict[str, Any], backbone: BackboneInfo, *, force: bool
) -> None:
    """Known only now that the network is loaded; what was computed is kept in the store."""
    kept = earlier.get("pooling", backbone.pooling)
    if kept != backbone.pooling:
        why = "holds features of another arithmetic, give --precision as then"
        replaceable(out, own=False, force=force, why=why)
    same = not earlier or earlier.get("weights_digest") == backbone.weights_digest
    replaceable(
        out, own=same, force=force, why="holds features made with other --weights or --seed"
    )
