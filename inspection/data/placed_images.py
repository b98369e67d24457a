"""Images of an index under new names in a folder of ours: as links, which take no room, or as copies.

Covered: hard links, where the disk has none or is another one symbolic links; the source is only read. Not covered:
tools that write into a linked image: they write into the source.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from inspection.data.patch_defects import Unusable, inside
from inspection.errors import DataError
from inspection.progress import track

HOW = ("link", "copy", "none")
"""Ways to put images into a folder."""
NO_HARD_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS}
)
"""Another disk, a disk without links, somebody else's file, too many names already."""
HARD, SYMBOLIC, COPIED = "hard links", "symbolic links", "copies"


def place_images(
    root: Path, folder: Path, places: Mapping[str, PurePosixPath], how: str
) -> dict[str, int]:
    """Put each image of `root` at its place in `folder`; how many became what, empty for `how` "none".

    DataError for an image that is gone or leads out of `root`.
    """
    if how not in HOW:
        raise DataError(f"images {how}: give {', '.join(HOW)}")
    counts: Counter[str] = Counter()
    if how == "none":
        return {}
    for name, place in track(places.items(), "placing images", len(places)):
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        counts[_place(_source(root, name), target, how)] += 1
    return dict(counts)


def _source(root: Path, name: str) -> Path:
    try:
        file = inside(root, name)
    except Unusable as error:
        raise DataError(f"export: image '{name}' leads out of '{root}': import again") from error
    if not file.is_file():
        raise DataError(
            f"export: image '{name}' is not below '{root}' any more: put it back, or import again"
        )
    return file


def _place(source: Path, target: Path, how: str) -> str:
    if how == "copy":
        shutil.copyfile(source, target)
        return COPIED
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_HARD_LINK:
            raise
        target.symlink_to(source)
        return SYMBOLIC
    return HARD
