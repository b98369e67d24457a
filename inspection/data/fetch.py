"""A public data set as a folder: downloaded aside, checked, unpacked aside, renamed; killed and resumed at will.

Covered: archives wait in a folder beside the target until all of them are unpacked; the target appears as a whole. Not
covered: labels and names, which stay as published.
"""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from deploy.edge.files import write_json
from inspection.data.download import Downloaded, Remote, download
from inspection.data.made_folder import made_folder
from inspection.data.public_sets import PublicFile, PublicSet
from inspection.data.unpack import Limits, unpack
from inspection.errors import DataError, UserError

KAGGLE_WANTS = (
    "Kaggle wants your own credentials: make a token at https://www.kaggle.com/settings, then set KAGGLE_USERNAME and "
    "KAGGLE_KEY, or put kaggle.json into ~/.kaggle"
)


@dataclass(frozen=True)
class Fetched:
    """A folder of files as published, where each archive came from, and the record that says so."""

    folder: Path
    files: int
    archives: tuple[Downloaded, ...]
    record: Path


def fetch(
    what: PublicSet,
    folder: Path,
    *,
    secret: Mapping[str, str],
    now: datetime,
    limits: Limits | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Download and unpack into `folder`, which must be new or empty; `secret`: headers for the files' own hosts."""
    check_new(folder)
    aside = waiting_room(folder)
    got = tuple(
        download(_remote(file, what, secret), aside / file.name, pause=pause) for file in what.files
    )
    with made_folder(folder) as made:
        files = sum(_unpacked(each.path, made, limits) for each in got)
    record = folder.with_name(f"{folder.name}.fetched.json")
    write_json(record, _record(what, got, files, now))
    shutil.rmtree(aside, ignore_errors=True)
    return Fetched(folder, files, got, record)


def check_new(folder: Path) -> None:
    """UserError unless the folder is new or empty."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"'{folder}' is a file or a link: give a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"'{folder}' is not empty: give a new folder")


def waiting_room(folder: Path) -> Path:
    """Where archives wait until all are there: beside the folder, on the same disk."""
    return folder.with_name(f"{folder.name}.fetching")


def kaggle_secret(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """The header that Kaggle knows a user by, from the environment, else ~/.kaggle/kaggle.json; UserError without."""
    user, key = environment.get("KAGGLE_USERNAME"), environment.get("KAGGLE_KEY")
    if not (user and key):
        place = Path(environment.get("KAGGLE_CONFIG_DIR") or home / ".kaggle") / "kaggle.json"
        try:
            said = json.loads(place.read_bytes())
            user, key = said["username"], said["key"]
        except FileNotFoundError as error:
            raise UserError(KAGGLE_WANTS) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            # What stands in the file is a secret: no word of it.
            raise UserError(f"'{place}' holds no username and key: {KAGGLE_WANTS}") from error
    packed = base64.b64encode(f"{user}:{key}".encode()).decode()
    return {"Authorization": f"Basic {packed}"}


def _remote(file: PublicFile, what: PublicSet, secret: Mapping[str, str]) -> Remote:
    if not what.kaggle:
        return Remote(file.url)
    remedies = {
        401: f"it does not know your credentials. {KAGGLE_WANTS}",
        403: f"accept the rules first, on {what.page}, with the account of your credentials",
        404: f"it has moved or is gone: look at {what.page}",
    }
    return replace(Remote(file.url, remedies=remedies), secret=secret)


def _unpacked(archive: Path, folder: Path, limits: Limits | None) -> int:
    try:
        return unpack(archive, folder, limits)
    except DataError:
        # Going on with it would end in the same fault for ever.
        archive.unlink(missing_ok=True)
        raise


def _record(
    what: PublicSet, got: tuple[Downloaded, ...], files: int, now: datetime
) -> dict[str, object]:
    archives = [
        {"url": file.url, "bytes": each.bytes, "sha256_found": each.sha256}
        for file, each in zip(what.files, got, strict=True)
    ]
    return {
        "title": what.title,
        "page": what.page,
        "terms": list(what.terms),
        "fetched": now.isoformat(),
        "files": files,
        "archives": archives,
    }
