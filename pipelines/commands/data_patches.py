"""`plumbline data patches`: squares around defects, and the pictures with all marks drawn."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.errors import DataError, UserError
from pipelines.commands.target import replaceable, writable
from pipelines.data_options import option
from pipelines.output import Answer, Table, data_command

if TYPE_CHECKING:
    from inspection.data.index import ImageIndex
    from inspection.data.patch_options import PatchOptions


def cut(
    index: Path,
    target: Path,
    pictures: Path | None,
    *,
    seed: int,
    options: Mapping[str, Any],
    force: bool = False,
) -> Answer:
    """Cut patches into `target`; annotated pictures into `pictures` when asked."""
    from inspection.data.annotated import write_annotated
    from inspection.data.index import ImageIndex
    from inspection.data.patches import cut_patches, windows_in

    chosen = _options(options)
    table = ImageIndex.load(index)
    replaced = _check_folders(table, target, pictures, chosen, seed=seed, force=force)
    made = cut_patches(table, chosen, target, seed=seed)
    lines = [f"Cut          {made.patches} patches from {made.images} images"]
    left = {"too small": made.too_small, "over the limit": made.over_limit, **made.skipped}
    lines += [f"Left out     {count} x {why}" for why, count in left.items() if count]
    lines += [f"Replaced     earlier patches in {target}"] if replaced else []
    lines.append(f"Index        {made.folder / 'index.parquet'}")
    if pictures is not None:
        windows, threshold = windows_in(made.folder), options["mask_threshold"]
        drawn = write_annotated(table, pictures, patches=windows, mask_threshold=threshold)
        lines.append(f"Pictures     {drawn.written} in {drawn.folder}")
    page = f"{target.name or 'patches'}.html"
    return Answer(
        document={
            "folder": str(made.folder),
            "patches": made.patches,
            "images": made.images,
            "made": made.made,
            "left_out": left,
            "replaced": replaced,
            "pictures": None if pictures is None else str(pictures),
        },
        table=Table(("class", "patches"), [(k, str(v)) for k, v in sorted(made.made.items())]),
        lines=lines,
        next=[data_command("view", made.folder / "index.parquet", "--page", page)],
    )


def _options(options: Mapping[str, Any]) -> PatchOptions:
    """The options; what is wrong with one is said by the name that the command line has for it."""
    from inspection.data.patch_options import PatchOptions

    try:
        return PatchOptions(**options)
    except DataError as error:
        said = str(error).removeprefix("patches: ")
        for key in options:
            said = said.replace(f"{key} is ", f"{option(key)} is ")
        raise UserError(said.replace("give ok_class", f"give {option('ok_class')}")) from error


def _check_folders(
    table: ImageIndex,
    target: Path,
    pictures: Path | None,
    options: PatchOptions,
    *,
    seed: int,
    force: bool,
) -> bool:
    """Whether earlier patches are replaced; before anything is cut, an error for folders that are not to be."""
    from inspection.data import annotated, patches
    from inspection.data.made_folder import check_target

    writable(check_target(target, table.root, patches.LISTING, patches.KIND))
    why = _other_patches(target / patches.LISTING, table, options, seed)
    replaced = _held(target) and replaceable(target, own=not why, force=force, why=why)
    if pictures is not None:
        writable(check_target(pictures, table.root, annotated.LISTING, annotated.KIND))
        strange = _held(pictures) and _other_pictures(pictures / annotated.LISTING, table)
        why = "holds pictures of other images"
        if strange:
            replaceable(pictures, own=False, force=force, why=why)
        if target.resolve() == pictures.resolve():
            raise UserError(f"'{target}' cannot hold both patches and pictures: give two folders")
    return replaced


def _held(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _other_patches(listing: Path, table: ImageIndex, options: PatchOptions, seed: int) -> str:
    """What tells the patches that are listed there from those to be cut; nothing if they are the same again."""
    said = _listed(listing)
    if said is None:
        return ""
    before, now = said.get("options"), dataclasses.asdict(options)
    if before != now or said.get("seed") != seed:
        changed = [key for key, value in now.items() if (before or {}).get(key) != value]
        names = ", ".join(option(key) for key in changed) or "--seed"
        return f"holds patches that were cut with another {names}"
    known = set(table.frame["path"])
    parents = {told.get("parent") for told in said.get("patches", [])}
    return "" if known & parents else "holds patches of other images"


def _other_pictures(listing: Path, table: ImageIndex) -> bool:
    said = _listed(listing) or {}
    return set(table.frame["path"]).isdisjoint(dict(said.get("shows", {})).values())


def _listed(listing: Path) -> dict[str, Any] | None:
    """What a made folder says of itself; None where it says nothing."""
    try:
        said = json.loads(listing.read_bytes())
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None
