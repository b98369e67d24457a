"""The one file that describes a whole data set: the one `data.annotations` names, never outside the root.

Covered: files that are missing, no files, links out of the root, too large. Not covered: what is inside.
"""

from __future__ import annotations

import os
from pathlib import Path

from inspection.data.readers.stated import shown
from inspection.errors import DataError


def named_file(root: Path, given: Path) -> Path:
    """The file that `data.annotations` names below the root; DataError when it is not there or leads outside."""
    path = root / given
    name = shown(str(given))
    if ".." in given.parts or not path.is_relative_to(root):
        raise DataError(f"data.annotations: {name} lies outside data.root; copy it below the root")
    if not path.is_file():
        raise DataError(f"data.annotations: no file {name} below data.root; give its path there")
    return inside(root, path)


def inside(root: Path, path: Path) -> Path:
    """The path itself; DataError when a link leads from it out of the root."""
    # realpath, because Path.resolve raises on a ring of links.
    if not Path(os.path.realpath(path)).is_relative_to(root):
        raise DataError(
            f"data.annotations: {shown(path.name)} is a link out of data.root; copy the file there"
        )
    return path


def read_limited(path: Path, limit: int) -> bytes:
    """The file's bytes; DataError when there are more than `limit`, or it may not be read."""
    try:
        # A pipe would keep us waiting for ever, and some devices never end.
        if not path.is_file():
            raise DataError(
                f"data.annotations: {shown(path.name)} is no regular file; put the file itself there"
            )
        size = path.stat().st_size
        if size > limit:
            raise DataError(
                f"data.annotations: {shown(path.name)} has {size} bytes, the limit is {limit}; split it"
            )
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"data.annotations: {shown(path.name)} cannot be read ({error.strerror}); see to the file"
        ) from error
