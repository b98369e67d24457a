"""Fetching public sets: from a server that breaks, refuses and lies; archives that would do harm; nothing unasked."""

from __future__ import annotations

import dataclasses
import io
import json
import shlex
import signal
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inspection.data import download as downloads
from inspection.data import public_sets
from inspection.data.download import Remote, download
from inspection.data.fetch import fetch, kaggle_secret, waiting_room
from inspection.data.index import ImageIndex
from inspection.data.public_sets import PUBLIC_SETS, PublicFile, PublicSet
from inspection.data.unpack import Limits, unpack
from inspection.errors import DataError, UserError
from pipelines.commands import data_fetch
from tests.severstal_folder import severstal
from tests.web_server import Site, serving

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DATA = np.random.default_rng(0).integers(0, 256, 3_500_000, np.uint8).tobytes()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site({"/set.zip": DATA})) as made:
        yield made


def quick(_: float) -> None:
    """Instead of waiting between tries."""


def got(site: Site, folder: Path, **more: Any) -> Any:
    return download(Remote(f"{site.url}/set.zip", **more), folder / "set.zip", pause=quick)


def ranges(site: Site) -> list[str | None]:
    return [headers.get("Range") for _, headers in site.asked]


def test_a_file_arrives_whole_and_is_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    found = got(site, tmp_path)
    assert found.path.read_bytes() == DATA
    assert (found.bytes, found.went_on_from) == (len(DATA), 0)
    assert got(site, tmp_path).sha256 == found.sha256
    assert len(site.asked) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"set.zip", "set.zip.part.lock"}


def test_a_broken_connection_is_gone_on_with(site: Site, tmp_path: Path) -> None:
    site.cut_after = [1_000_000, 700_000]
    assert got(site, tmp_path).path.read_bytes() == DATA
    assert ranges(site) == [None, "bytes=1000000-", "bytes=1700000-"]
    assert {headers.get("If-Range") for _, headers in site.asked[1:]} == {'"one"'}


def test_a_connection_that_always_breaks_ends_in_a_sentence_and_keeps_what_came(
    site: Site, tmp_path: Path
) -> None:
    site.cut_after = [100_000] * downloads.TRIES
    with pytest.raises(UserError, match=r"500000 bytes are kept: run it again, it goes on there"):
        got(site, tmp_path)
    assert not (tmp_path / "set.zip").exists()
    found = got(site, tmp_path)
    assert found.went_on_from == 500_000
    assert found.path.read_bytes() == DATA


@pytest.mark.parametrize("change", ["another file", "no ranges", "no validator"])
def test_what_cannot_be_gone_on_with_starts_anew(site: Site, tmp_path: Path, change: str) -> None:
    site.etag = None if change == "no validator" else site.etag
    site.cut_after = [1_000_000] * downloads.TRIES
    site.ranges = False
    with pytest.raises(UserError):
        got(site, tmp_path)
    if change == "another file":
        site.ranges, site.etag, site.files["/set.zip"] = True, '"two"', DATA[::-1]
    assert got(site, tmp_path).path.read_bytes() == site.files["/set.zip"]


def test_a_file_of_unknown_length_arrives(site: Site, tmp_path: Path) -> None:
    site.length = False
    assert got(site, tmp_path).path.read_bytes() == DATA


def test_a_server_that_is_busy_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.once = [503, 429]
    assert got(site, tmp_path).path.read_bytes() == DATA


def test_a_leftover_longer_than_the_file_is_thrown_away(site: Site, tmp_path: Path) -> None:
    (tmp_path / "set.zip.part").write_bytes(DATA + b"more")
    note = {"url": f"{site.url}/set.zip", "validator": '"one"', "total": None}
    (tmp_path / "set.zip.part.json").write_text(json.dumps(note))
    assert got(site, tmp_path).path.read_bytes() == DATA


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "it wants credentials"), (403, "you may not have it"), (404, "moved or is gone")],
)
def test_refusals_are_said_once_with_a_remedy(
    site: Site, tmp_path: Path, status: int, words: str
) -> None:
    site.statuses["/set.zip"] = status
    with pytest.raises(UserError, match=f"{status} .*{words}"):
        got(site, tmp_path)
    assert len(site.asked) == 1
    with pytest.raises(UserError, match="do as I say"):
        got(site, tmp_path, remedies={status: "do as I say"})


@pytest.mark.parametrize(
    ("known", "words"),
    [({"bytes": 17}, "17 are expected"), ({"sha256": "0" * 64}, "SHA-256 .* expected 000")],
)
def test_another_file_than_the_known_one_is_refused_and_not_kept(
    site: Site, tmp_path: Path, known: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        got(site, tmp_path, **known)
    assert not (tmp_path / "set.zip").exists()
    site.length = False  # Known only at the end.
    with pytest.raises(DataError, match="expected"):
        got(site, tmp_path, **known)
    assert not (tmp_path / "set.zip.part").exists()


def test_a_login_page_is_no_file(site: Site, tmp_path: Path) -> None:
    site.kinds["/set.zip"] = "text/html; charset=utf-8"
    with pytest.raises(DataError, match="answers with a web page"):
        got(site, tmp_path)


def test_credentials_go_to_the_named_host_alone(site: Site, tmp_path: Path) -> None:
    with serving(Site({"/real.zip": DATA}, cut_after=[1_000_000])) as other:
        site.redirects["/set.zip"] = f"{other.url}/real.zip"
        assert got(site, tmp_path, secret={"Authorization": "Basic x"}).path.read_bytes() == DATA
        assert [headers.get("Authorization") for _, headers in site.asked] == ["Basic x"] * 2
        assert all("Authorization" not in headers for _, headers in other.asked)
        assert ranges(other) == [None, "bytes=1000000-"]


def test_https_is_never_left() -> None:
    asked = downloads.urllib.request.Request("https://example.org/a")
    with pytest.raises(UserError, match="not https"):
        downloads._SafeRedirects().redirect_request(asked, None, 302, "", {}, "http://x.org/a")


def test_nobody_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    with serving(Site()) as gone:
        url = gone.url
    with pytest.raises(UserError, match=r"no connection, 5 tries .*run it again"):
        download(Remote(f"{url}/a.zip"), tmp_path / "a.zip", pause=quick)


def test_no_room_is_said_before_the_first_byte(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = downloads.shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"has 0\.0 GB left"):
        got(site, tmp_path)
    assert not (tmp_path / "set.zip.part").exists()


CHILD = """
import sys
from pathlib import Path
from inspection.data.download import Remote, download
download(Remote(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_download_goes_on_where_it_was_and_two_do_not_mix(
    site: Site, tmp_path: Path
) -> None:
    site.drip = 0.05
    target, part = tmp_path / "set.zip", tmp_path / "set.zip.part"
    command = [sys.executable, "-c", CHILD, f"{site.url}/set.zip", str(target)]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (part.is_file() and part.stat().st_size > 2**20):
            assert time.monotonic() < deadline
            assert child.poll() is None
            time.sleep(0.02)
        with pytest.raises(UserError, match="written by another download"):
            got(site, tmp_path)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=30)
    assert not target.exists()
    site.drip = None
    found = got(site, tmp_path)
    assert found.went_on_from > 2**20
    assert ranges(site) == [None, f"bytes={found.went_on_from}-"]
    assert target.read_bytes() == DATA


# --- archives


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, members: dict[str, bytes | tarfile.TarInfo]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            if isinstance(data, tarfile.TarInfo):
                archive.addfile(data)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


def linked(kind: bytes, target: str = "/etc/passwd") -> tarfile.TarInfo:
    info = tarfile.TarInfo("a/link")
    info.type, info.linkname = kind, target
    return info


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


# --- whole sets


def dogs() -> dict[str, bytes]:
    """As Stanford's archives: folders of breeds, annotations without a suffix."""
    generator = np.random.default_rng(0)
    names = [
        f"n0208562{i % 2}-{('Chihuahua', 'Maltese_dog')[i % 2]}/n0208562{i % 2}_{i}"
        for i in range(6)
    ]
    files: dict[str, bytes] = {}
    for name in names:
        fine, data = cv2.imencode(".jpg", generator.integers(0, 256, (40, 40, 3), np.uint8))
        assert fine
        files[f"Images/{name}.jpg"] = data.tobytes()
        files[f"Annotation/{name}"] = b"<annotation></annotation>"
    return files


def part_of(files: dict[str, bytes], start: str, folder: Path) -> bytes:
    picked = {name: data for name, data in files.items() if name.startswith(start)}
    return tarred(folder / "pack", dict(picked)).read_bytes()


@pytest.fixture
def local(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The known sets, but served here."""
    site.files |= {
        "/images.tar": part_of(dogs(), "Images", tmp_path),
        "/annotation.tar": part_of(dogs(), "Annotation", tmp_path),
        "/lists.tar": tarred(tmp_path / "pack", {"train_list.mat": b"1"}).read_bytes(),
    }
    moved = {
        name: dataclasses.replace(
            one,
            files=tuple(
                PublicFile(f"{site.url}/{file.url.rpartition('/')[2]}", file.megabytes)
                for file in one.files
            ),
        )
        for name, one in PUBLIC_SETS.items()
    }
    monkeypatch.setattr(public_sets, "PUBLIC_SETS", moved)
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return site


def test_without_yes_nothing_leaves_the_machine(local: Site, said: Any) -> None:
    listed = said("fetch")
    assert set(listed["sets"]) == set(PUBLIC_SETS)
    for name in PUBLIC_SETS:
        told = said("fetch", name, "somewhere", code=2)
        assert told["fetched"] is False
        assert "NON-COMMERCIAL" in " ".join(told["terms"])
        assert told["next"] == [f"plumbline data fetch {name} somewhere --yes"]
    assert "did you mean 'severstal'" in said("fetch", "severstall", code=2)["faults"][0]
    assert local.asked == []
    assert not Path("somewhere").exists()


def test_dogs_arrive_as_published_and_the_next_command_imports_them_with_clean_names(
    local: Site, said: Any
) -> None:
    local.cut_after = [200]
    made = said("fetch", "stanford-dogs", "dogs", "--yes")
    found = {p.relative_to("dogs").as_posix() for p in Path("dogs").rglob("*") if p.is_file()}
    assert found == {*dogs(), "train_list.mat"}
    record = json.loads(Path(made["record"]).read_bytes())
    assert "NON-COMMERCIAL" in record["terms"][0]
    assert [each["sha256_found"] for each in record["archives"]] == [
        each["sha256_found"] for each in made["archives"]
    ]
    assert not waiting_room(Path("dogs")).exists()
    words = made["next"][0].split()
    assert words[:3] == ["plumbline", "data", "import"]
    imported = said(*shlex.split(made["next"][0])[2:])
    assert imported["labels"] == {"Chihuahua": 3, "Maltese_dog": 3}
    assert "not empty" in said("fetch", "stanford-dogs", "dogs", "--yes", code=2)["faults"][0]


def test_severstal_wants_credentials_and_sends_them_once(
    local: Site, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = said("fetch", "severstal", "steel", "--yes", code=2)["faults"][0]
    assert "KAGGLE_USERNAME" in told
    assert local.asked == []
    source = severstal(tmp_path / "source", images=8)
    files = {
        p.relative_to(source).as_posix(): p.read_bytes() for p in source.rglob("*") if p.is_file()
    }
    fresh = next(data for name, data in files.items() if name.startswith("train_images/"))
    files |= {
        "train_images/clean.jpg": fresh,
        "test_images/new.jpg": fresh,
        "sample_submission.csv": b"ImageId_ClassId,EncodedPixels\n",
    }
    path = f"/{public_sets.KAGGLE_COMPETITION}"
    local.files[path] = zipped(tmp_path / "pack", files).read_bytes()
    monkeypatch.setenv("KAGGLE_USERNAME", "me")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    for status, words in ((401, "does not know your credentials"), (403, "accept the rules first")):
        local.statuses[path] = status
        told = said("fetch", "severstal", "steel", "--yes", code=2)["faults"][0]
        assert words in told
        assert "secret" not in told
    local.statuses.clear()
    made = said("fetch", "severstal", "steel", "--yes")
    assert made["files"] == len(files)
    imported = said(*shlex.split(made["next"][0])[2:])
    assert imported["kind"] == "severstal"
    assert imported["labels"]["(unlabelled)"] == 1
    assert "secret" not in Path(made["record"]).read_text()
    frame = ImageIndex.load(Path("severstal.parquet")).frame
    assert set(frame.loc[frame["label_source"] == "unlabelled", "path"]) == {"test_images/new.jpg"}


def test_kaggle_credentials_come_from_the_environment_or_its_file(tmp_path: Path) -> None:
    wanted = {"Authorization": "Basic bWU6c2VjcmV0"}
    assert kaggle_secret({"KAGGLE_USERNAME": "me", "KAGGLE_KEY": "secret"}, tmp_path) == wanted
    place = tmp_path / ".kaggle" / "kaggle.json"
    place.parent.mkdir()
    place.write_text('{"username": "me", "key": "secret"}')
    assert kaggle_secret({}, tmp_path) == wanted
    place.write_text("{secret")
    with pytest.raises(UserError, match="holds no username and key") as told:
        kaggle_secret({}, tmp_path)
    assert "{secret" not in str(told.value)


def one_file(site: Site) -> PublicSet:
    return PublicSet(
        "t", (PublicFile(f"{site.url}/set.zip", 1),), 1, ("free",), "page", ("FOLDER",)
    )


def test_an_archive_that_would_do_harm_leaves_no_folder_and_is_not_kept(
    site: Site, tmp_path: Path
) -> None:
    site.files["/set.zip"] = zipped(tmp_path / "a", {"x": b"1", "../evil": b"2"}).read_bytes()
    for _ in range(2):
        with pytest.raises(DataError, match="leads out of the folder"):
            fetch(one_file(site), tmp_path / "set", secret={}, now=NOW)
    assert len(site.asked) == 2
    assert not (tmp_path / "set").exists()
    assert not (tmp_path / "evil").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_archives_that_were_there_are_not_fetched_again_after_a_kill(
    site: Site, tmp_path: Path
) -> None:
    site.files["/set.zip"] = zipped(tmp_path / "a", {"x": b"1"}).read_bytes()
    download(Remote(f"{site.url}/set.zip"), waiting_room(tmp_path / "set") / "set.zip")
    found = fetch(one_file(site), tmp_path / "set", secret={}, now=NOW)
    assert len(site.asked) == 1
    assert (found.folder / "x").read_bytes() == b"1"
    assert [path.name for path in found.folder.iterdir()] == ["x"]


def test_secrets_are_in_no_words_of_ours() -> None:
    assert "hush" not in repr(Remote("https://x", secret={"Authorization": "hush"}))
    assert data_fetch.__doc__ is not None
