"""Signing keys: made once, moved and never deleted, opened by their passphrase alone."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from deploy.edge.bundle import open_bundle
from deploy.edge.errors import UntrustedBundle
from deploy.edge.signing import read_trust
from deploy.export.keys import (
    PASSPHRASE,
    exposed_keys,
    find_key,
    list_keys,
    new_key,
    retire_key,
    sign_bundle,
    sign_manifest,
    signing_keys,
    trusted_folder,
)
from inspection.errors import UserError
from inspection.store import Store
from tests.edge_bundles import write_bundle
from tests.signed_bundles import fingerprint, key, private_pem


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv(PASSPHRASE, raising=False)
    return Store(tmp_path / "store")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def test_new_key__is_a_pair_that_its_owner_alone_can_read(store: Store) -> None:
    made = new_key(store)
    assert (made.name, made.signs, made.trusted, made.encrypted) == ("key-1", True, True, False)
    private = store.keys / "private/key-1.pem"
    assert private.stat().st_mode & 0o777 == 0o600
    assert private.parent.stat().st_mode & 0o777 == 0o700
    opened = load_pem_private_key(private.read_bytes(), None)
    public = load_pem_public_key((trusted_folder(store) / "key-1.pub").read_bytes())
    assert opened.public_key() == public
    assert fingerprint(opened) == made.fingerprint
    assert [path.name for path in trusted_folder(store).iterdir()] == ["key-1.pub"]
    assert exposed_keys(store) == ()


def test_names__are_never_used_twice(store: Store) -> None:
    assert [new_key(store).name for _ in range(2)] == ["key-1", "key-2"]
    before = {path: path.read_bytes() for path in store.keys.rglob("*.p*") if path.is_file()}
    retire_key(store, "key-1", distrust=True)
    for name in ("key-1", "key-2"):
        with pytest.raises(UserError, match="none is overwritten"):
            new_key(store, name)
    assert new_key(store).name == "key-3"
    for path, data in before.items():
        assert data in [p.read_bytes() for p in store.keys.glob(f"*/{path.name}")]


@pytest.mark.parametrize("name", ["", "../out", "a/b", ".hidden", "a b", "x" * 65, "-x", "a\n"])
def test_odd_name__is_refused(name: str, store: Store) -> None:
    with pytest.raises(UserError, match="letters, digits"):
        new_key(store, name)
    assert not store.root.exists()


def test_several_at_once__make_keys_of_their_own(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda _: new_key(store).name, range(8)))
    assert sorted(names) == [f"key-{i}" for i in range(1, 9)]
    assert len({k.fingerprint for k in list_keys(store)}) == 8


def test_passphrase__opens_and_nothing_else_does(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE, "three words long")
    assert new_key(store).encrypted
    pem = (store.keys / "private/key-1.pem").read_bytes()
    assert b"ENCRYPTED" in pem
    assert list(signing_keys(store)) == ["key-1"]
    assert fingerprint(signing_keys(store)["key-1"]) == list_keys(store)[0].fingerprint
    monkeypatch.setenv(PASSPHRASE, "three words wrong")
    with pytest.raises(UserError, match=f"{PASSPHRASE} does not open it") as caught:
        signing_keys(store)
    assert "three words" not in str(caught.value)
    monkeypatch.delenv(PASSPHRASE)
    with pytest.raises(UserError, match=f"has a passphrase: set {PASSPHRASE}"):
        signing_keys(store)
    retire_key(store, "key-1", distrust=False)  # needs none
    assert list_keys(store)[0].encrypted


def test_passphrase__does_not_hinder_a_key_without_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_key(store)
    monkeypatch.setenv(PASSPHRASE, "set for another")
    assert list(signing_keys(store)) == ["key-1"]


@pytest.mark.parametrize("content", [b"", b"rubbish", private_pem(key(1))[:-40]])
def test_private_key_that_is_none__is_told(content: bytes, store: Store) -> None:
    new_key(store)
    (store.keys / "private/key-1.pem").write_bytes(content)
    with pytest.raises(UserError, match=r"key-1\.pem' cannot be read; restore it"):
        sign_manifest(store, b"{}")


def test_private_key_of_another_kind__is_told(store: Store) -> None:
    new_key(store)
    other = rsa.generate_private_key(65537, 2048)
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (store.keys / "private/key-1.pem").write_bytes(pem)
    with pytest.raises(UserError, match="no Ed25519 key"):
        signing_keys(store)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_private_key_that_others_may_read__is_warned_of(mode: int, store: Store) -> None:
    new_key(store)
    path = store.keys / "private/key-1.pem"
    path.chmod(mode)
    (said,) = exposed_keys(store)
    assert f"{mode:o}" in said
    assert f"chmod 600 {path}" in said
    retire_key(store, "key-1", distrust=True)
    assert "retired/key-1.pem" in exposed_keys(store)[0]


def test_retire__stops_signing_and_then_trusting(store: Store, bundle: Path) -> None:
    old, new = new_key(store, "old"), new_key(store, "new")
    retired = retire_key(store, "old", distrust=False)
    assert (retired.signs, retired.trusted) == (False, True)
    assert sign_bundle(store, bundle) == (new.fingerprint,)
    with pytest.raises(UserError, match="retired already"):
        retire_key(store, "old", distrust=False)
    assert [k.name for k in read_trust(trusted_folder(store)).keys] == ["new", "old"]
    gone = retire_key(store, "old", distrust=True)
    assert (gone.fingerprint, gone.trusted) == (old.fingerprint, False)
    assert [k.name for k in read_trust(trusted_folder(store)).keys] == ["new"]
    with pytest.raises(UserError, match="retired already"):
        retire_key(store, "old", distrust=True)
    with pytest.raises(UserError, match=r"no key 'odl'.*new, old"):
        find_key(store, "odl")


def test_rotation__no_device_ever_stands_still(store: Store, tmp_path: Path) -> None:
    """Old key; both; new alone: at each step the devices of the step before run the bundle."""
    old, new = write_bundle(tmp_path / "a"), write_bundle(tmp_path / "b", name="b")
    new_key(store, "old")
    sign_bundle(store, old)
    only_old = read_trust(shutil.copytree(trusted_folder(store), tmp_path / "only_old"))
    new_key(store, "new")
    sign_bundle(store, old)
    sign_bundle(store, new)
    both = read_trust(trusted_folder(store))
    for folder in (old, new):
        assert open_bundle(folder, only_old).signers
        assert len(open_bundle(folder, both).signers) == 2
    retire_key(store, "old", distrust=True)
    only_new = read_trust(trusted_folder(store))
    assert open_bundle(old, only_new).signers
    last = write_bundle(tmp_path / "c", name="c")
    sign_bundle(store, last)
    assert open_bundle(last, both).signers
    with pytest.raises(UntrustedBundle):
        open_bundle(last, only_old)


def test_killed_while_making_a_key__nothing_signs_and_the_secret_is_swept(store: Store) -> None:
    private = store.keys / "private"
    private.mkdir(parents=True)
    (private / ".key-1.pem.x1y2.pem").write_bytes(private_pem(key(1))[:50])
    assert signing_keys(store) == {}
    new_key(store)
    assert [path.name for path in private.iterdir()] == ["key-1.pem"]
