"""`plumbline data export`: an index in another tool's format, in a place where nothing is yet."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.errors import UserError
from pipelines.commands.target import outside_images, writable
from pipelines.output import Answer
from pipelines.settings import nearest

if TYPE_CHECKING:
    from inspection.data.export import Written
    from inspection.data.export_yolo import YoloFolder
    from inspection.data.index import ImageIndex

FORMATS = {"coco": (".json",), "yolo": (), "manifest": (".csv", ".parquet")}
PARTS = ("train", "val", "test")


def export_index(
    index: Path, target: Path, to: str, part: str | None, *, images: str, mask_threshold: int
) -> Answer:
    """Write the usable images of the index, or of one split of it, in another format."""
    from inspection.data.index import ImageIndex

    _check_words(target, to, part, images)
    table = ImageIndex.load(index)
    check_new(target, index, table.root, to)
    chosen = _chosen(table, index, part)
    try:
        written = _write(chosen, target, to, images, mask_threshold)
    except OSError as error:
        raise UserError(
            f"'{target}' cannot be written ({error.strerror or error}): "
            "give a path on a disk with room, where you may write"
        ) from error
    written = _noted(written, chosen, to)
    lines = [f"Wrote {written.images} images as {to}: {target}"]
    marks = ", ".join(f"{count} {label}" for label, count in written.objects.items())
    lines += [f"Objects      {marks}"] if marks else []
    told, following = _about(written, target, table.root, to)
    lines += told
    lines += [f"Counted      {count} x {what}" for what, count in sorted(written.lost.items())]
    lines += [f"Note         {note}" for note in written.notes]
    return Answer(
        document={"target": str(target), "format": to, **_facts(written)},
        lines=lines,
        next=following,
    )


def check_new(target: Path, index: Path, root: Path, to: str) -> None:
    """UserError unless `target` is a new place: not the index, not with the images, nothing that is there already."""
    from inspection.data.journal import journal_file

    place = Path(os.path.realpath(target))
    if _same(place, index) or _same(place, journal_file(index)):
        raise UserError(f"'{target}' is the index or its journal: give another path")
    outside_images(target, root)
    _check_absent(target, to)
    writable(target)


def _same(place: Path, other: Path) -> bool:
    """Whether both name one file, there or not, hard links included."""
    there = place.exists() and other.exists()
    return place == Path(os.path.realpath(other)) or (there and place.samefile(other))


def _check_absent(target: Path, to: str) -> None:
    try:
        empty = target.is_dir() and not target.is_symlink() and not any(target.iterdir())
    except OSError as error:
        raise UserError(
            f"'{target}' cannot be read ({error.strerror}): give another path"
        ) from error
    if os.path.lexists(target) and not (to == "yolo" and empty):
        raise UserError(f"'{target}' exists: remove it or give another path")


def _check_words(target: Path, to: str, part: str | None, images: str) -> None:
    from inspection.data.placed_images import HOW

    if to not in FORMATS:
        raise UserError(f"--to {to}: {', '.join(FORMATS)} can be written{nearest(to, FORMATS)}")
    suffixes = FORMATS[to]
    if suffixes and target.suffix.lower() not in suffixes:
        raise UserError(
            f"'{target}': {to} is written to a file that ends in {' or '.join(suffixes)}"
        )
    if part is not None and part not in PARTS:
        raise UserError(f"--part {part}: give {', '.join(PARTS)}")
    if images not in HOW:
        raise UserError(f"--images {images}: give {', '.join(HOW)}{nearest(images, list(HOW))}")


def _chosen(table: ImageIndex, index: Path, part: str | None) -> ImageIndex:
    usable = table.usable()
    if not len(usable):
        reasons = Counter(str(code) for code in table.frame["quarantine"].dropna())
        named = ", ".join(f"{count} x {code}" for code, count in reasons.most_common(3))
        held = f"none of its {len(table)} images is usable ({named})" if len(table) else "no images"
        raise UserError(
            f"'{index}': {held}: mend what plumbline data check names, and import again"
        )
    chosen = usable if part is None else table.split(part)
    if not len(chosen):
        raise UserError(f"--part {part}: no image has that split; run plumbline data split first")
    return chosen


def _write(chosen: ImageIndex, target: Path, to: str, images: str, mask_threshold: int) -> Written:
    from inspection.data.export import write_coco, write_manifest
    from inspection.data.export_yolo import to_yolo

    if to == "yolo":
        return to_yolo(chosen, target, mask_threshold=mask_threshold, images=images)
    if to == "coco":
        return write_coco(chosen, target, mask_threshold=mask_threshold)
    return write_manifest(chosen, target)


def _noted(written: Written, chosen: ImageIndex, to: str) -> Written:
    """Other formats know no image of which nothing is said: there, nothing drawn means no defect."""
    from inspection.data.unlabelled import is_unlabelled

    count = int(is_unlabelled(chosen.frame).sum())
    if not count:
        return written
    said = f"{count} unlabelled images are left out: without marks they would pass for images without defects"
    if to == "manifest":
        said = f"{count} unlabelled images have an empty label: name them to plumbline data import --unlabelled"
    return replace(written, notes=(*written.notes, said))


def _facts(written: Written) -> dict[str, object]:
    from inspection.data.export_yolo import YoloFolder

    facts: dict[str, object] = {
        "images": written.images,
        "objects": written.objects,
        "lost": written.lost,
        "notes": list(written.notes),
    }
    if isinstance(written, YoloFolder):
        facts |= {"parts": written.parts, "placed": written.placed}
    return facts


def _about(written: Written, target: Path, root: Path, to: str) -> tuple[list[str], list[str]]:
    """Where the images are, in lines, and the commands that come next."""
    from inspection.data.export_yolo import YoloFolder

    if isinstance(written, YoloFolder):
        lines = [_split_line(written), _images_line(written, target)]
        again = f"plumbline data import {shlex.quote(str(target))} --kind yolo"
        again += f" --out {shlex.quote(f'{target.name}.parquet')}"
        if len(written.undrawn_labels) == 1:
            again += f" --ok-class {shlex.quote(written.undrawn_labels[0])}"
        return lines, [again] if set(written.placed) in ({"hard links"}, {"copies"}) else []
    again = (
        f"plumbline data import {shlex.quote(str(root))} --kind {to} --annotations {target.name}"
    )
    return [
        f"Paths        below '{root}'. To read it back, put a copy into that folder: {again}"
    ], []


def _split_line(written: YoloFolder) -> str:
    if not written.parts:
        return "Split        none: data.yaml names no train and val; run plumbline data split, then export"
    named = ", ".join(f"{name} {count}" for name, count in written.parts.items())
    rest = written.images - sum(written.parts.values())
    missing = [name for name in ("train", "val") if name not in written.parts]
    said = f"Split        {named}"
    said += f"; {rest} images have none and are in no list" if rest else ""
    return said + (f"; no {' and no '.join(missing)}, which training wants" if missing else "")


def _images_line(written: YoloFolder, target: Path) -> str:
    if not written.placed:
        place = "images/<split>/<path>" if written.parts else "images/<path>"
        return (
            f"Images       none: put them at {target}/{place}, or export with --images link or copy"
        )
    counts = ", ".join(f"{count} {how}" for how, count in written.placed.items())
    said = f"Images       {counts}"
    if "symbolic links" in written.placed:
        said += (
            " (the images are on another disk): plumbline data import follows none out of a folder; "
            "to read the folder back, export with --images copy"
        )
    if "copies" not in written.placed:
        said += "; a tool that writes into a link writes into the source: --images copy avoids that"
    return said
