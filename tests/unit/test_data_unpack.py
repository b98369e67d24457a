"""Archives: plain files come out as they went in, and nothing that would do harm comes out at all."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inspection.data.unpack import Limits, unpack
from inspection.errors import DataError
from tests.unit.archive_material import linked, tarred, zipped


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_plain_files_come_out_as_they_went_in(tmp_path: Path, pack: Callable[..., Path]) -> None:
    files = {"a/b.jpg": b"1", "a/c d.jpg": b"", "ä/é.csv": b"x,y\n" * 1000}
    folder = tmp_path / "out"
    assert unpack(pack(tmp_path / "set", files), folder) == 3
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}
    assert found == files


NAMES = ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "..\\evil", "a\nb", "a\\b"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_names_that_lead_out_are_refused_before_anything_is_written(
    tmp_path: Path, pack: Callable[..., Path], name: str
) -> None:
    archive = pack(tmp_path / "set", {"fine.jpg": b"1", name: b"2"})
    with pytest.raises(DataError, match="no such archive is unpacked"):
        unpack(archive, tmp_path / "in" / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["set"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    archive = tarred(tmp_path / "set.tar", {"fine.jpg": b"1", "a/link": linked(kind)})
    with pytest.raises(DataError, match="is a link or a device"):
        unpack(archive, tmp_path / "out")


def test_links_encrypted_and_repeated_names_in_a_zip_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("x", "1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x", "2")
    with pytest.raises(DataError, match="is there twice"):
        unpack(tmp_path / "b.zip", tmp_path / "out")
    zipped(tmp_path / "c.zip", {"x": b"1", "x/y": b"2"})
    with pytest.raises(DataError, match="is a file and a folder"):
        unpack(tmp_path / "c.zip", tmp_path / "out")
    data = bytearray(zipped(tmp_path / "d.zip", {"x": b"1"}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "d.zip").write_bytes(data)
    with pytest.raises(DataError, match="is encrypted"):
        unpack(tmp_path / "d.zip", tmp_path / "out")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_bombs_are_refused(tmp_path: Path, pack: Callable[..., Path]) -> None:
    bomb = pack(tmp_path / "bomb", {"zeros": bytes(50_000_000)})
    with pytest.raises(DataError, match="too much for a data set"):
        unpack(bomb, tmp_path / "out")
    many = pack(tmp_path / "many", {f"{i}": b"1" for i in range(30)})
    with pytest.raises(DataError, match="too much for a data set"):
        unpack(many, tmp_path / "out", Limits(files=20))
    assert not (tmp_path / "out").exists()


def test_a_zip_that_claims_less_than_it_holds_is_stopped(tmp_path: Path) -> None:
    data = bytearray(zipped(tmp_path / "a.zip", {"x": bytes(range(256)) * 40}).read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (100).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match="is damaged"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_damaged_archives_end_in_a_sentence(tmp_path: Path, pack: Callable[..., Path]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, 20_000, np.uint8).tobytes()
    whole = pack(tmp_path / "set", {"x": noise, "y": noise[::-1]}).read_bytes()
    for number, broken in enumerate(
        (whole[: len(whole) // 2], whole[:9000] + b"????" + whole[9004:], b"<html>no</html>", b"")
    ):
        (tmp_path / "set").write_bytes(broken)
        with pytest.raises(DataError, match=r"damaged|no zip or tar|holds no files"):
            unpack(tmp_path / "set", tmp_path / f"out{number}")


def test_a_tar_that_breaks_off_between_two_files_is_damaged(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for name in "ab":
            info = tarfile.TarInfo(name)
            info.size = 512
            archive.addfile(info, io.BytesIO(bytes(range(256)) * 2))
    whole = (tmp_path / "set.tar").read_bytes()
    assert unpack(tmp_path / "set.tar", tmp_path / "out") == 2
    (tmp_path / "set.tar").write_bytes(whole[:1024])
    with pytest.raises(DataError, match=r"is damaged \(it breaks off"):
        unpack(tmp_path / "set.tar", tmp_path / "other")
