"""Signatures on bundles that stand: added whole, kept when bundles travel, and put there by every export."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deploy.edge.bundle import open_bundle
from deploy.edge.errors import TamperedBundle
from deploy.edge.shelf import add_signatures, install
from deploy.edge.signing import Signature, read_trust
from deploy.export import release
from deploy.export.keys import (
    PASSPHRASE,
    edge_options,
    new_key,
    retire_key,
    sign_bundle,
    trusted_folder,
)
from deploy.export.student_release import release_student
from inspection.errors import UserError
from inspection.models.registry import STUDENTS, Body
from inspection.store import Store
from tests.edge_bundles import write_bundle
from tests.signed_bundles import fingerprint, key, sign
from tests.unit.student_release_material import (
    MEAN,
    STD,
    MeanColour,
    by_hand,
    made_teacher,
    painted,
    written_student,
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv(PASSPHRASE, raising=False)
    return Store(tmp_path / "store")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def test_sign__keeps_digest_files_and_other_signatures(store: Store, bundle: Path) -> None:
    before = open_bundle(sign(bundle, key(7)))
    made = new_key(store)
    for _ in range(2):
        sign_bundle(store, bundle)
    after = open_bundle(bundle, read_trust(trusted_folder(store)))
    assert after.digest == before.digest
    assert [s.key for s in after.signatures] == [fingerprint(key(7)), made.fingerprint]
    assert (bundle / "signature.json").stat().st_mode & 0o777 == 0o644


def test_sign__heals_a_broken_signature(store: Store, bundle: Path) -> None:
    made = new_key(store)
    add_signatures(bundle, [Signature(made.fingerprint, bytes(64))])
    with pytest.raises(TamperedBundle):
        open_bundle(bundle, read_trust(trusted_folder(store)))
    sign_bundle(store, bundle)
    assert open_bundle(bundle, read_trust(trusted_folder(store))).signers


def test_sign__puts_no_name_to_what_was_tampered_with(store: Store, bundle: Path) -> None:
    with pytest.raises(UserError, match="plumbline keys new"):
        sign_bundle(store, bundle)
    new_key(store)
    (bundle / "golden/000.png").write_bytes(b"other")
    with pytest.raises(TamperedBundle, match="was changed"):
        sign_bundle(store, bundle)
    assert not (bundle / "signature.json").exists()


def test_sign__from_inside_the_bundle(
    store: Store, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_key(store)
    monkeypatch.chdir(bundle)
    sign_bundle(store, Path())
    assert open_bundle(bundle, read_trust(trusted_folder(store))).signers


def test_reader_while_signatures_are_added__never_finds_a_file_too_many(
    store: Store, bundle: Path
) -> None:
    done = threading.Event()

    def write() -> None:
        for number in range(1, 17):
            sign_with = key(number)
            add_signatures(bundle, [Signature(fingerprint(sign_with), sign_with.sign(b"x"))])
        done.set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        seen = [len(open_bundle(bundle).signatures)]
        while not done.is_set():
            seen.append(len(open_bundle(bundle).signatures))
        writing.result()
    assert seen == sorted(seen)
    assert len(open_bundle(bundle).signatures) == 16


KILLED = """
import os, signal, sys
from pathlib import Path
from deploy.edge import shelf
from deploy.edge.signing import Signature
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
shelf.add_signatures(Path(sys.argv[1]), [Signature("0" * 64, bytes(64))])
"""


def test_killed_while_signing__the_bundle_is_whole(store: Store, bundle: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(bundle)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert open_bundle(bundle).signatures == ()
    new_key(store)
    sign_bundle(store, bundle)
    assert len(open_bundle(bundle).signatures) == 1
    assert not list(bundle.parent.glob(".building-*"))


def test_install__keeps_signatures_and_adds_those_that_are_missing(
    store: Store, bundle: Path
) -> None:
    placed = install(sign(bundle, key(1)), store.bundles)
    assert open_bundle(placed).signatures == open_bundle(bundle).signatures
    install(sign(bundle, key(2)), store.bundles)
    (bundle / "signature.json").unlink()
    install(bundle, store.bundles)
    found = [s.key for s in open_bundle(placed).signatures]
    assert found == [fingerprint(key(1)), fingerprint(key(2))]
    (placed / "signature.json").write_text("{")
    install(sign(bundle, key(3)), store.bundles)
    assert [s.key for s in open_bundle(placed).signatures] == [fingerprint(key(3))]


def test_words_for_the_device__are_keys_only_where_they_would_open_it(
    store: Store, bundle: Path
) -> None:
    placed = install(bundle, store.bundles)
    assert edge_options(placed) == "--unsigned"
    new_key(store)
    assert edge_options(placed) == "--unsigned"
    sign_bundle(store, placed)
    assert edge_options(placed) == f"--keys {trusted_folder(store)}"
    retire_key(store, "key-1", distrust=True)
    assert edge_options(placed) == "--unsigned"


def test_signature_file__is_what_the_page_says(store: Store, bundle: Path) -> None:
    made = new_key(store)
    sign_bundle(store, bundle)
    document = json.loads((bundle / "signature.json").read_bytes())
    assert set(document) == {"schema", "signatures"}
    (only,) = document["signatures"]
    assert only["key"] == made.fingerprint
    assert len(only["signature"]) == 88


@pytest.fixture(scope="module", autouse=True)
def colours() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STUDENTS, "colours", lambda: Body(MeanColour(), 3, MEAN, STD))
        patch.setattr(release, "export_onnx", by_hand)
        yield


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("home")
    return {
        "student": written_student(home / "student"),
        "teacher": made_teacher(),
        "index": painted(home / "images"),
        "name": "colours",
        "ok_class": "green",
        "test_digest": "t" * 64,
        "hashes": {},
    }


def test_export__signs_with_every_key_and_keeps_the_digest(
    store: Store, inputs: dict[str, Any]
) -> None:
    unsigned = release_student(**inputs, store=Store(store.root / "other"))
    made = [new_key(store), new_key(store)]
    signed = release_student(**inputs, store=store)
    assert signed.digest == unsigned.digest
    assert open_bundle(unsigned.folder).signatures == ()
    opened = open_bundle(signed.folder, read_trust(trusted_folder(store)))
    assert [k.fingerprint for k in opened.signers] == [k.fingerprint for k in made]


def test_export_again__signs_the_bundle_that_stands(store: Store, inputs: dict[str, Any]) -> None:
    first = release_student(**inputs, store=store)
    new_key(store)
    again = release_student(**inputs, store=store)
    assert again == first
    assert open_bundle(again.folder, read_trust(trusted_folder(store))).signers
    retire_key(store, "key-1", distrust=False)
    before = (again.folder / "signature.json").read_bytes()
    assert release_student(**inputs, store=store) == first
    assert (again.folder / "signature.json").read_bytes() == before


def test_export_with_a_locked_key__leaves_nothing(
    store: Store, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE, "secret")
    new_key(store)
    monkeypatch.setenv(PASSPHRASE, "forgotten")
    with pytest.raises(UserError, match="does not open it"):
        release_student(**inputs, store=store)
    assert [path.name for path in store.bundles.iterdir()] == [".lock"]
