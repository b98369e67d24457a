"""One file from the web, whole or not at all: goes on where a broken or killed download stopped.

Covered: a connection that breaks (tried again), a kill at any moment, a server without ranges (from the start), a file
that changed meanwhile (from the start), fewer bytes than promised, a login page instead of a file, a full disk, two
downloads of one file at once; credentials go to the named host alone, never along a redirect, and https never turns
into http. Not covered: a power cut (what was written may be lost
unseen); proof of what a server sends where nobody has
published a checksum (the one found is returned).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import IO, Any

from deploy.edge.files import sha256_file, sync_folder, write_json
from inspection.errors import DataError, UserError
from inspection.progress import bar

CHUNK = 2**20
TRIES = 5
TIMEOUT = 60.0
"""Seconds without a byte before a connection counts as broken."""
AGENT = "plumbline-data-fetch"
Remedies = Mapping[int, str]
"""By HTTP status, what the user can do."""
PASSING = frozenset({416, 429, 500, 502, 503, 504})
"""Statuses after which a second try may help."""
DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
BROKEN = (OSError, http.client.HTTPException)
"""What urllib raises for a connection; its own HTTPError, an answer of the server, is dealt with before."""


@dataclass(frozen=True)
class Remote:
    """A file on a server; `secret` headers go to this host only. `bytes`, `sha256`: where they are known for sure."""

    url: str
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)
    bytes: int | None = None
    sha256: str | None = None
    remedies: Remedies = field(default_factory=dict)


@dataclass(frozen=True)
class Downloaded:
    """A whole file, what it is, and how many bytes of it an earlier call had left."""

    path: Path
    bytes: int
    sha256: str
    went_on_from: int


def download(
    remote: Remote, target: Path, *, pause: Callable[[float], None] = time.sleep
) -> Downloaded:
    """`remote` as `target`; UserError for what the server or the network refuses, DataError for a wrong file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    with _alone(part):
        if target.is_file():
            return _checked(remote, target, target, target.stat().st_size)
        first = _kept(part, remote)
        for number in range(TRIES):
            if _tried(remote, part, last=number == TRIES - 1):
                break
            pause(2.0**number)
        found = _checked(remote, part, target, first)
        part.replace(target)
        sync_folder(target.parent)
        _note(part).unlink(missing_ok=True)
        return found


def _tried(remote: Remote, part: Path, *, last: bool) -> bool:
    """Whether the file is whole after one more try; UserError when it was the last, or no other can help."""
    try:
        _more(remote, part, _kept(part, remote))
        return True
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
        if last or error.code not in PASSING:
            raise _refused(remote, error) from error
        error.close()
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno in DISK:
            raise
        if last:
            raise UserError(_broken(remote, part, error)) from error
    return False


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[None]:
    """UserError while another process downloads the same file."""
    lock = part.with_name(f"{part.name}.lock")
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"'{part}' is being written by another download: wait for it"
            ) from error
        # Left behind: who removes a lock may part two others that wait for it.
        yield


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _told(part: Path) -> dict[str, Any]:
    """What is noted of the file under way: url, validator, total; empty where nothing can be trusted."""
    try:
        said = json.loads(_note(part).read_bytes())
        return said if isinstance(said, dict) else {}
    except (OSError, ValueError):
        return {}


def _kept(part: Path, remote: Remote) -> int:
    """Bytes that are there and belong to this very file."""
    told = _told(part)
    if told.get("url") != remote.url or not told.get("validator") or not part.is_file():
        return 0
    return part.stat().st_size


def _more(remote: Remote, part: Path, start: int) -> None:
    """One connection: what is missing from byte `start` on; OSError or HTTPException when it breaks."""
    told = _told(part)
    if start and start == told.get("total"):
        return
    asked = {"Range": f"bytes={start}-", "If-Range": str(told["validator"])} if start else {}
    with _open(remote, asked) as answer:
        start, total = _place(remote, answer, start)
        _check_room(part, None if total is None else total - start)
        validator = _validator(answer.headers)
        write_json(_note(part), {"url": remote.url, "validator": validator, "total": total})
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            _copy(answer, stream, part.name, total, start)
    size = part.stat().st_size
    if total is not None and size < total:
        raise http.client.IncompleteRead(b"", total - size)


def _copy(answer: IO[bytes], stream: IO[bytes], name: str, total: int | None, start: int) -> None:
    with bar(f"{name.removesuffix('.part')} (MiB)", -(-(total or 0) // CHUNK)) as advance:
        for _ in range(start // CHUNK):
            advance("")
        while chunk := answer.read(CHUNK):
            stream.write(chunk)
            advance("")
        stream.flush()
        os.fsync(stream.fileno())


def _open(remote: Remote, asked: Mapping[str, str]) -> Any:
    request = urllib.request.Request(remote.url, headers={"User-Agent": AGENT, **asked})
    for name, value in remote.secret.items():
        # Not sent along a redirect, which may lead to another host.
        request.add_unredirected_header(name, value)
    return urllib.request.build_opener(_SafeRedirects).open(request, timeout=TIMEOUT)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects, but never from https to something that others can read or change."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        """Refuse one that leaves https."""
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise UserError(f"{req.full_url} leads to '{newurl[:80]}', which is not https: refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _place(remote: Remote, answer: Any, start: int) -> tuple[int, int | None]:
    """Where the answer's bytes belong, and how many the file has; DataError for what is not the file."""
    headers: Message = answer.headers
    if headers.get_content_type() == "text/html":
        raise DataError(
            f"{remote.url} answers with a web page, not a file: it may want a login, or has moved"
        )
    length = headers.get("Content-Length")
    rest = int(length) if length is not None and length.isdecimal() else None
    if answer.status != http.client.PARTIAL_CONTENT:
        start, total = 0, rest
    else:
        start, total = _range(remote, headers.get("Content-Range", ""), start)
    if remote.bytes is not None and total is not None and total != remote.bytes:
        raise DataError(
            f"{remote.url} has {total} bytes, {remote.bytes} are expected: it is another file"
        )
    return start, total


def _range(remote: Remote, said: str, start: int) -> tuple[int, int]:
    """From `bytes 100-199/200`."""
    unit, _, rest = said.partition(" ")
    span, _, total = rest.partition("/")
    first = span.partition("-")[0]
    if unit != "bytes" or first != str(start) or not total.isdecimal():
        raise DataError(
            f"{remote.url} sends '{said[:60]}', asked for from byte {start}: delete the .part file"
        )
    return start, int(total)


def _validator(headers: Message) -> str | None:
    """What tells this version of the file from another; without it nothing can be gone on with."""
    tag = headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _check_room(part: Path, wanted: int | None) -> None:
    free = shutil.disk_usage(part.parent).free
    if wanted is not None and wanted > free:
        raise UserError(
            f"'{part.parent}' has {free / 1e9:.1f} GB left, {wanted / 1e9:.1f} are to come: "
            "free some space, or give a folder on a larger disk"
        )


def _checked(remote: Remote, place: Path, target: Path, went_on_from: int) -> Downloaded:
    """Size and checksum as far as they are known; a file that fails is deleted, since nothing can mend it."""
    size, sha256 = place.stat().st_size, sha256_file(place)
    for what, wanted, found in (
        ("bytes", remote.bytes, size),
        ("SHA-256", remote.sha256, sha256),
    ):
        if wanted is not None and wanted != found:
            place.unlink()
            raise DataError(
                f"{remote.url}: {what} {found}, expected {wanted}: deleted; run again, or ask the server's owner"
            )
    return Downloaded(target, size, sha256, went_on_from)


def _refused(remote: Remote, error: urllib.error.HTTPError) -> UserError:
    error.close()
    remedy = remote.remedies.get(error.code) or {
        401: "it wants credentials",
        403: "you may not have it",
        404: "it has moved or is gone",
    }.get(error.code, "try again later")
    return UserError(f"{remote.url}: {error.code} {error.reason}: {remedy}")


def _broken(remote: Remote, part: Path, error: Exception) -> str:
    why = getattr(error, "reason", None) or error or type(error).__name__
    size = part.stat().st_size if part.is_file() else 0
    return (
        f"{remote.url}: no connection, {TRIES} tries ({why}); {size} bytes are kept: "
        "run it again, it goes on there"
    )
