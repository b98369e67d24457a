"""`plumbline data fetch`: a public data set, after its terms were shown and `--yes` said. No other command does so."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.errors import UserError
from pipelines.output import Answer, Table, data_command
from pipelines.settings import nearest

if TYPE_CHECKING:
    from inspection.data.fetch import Fetched
    from inspection.data.public_sets import PublicSet


def fetch_set(name: str | None, folder: Path | None, *, yes: bool) -> Answer:
    """List the sets; or say what one is and costs; or, with `yes`, fetch it."""
    from inspection.data.fetch import check_new, fetch, kaggle_secret
    from inspection.data.public_sets import PUBLIC_SETS

    if name is None:
        return _listing()
    if name not in PUBLIC_SETS:
        raise UserError(f"no public data set '{name}'{nearest(name, list(PUBLIC_SETS))}")
    what, target = PUBLIC_SETS[name], Path(name) if folder is None else folder
    target = target if target.name not in ("", "..") else target.resolve()
    check_new(target)
    if not yes:
        return _plan(name, what, target)
    secret = kaggle_secret(os.environ, Path.home()) if what.kaggle else {}
    found = fetch(what, target, secret=secret, now=datetime.now(UTC))
    return _answer(name, what, found)


def _listing() -> Answer:
    from inspection.data.public_sets import PUBLIC_SETS

    rows = [(name, f"{one.megabytes:,.0f} MB", one.title) for name, one in PUBLIC_SETS.items()]
    return Answer(
        document={"sets": {name: _facts(one) for name, one in PUBLIC_SETS.items()}},
        table=Table(("set", "download", "what it is"), rows),
        next=[data_command("fetch", next(iter(PUBLIC_SETS)), "FOLDER")],
    )


def _plan(name: str, what: PublicSet, target: Path) -> Answer:
    """Nothing is asked of the network for it."""
    lines = [what.title]
    lines += [f"From         {file.url}, about {file.megabytes:g} MB" for file in what.files]
    lines += [f"Room         about {what.megabytes + what.unpacked_megabytes:,.0f} MB meanwhile"]
    lines += [f"Terms        {said} ({what.page})" for said in what.terms]
    lines += ["Credentials  your own, of Kaggle; its rules accepted"] if what.kaggle else []
    lines += ["Nothing was fetched: --yes does, and says that you have read the terms"]
    return Answer(
        document={"set": name, "fetched": False, "folder": str(target), **_facts(what)},
        lines=lines,
        next=[data_command("fetch", name, target, "--yes")],
        exit_code=UserError.exit_code,
    )


def _facts(what: PublicSet) -> dict[str, object]:
    return {
        "title": what.title,
        "urls": [file.url for file in what.files],
        "megabytes": what.megabytes,
        "terms": list(what.terms),
        "page": what.page,
    }


def _answer(name: str, what: PublicSet, found: Fetched) -> Answer:
    words = [word.replace("FOLDER", str(found.folder), 1) for word in what.importing]
    lines = [f"Folder       {found.folder}: {found.files} files, as published"]
    lines += [
        f"Archive      {each.path.name}, {each.bytes:,} bytes, SHA-256 {each.sha256} (found; none is published to "
        f"compare with){f', gone on from byte {each.went_on_from:,}' if each.went_on_from else ''}"
        for each in found.archives
    ]
    lines += [f"Terms        {said}" for said in what.terms]
    lines += [f"Record       {found.record}"]
    return Answer(
        document={
            "set": name,
            "fetched": True,
            "folder": str(found.folder),
            "files": found.files,
            "record": str(found.record),
            "archives": [{"bytes": o.bytes, "sha256_found": o.sha256} for o in found.archives],
        },
        lines=lines,
        next=[data_command("import", *words)],
    )
