"""`plumbline data embed`: vectors of the images, for the audit and the price of a split."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from inspection.errors import ConfigError, MissingExtra, UserError
from pipelines.output import Answer, stdout_is_stderr
from pipelines.settings import Settings


def embed(
    index: Path, out: Path, teacher: dict[str, Any], *, seed: int, settings: Settings
) -> Answer:
    """Write the features of every usable image to the folder `out`; what the store knows is not computed again."""
    if find_spec("torch") is None:
        raise MissingExtra("pipeline", "plumbline data embed")
    from pydantic import ValidationError

    from inspection.config import TeacherConfig
    from inspection.data.index import ImageIndex
    from inspection.features.extract import extract_features

    if out.exists() and not (out / "features.json").is_file():
        raise UserError(f"'{out}' exists and holds no features: give a new folder")
    try:
        config = TeacherConfig.model_validate(teacher)
    except ValidationError as error:
        raise ConfigError([f"--{f['loc'][-1]}: {f['msg']}" for f in error.errors()]) from error
    table = ImageIndex.load(index)
    with stdout_is_stderr():
        found = extract_features(table, config, store=settings.store, seed=seed)
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
            f"plumbline data audit {index} --embeddings {out} --page audit.html",
            f"plumbline data split {index} --compare --embeddings {out}",
        ],
    )
