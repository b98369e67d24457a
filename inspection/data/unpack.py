"""Archives from the web, unpacked by our own hands: plain files below one folder, and nothing else.

Covered: zip and tar (plain, gz, bz2, xz); absolute names, `..`, drives, links, devices, encrypted and repeated names,
control characters, archives that claim or hold more than the limits are refused before they can do harm; a refused or
damaged archive leaves nothing behind, if unpacked into a folder that is thrown away (`made_folder`). Permissions and
owners in the archive are not taken over. Not covered: archives inside archives, which stay as they are.
"""

from __future__ import annotations

import io
import lzma
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from inspection.data.readers.files import leads_out
from inspection.data.readers.stated import one_line, shown
from inspection.errors import DataError
from inspection.progress import bar

CHUNK = 2**20
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
)


@dataclass(frozen=True)
class Limits:
    """More than that is no data set: bytes in all, files, and bytes out for each byte in."""

    bytes: int = 50 * 10**9
    files: int = 500_000
    ratio: float = 200.0


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    fault: str
    """Why it may not be unpacked; empty if it may."""


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> int:
    """How many files of `archive` were written below `folder`; DataError for one that is damaged or not safe."""
    limits = limits or Limits()
    try:
        if zipfile.is_zipfile(archive):
            return _unpack_zip(archive, folder, limits)
        if tarfile.is_tarfile(archive):
            return _unpack_tar(archive, folder, limits)
    except DAMAGED as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        # gzip and bz2 speak so of bad data; the disk gives a number.
        if error.errno is not None:
            raise
        raise _damaged(archive, error) from error
    raise DataError(f"{shown(archive.name)} is no zip or tar archive: fetch it again")


def _damaged(archive: Path, error: Exception) -> DataError:
    why = one_line(error) or type(error).__name__
    return DataError(f"{shown(archive.name)} is damaged ({why}): fetch it again")


def _unpack_zip(archive: Path, folder: Path, limits: Limits) -> int:
    with zipfile.ZipFile(archive) as source:
        infos = [info for info in source.infolist() if not info.is_dir()]
        members = [_Member(info.filename, info.file_size, _zip_fault(info)) for info in infos]
        _check(archive, members, limits)
        with bar(f"unpacking {archive.name}", len(infos)) as advance:
            for info in infos:
                with source.open(info) as stream:
                    _write(stream, folder / info.filename, info.file_size)
                advance("")
    return len(infos)


def _zip_fault(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "is a link or a device"
    return "is encrypted" if info.flag_bits & 1 else ""


def _unpack_tar(archive: Path, folder: Path, limits: Limits) -> int:
    with tarfile.open(archive) as source:
        # By turns, not at once: a packed bomb must be stopped while it is listed.
        members = list(_tar_members(archive, source, limits))
        _check_end(archive, source)
    _check(archive, members, limits)
    with tarfile.open(archive) as source, bar(f"unpacking {archive.name}", len(members)) as advance:
        for info in source:
            if info.isdir():
                continue
            stream = source.extractfile(info)
            assert stream is not None
            with stream:
                _write(stream, folder / info.name, info.size)
            advance("")
    return len(members)


def _tar_members(archive: Path, source: tarfile.TarFile, limits: Limits) -> Iterator[_Member]:
    total = 0
    for number, info in enumerate(source):
        total += info.size
        _check_amount(archive, total, number, limits)
        if not info.isdir():
            plain = info.isreg() and not info.issparse()
            yield _Member(info.name, info.size, "" if plain else "is a link or a device")


def _check_end(archive: Path, source: tarfile.TarFile) -> None:
    """ReadError for a tar that breaks off between two files, which tarfile takes for its end.

    Reading a packed one to its end compares its own checksum.
    """
    assert source.fileobj is not None
    if not isinstance(source.fileobj, io.BufferedReader):
        while source.fileobj.read(CHUNK):
            pass
        return
    with archive.open("rb") as stream:
        stream.seek(source.offset)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it breaks off")


def _check(archive: Path, members: list[_Member], limits: Limits) -> None:
    """Every fault is known before the first byte is written."""
    if not members:
        raise DataError(f"{shown(archive.name)} holds no files: fetch it again")
    _check_amount(archive, sum(member.size for member in members), len(members), limits)
    seen: set[PurePosixPath] = set()
    for member in members:
        place = PurePosixPath(member.name)
        fault = (
            member.fault or _name_fault(member.name) or ("is there twice" if place in seen else "")
        )
        if fault:
            raise DataError(
                f"{shown(archive.name)}: {shown(member.name)} {fault}: no such archive is unpacked"
            )
        seen.add(place)
    above = {folder for place in seen for folder in place.parents}
    if both := sorted(str(place) for place in seen & above):
        raise DataError(
            f"{shown(archive.name)}: {shown(both[0])} is a file and a folder: no such archive is unpacked"
        )


def _name_fault(name: str) -> str:
    if not name or leads_out(name) or name.startswith(("/", "\\")):
        return "leads out of the folder"
    odd = "\\" in name or any(unicodedata.category(letter)[0] == "C" for letter in name)
    return "is no name for a file" if odd else ""


def _check_amount(archive: Path, total: int, files: int, limits: Limits) -> None:
    packed = max(1, archive.stat().st_size)
    if total > limits.bytes or files > limits.files or total > limits.ratio * packed + CHUNK:
        raise DataError(
            f"{shown(archive.name)} would become {files} files of {total / 1e9:.1f} GB out of {packed / 1e9:.3f}: "
            "too much for a data set, refused"
        )


def _write(stream: IO[bytes], place: Path, size: int) -> None:
    """At most `size` bytes: what an archive claims has been checked, and it must keep to it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    left = size
    with place.open("xb") as target:
        while chunk := stream.read(min(CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise zipfile.BadZipFile(f"{place.name} holds more than it claims")
            target.write(chunk)
    if left:
        raise zipfile.BadZipFile(f"{place.name} holds less than it claims")
