"""A reading that is killed goes on where it was: nothing is read twice, nothing stale believed, nothing left over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inspection.config import ChecksConfig, DataConfig
from inspection.data import ingest as ingest_module
from inspection.data import unfinished as module
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.inspect_item import describe
from inspection.data.readers.base import RawItem
from inspection.data.unfinished import Unfinished, key_of, unfinished
from inspection.store import Store

IMAGES = 60
KILLS = 10


class Killed(Exception):
    """Stands for a process that ends where it is."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "ok"
    folder.mkdir(parents=True)
    for n in range(IMAGES):
        pixels = np.random.default_rng(n).integers(0, 255, (24, 30, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{n:03}.png")
    return folder.parent


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 5)


def read(root: Path, store: Store) -> ImageIndex:
    config = DataConfig(kind="folder", root=root)
    return ingest(config, ChecksConfig(), store=store, seed=0)


def counted(monkeypatch: pytest.MonkeyPatch, *, stop_after: int = 10**6) -> list[str]:
    """Paths that are described from now on; the one after `stop_after` kills the reading."""
    seen: list[str] = []

    def described(item: RawItem, *rest: object) -> object:
        seen.append(item.path)
        if len(seen) > stop_after:
            raise Killed
        return describe(item, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest_module, "describe", described)
    return seen


def interrupted(root: Path, store: Store, monkeypatch: pytest.MonkeyPatch, after: int) -> Path:
    counted(monkeypatch, stop_after=after)
    with pytest.raises(Killed):
        read(root, store)
    (kept,) = store.unfinished.iterdir()
    return kept


def test_what_was_read_is_not_read_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read(root, Store(tmp_path / "other"))
    store = Store(tmp_path / "store")
    kept = interrupted(root, store, monkeypatch, 40)
    lines = len(kept.read_bytes().splitlines())
    assert 20 <= lines <= 40

    seen = counted(monkeypatch)
    index = read(root, store)

    assert len(seen) == IMAGES - lines
    assert index.to_bytes() == whole.to_bytes()
    assert not store.root.exists()


def test_only_what_is_unchanged_is_taken_over(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    interrupted(root, store, monkeypatch, 40)
    changed = root / "ok" / "003.png"
    Image.new("RGB", (24, 24), "red").save(changed)
    (root / "ok" / "004.png").unlink()

    seen = counted(monkeypatch)
    index = read(root, store)

    assert "ok/003.png" in seen
    assert "ok/004.png" not in set(index.frame["path"])
    assert index.to_bytes() == read(root, Store(tmp_path / "other")).to_bytes()


@pytest.mark.parametrize("tail", [b"", b"torn", b'0123 {"path": ', b"\xff\xfe\n", b"\n\n"])
def test_a_torn_or_foreign_line_is_read_again(
    tail: bytes, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    kept = interrupted(root, store, monkeypatch, 40)
    data = kept.read_bytes()
    kept.write_bytes(data[: len(data) * 2 // 3] + tail)

    monkeypatch.setattr(ingest_module, "describe", describe)
    assert read(root, store).to_bytes() == read(root, Store(tmp_path / "other")).to_bytes()


def test_a_line_that_lies_about_its_row_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    key = "0" * module.KEY
    path.write_bytes(f"{key} [1]\n{'1' * module.KEY} {{\n".encode())
    kept = Unfinished(path)
    assert kept.known == 2
    assert kept.row(key) is None
    assert kept.row("1" * module.KEY) is None
    assert kept.row("absent") is None
    kept.close()


def test_small_sets_write_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY", IMAGES + 1)
    read(root, Store(tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def test_a_store_that_cannot_be_written_stops_nothing(root: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where a folder should be")
    assert len(read(root, Store(tmp_path / "store"))) == IMAGES


def test_a_full_disk_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with unfinished(tmp_path / "kept.jsonl") as kept:
        monkeypatch.setattr(os, "write", full)
        for n in range(20):
            kept.keep(f"{n:0{module.KEY}}", {"path": str(n)})
    assert not (tmp_path / "kept.jsonl").exists()


def test_two_readings_at_once_keep_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    first, second = Unfinished(path), Unfinished(path)
    for n in range(25):
        first.keep(f"a{n:0{module.KEY - 1}}", {"n": n})
        second.keep(f"b{n:0{module.KEY - 1}}", {"n": n})
    both = Unfinished(path)
    assert both.known == 50
    assert both.row(f"b{24:0{module.KEY - 1}}") == {"n": 24}
    for kept in (first, second, both):
        kept.close()


def test_the_key_is_all_that_a_row_is_made_from(root: Path) -> None:
    item = RawItem("ok/000.png", label="ok")
    key = key_of(item, root)
    assert key == key_of(RawItem("ok/000.png", label="ok"), root)
    assert key != key_of(RawItem("ok/000.png", label="bad"), root)
    assert key != key_of(RawItem("ok/000.png", label="ok", mask_path="ok/001.png"), root)
    os.utime(root / "ok" / "000.png", ns=(1, 1))
    assert key != key_of(item, root)
    assert key_of(RawItem("gone.png"), root) != key_of(RawItem("g\0ne.png"), root)


@pytest.mark.process
def test_ten_sigkills_and_the_index_is_that_of_an_undisturbed_reading(
    root: Path, tmp_path: Path
) -> None:
    whole = read(root, Store(tmp_path / "other"))
    script = f"""
import sys, time
from pathlib import Path
from inspection.config import ChecksConfig, DataConfig
from inspection.data import ingest as module, unfinished
from inspection.store import Store

unfinished.EVERY = 2
describe = module.describe
def slowly(item, *rest):
    time.sleep(0.02)
    return describe(item, *rest)
module.describe = slowly
print("reading", flush=True)
config = DataConfig(kind="folder", root=Path({str(root)!r}))
module.ingest(config, ChecksConfig(), store=Store(Path({str(tmp_path / "store")!r})), seed=0)
"""
    random.seed(0)
    kept: list[int] = []
    for _ in range(KILLS):
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(random.uniform(0.0, 0.1))
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()
        lines = [p.read_bytes().count(b"\n") for p in (tmp_path / "store").rglob("*.jsonl")]
        kept.append(sum(lines))
    assert kept == sorted(kept)
    assert 0 < kept[-1] <= IMAGES
    assert read(root, Store(tmp_path / "store")).to_bytes() == whole.to_bytes()
    assert not list((tmp_path / "store").rglob("*.jsonl"))
