"""Downloads: from a server that breaks off, refuses and lies; killed and gone on with; credentials for one host."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspection.data import download as downloads
from inspection.data.download import Remote, download
from inspection.errors import DataError, UserError
from tests.web_server import Site, serving

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
