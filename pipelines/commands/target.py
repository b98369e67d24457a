"""The file or folder that a command was told to write: meant as one of ours, outside the images, free to be written.

Covered: a name that promises something else, a parent that is missing, a file or closed, a place among the images, and
what stands there already: it is replaced only when the same command wrote it, or with `--force`. Not covered: what
appears there while the command works.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from inspection.errors import UserError

MARKED = 2_000
"""Characters of a page in which its generator is named."""


def checked_target(target: Path, suffix: str) -> Path:
    """`target` itself; UserError for a folder, a name that promises something else, or a parent that takes no file."""
    if target.is_dir():
        raise UserError(f"'{target}' is a folder: give the name of a {suffix} file")
    if target.suffix.lower() != suffix:
        raise UserError(f"'{target}' would be replaced: give a file name that ends in {suffix}")
    return writable(target)


def writable(target: Path) -> Path:
    """`target` itself; UserError when its folder is a file or takes nothing new, or lies in a folder that is missing.

    One missing folder is made by whoever writes; two are more likely a mistyped path.
    """
    parent = target.parent
    if not parent.exists() and parent.parent.is_dir():
        parent = parent.parent
    if parent.exists() and not parent.is_dir():
        raise UserError(f"'{target}': '{parent}' is a file, not a folder: give another path")
    if not parent.is_dir():
        raise UserError(f"'{target}': folder '{parent}' does not exist: make it")
    try:
        # Asking for rights is not enough: /proc grants them to root, and holds no file of ours.
        with tempfile.TemporaryFile(dir=parent):
            return target
    except OSError as error:
        raise UserError(
            f"'{target}': folder '{parent}' cannot be written to ({error.strerror}): give another path"
        ) from error


def outside_images(target: Path, images: Path) -> Path:
    """`target` itself; UserError when it lies among the images, where the next reading would find it, or holds them."""
    # realpath, because Path.resolve raises on a ring of links.
    place, source = Path(os.path.realpath(target)), Path(os.path.realpath(images))
    if place.is_relative_to(source):
        raise UserError(
            f"'{target}' lies inside the image folder '{images}': give a path outside it"
        )
    if source.is_relative_to(place):
        raise UserError(f"'{target}' holds the image folder '{images}': give a path outside it")
    return target


def replaceable(target: Path, *, own: bool, force: bool, why: str = "") -> bool:
    """Whether something stands at `target` that is to be replaced: `own` work of the command, or whatever with `force`.

    UserError for anything else; `why` says what it is instead.
    """
    if not target.exists() and not target.is_symlink():
        return False
    if own or force:
        return True
    reason = f" and {why}" if why else ""
    raise UserError(f"'{target}' exists{reason}: remove it, or give --force or another path")


def has_keys(path: Path, *keys: str) -> bool:
    """Whether a file is a JSON object with these keys: a document that the command may have written before."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and set(keys) <= set(document)


def page_target(target: Path, images: Path, kind: str, *, force: bool) -> Path:
    """Where a page of this `kind` (as `reporting.shell.head` writes it) goes: a .html outside `images`, free or own."""
    outside_images(checked_target(target, ".html"), images)
    own = is_page(target, kind)
    replaceable(target, own=own, force=force, why="is no such page of Plumbline's")
    return target


def is_page(path: Path, kind: str) -> bool:
    """Whether Plumbline wrote this file as a page of this kind."""
    from inspection.reporting.shell import generator

    try:
        with path.open("rb") as stream:
            return str(generator(kind)).encode() in stream.read(MARKED)
    except OSError:
        return False
