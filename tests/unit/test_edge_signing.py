"""A device runs what a trusted key signed, and nothing else; each way round it is tried."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deploy.edge.bundle import open_bundle
from deploy.edge.errors import BundleError, TamperedBundle, UntrustedBundle
from deploy.edge.signing import PublicKey, Signature, Trust, read_signatures, read_trust
from tests.edge_bundles import resign, write_bundle
from tests.signed_bundles import entry, fingerprint, key, keys_folder, sign

OLD, NEW, OTHER = key(1), key(2), key(3)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return read_trust(keys_folder(tmp_path / "keys", old=OLD))


def refused(folder: Path, trust: Trust | None, *says: str, kind: type[BundleError]) -> None:
    with pytest.raises(BundleError) as caught:
        open_bundle(folder, trust)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    for text in says:
        assert text in str(caught.value)


def test_signed_bundle__opens_and_says_who_signed(bundle: Path, trust: Trust) -> None:
    before = open_bundle(bundle)
    opened = open_bundle(sign(bundle, OLD, OTHER), trust)
    assert [(k.name, k.fingerprint) for k in opened.signers] == [("old", fingerprint(OLD))]
    assert [s.key for s in opened.signatures] == [fingerprint(OLD), fingerprint(OTHER)]
    assert opened.digest == before.digest
    assert (before.signers, before.signatures) == ((), ())


def test_without_keys__the_caller_answers_for_the_origin(bundle: Path) -> None:
    assert open_bundle(sign(bundle, OTHER)).signers == ()


def test_unsigned__is_refused_with_the_remedy(bundle: Path, trust: Trust) -> None:
    refused(bundle, trust, "not signed", "plumbline keys sign", "--unsigned", kind=UntrustedBundle)


def test_another_key__is_refused_and_both_fingerprints_named(bundle: Path, trust: Trust) -> None:
    says = (fingerprint(OTHER)[:16], f"old ({fingerprint(OLD)[:16]})", "signed by")
    refused(sign(bundle, OTHER), trust, *says, kind=UntrustedBundle)


def test_another_key_that_calls_itself_ours__is_refused(bundle: Path, trust: Trust) -> None:
    message = b"plumbline bundle manifest v1\n" + (bundle / "manifest.json").read_bytes()
    forged = {**entry(OTHER, message), "key": fingerprint(OLD)}
    document = {"schema": 1, "signatures": [forged]}
    (bundle / "signature.json").write_text(json.dumps(document))
    refused(bundle, trust, "not what old (", kind=TamperedBundle)


def test_manifest_edited_and_hashed_anew__is_refused(bundle: Path, trust: Trust) -> None:
    sign(bundle, OLD)
    resign(bundle, name="another")
    assert open_bundle(bundle).manifest.name == "another"  # a skilled forger: the hashes fit
    refused(bundle, trust, "not what old (", "do not run it", kind=TamperedBundle)


def test_signature_of_another_bundle__is_refused(bundle: Path, trust: Trust) -> None:
    other = sign(write_bundle(bundle.parent / "other", name="other"), OLD)
    shutil.copy(other / "signature.json", bundle)
    refused(bundle, trust, "belongs to another bundle", kind=TamperedBundle)


@pytest.mark.parametrize("prefix", [b"", b"plumbline bundle manifest v1", b"x" * 29])
def test_signature_for_another_purpose__is_refused(
    prefix: bytes, bundle: Path, trust: Trust
) -> None:
    refused(sign(bundle, OLD, prefix=prefix), trust, "not what old", kind=TamperedBundle)


def test_altered_file_of_a_signed_bundle__is_found_by_its_hash(bundle: Path, trust: Trust) -> None:
    sign(bundle, OLD)
    with (bundle / "golden/000.png").open("ab") as stream:
        stream.write(b"\0")
    refused(bundle, trust, "golden/000.png was changed", kind=TamperedBundle)


@pytest.mark.parametrize("manifest", [b"no json at all", b"[" * 100_000, b"\xff\xfe{}", b""])
def test_manifest__is_not_parsed_before_the_signature_holds(
    manifest: bytes, bundle: Path, trust: Trust
) -> None:
    (bundle / "manifest.json").write_bytes(manifest)
    refused(bundle, None, "manifest.json cannot be read", kind=BundleError)
    refused(bundle, trust, "is not signed", kind=UntrustedBundle)
    refused(sign(bundle, OTHER), trust, "is signed by", kind=UntrustedBundle)
    sign(bundle, OLD)
    (bundle / "manifest.json").write_bytes(manifest + b" ")
    refused(bundle, trust, "not what old", kind=TamperedBundle)
    refused(sign(bundle, OLD), trust, "manifest.json cannot be read", kind=BundleError)


@pytest.mark.parametrize("signed", [(OLD,), (OLD, NEW), (NEW,)])
@pytest.mark.parametrize("trusted", [("old",), ("old", "new"), ("new",)])
def test_rotation__accepts_exactly_what_a_trusted_key_signed(
    signed: tuple[Any, ...], trusted: tuple[str, ...], bundle: Path, tmp_path: Path
) -> None:
    named = {"old": OLD, "new": NEW}
    device = read_trust(keys_folder(tmp_path / "device", **{name: named[name] for name in trusted}))
    shared = [name for name in sorted(trusted) if named[name] in signed]
    sign(bundle, *signed)
    if shared:
        assert [k.name for k in open_bundle(bundle, device).signers] == shared
    else:
        refused(bundle, device, "is signed by", kind=UntrustedBundle)


def test_one_broken_signature_beside_a_sound_one__does_not_matter(
    bundle: Path, trust: Trust
) -> None:
    sign(bundle, OLD)
    document = json.loads((bundle / "signature.json").read_bytes())
    broken = {"key": fingerprint(OLD), "signature": base64.b64encode(bytes(64)).decode()}
    for order in ([broken, *document["signatures"]], [*document["signatures"], broken]):
        (bundle / "signature.json").write_text(json.dumps({**document, "signatures": order}))
        assert [k.name for k in open_bundle(bundle, trust).signers] == ["old"]


MANIFEST = b'{"a":1}'
SOUND = OLD.sign(b"plumbline bundle manifest v1\n" + MANIFEST)
ALONE = Trust("here", (PublicKey("old", OLD.public_key().public_bytes_raw()),))


def test_every_flipped_bit_of_a_signature__is_refused() -> None:
    for bit in range(8 * len(SOUND)):
        value = bytearray(SOUND)
        value[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TamperedBundle):
            ALONE.signers(Path("b"), MANIFEST, [Signature(fingerprint(OLD), bytes(value))])


@given(
    st.binary(max_size=200) | st.sampled_from([MANIFEST + b" ", b"\n" + MANIFEST, MANIFEST[:-1]])
)
def test_other_bytes_than_those_signed__are_refused(data: bytes) -> None:
    sound = [Signature(fingerprint(OLD), SOUND)]
    assert ALONE.signers(Path("b"), MANIFEST, sound)
    assume(data != MANIFEST)
    with pytest.raises(TamperedBundle):
        ALONE.signers(Path("b"), data, sound)


def document(**changes: Any) -> Any:
    return {"schema": 1, "signatures": [entry(OLD, b"x")], **changes}


def one(**changes: Any) -> Any:
    return document(signatures=[{**entry(OLD, b"x"), **changes}])


TEXT = base64.b64encode(bytes(64)).decode()
ODD: dict[str, Any] = {
    "empty": b"",
    "not JSON": b"-----BEGIN",
    "no object": [],
    "null": None,
    "no signatures": {"schema": 1},
    "empty list": document(signatures=[]),
    "too many": document(signatures=[entry(OLD, b"x")] * 17),
    "no list": document(signatures={}),
    "more keys": document(more=1),
    "later schema": document(schema=2),
    "schema as text": document(schema="1"),
    "schema as truth": document(schema=True),
    "text for a signature": document(signatures=["x"]),
    "short key": one(key="ab"),
    "capital key": one(key=fingerprint(OLD).upper()),
    "key is a number": one(key=1),
    "more in an entry": one(name="me"),
    "short signature": one(signature=base64.b64encode(bytes(63)).decode()),
    "long signature": one(signature=base64.b64encode(bytes(65)).decode()),
    "no base64": one(signature="*" * 88),
    "line breaks": one(signature=TEXT[:40] + "\n" + TEXT[40:]),
    "other alphabet": one(signature=base64.urlsafe_b64encode(b"\xff" * 64).decode()),
    "loose last bits": one(signature=TEXT[:-3] + "B=="),
    "not ASCII": one(signature="é" * 88),
    "signature is null": one(signature=None),
    "key twice": b'{"schema": 1, ' + json.dumps(document()).encode()[1:],
    "nested": b"[" * 60_000,
    "huge number": b'{"schema": ' + b"1" * 60_000 + b', "signatures": []}',
    "not UTF-8": b"\xff\xfe\xfd",
    "too large": json.dumps(document()).encode() + b" " * 70_000,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_signature_file__is_refused_in_one_line(name: str, bundle: Path, trust: Trust) -> None:
    odd = ODD[name] if isinstance(ODD[name], bytes) else json.dumps(ODD[name]).encode()
    (bundle / "signature.json").write_bytes(odd)
    refused(bundle, trust, "signature.json'", "do not run it", kind=TamperedBundle)
    refused(bundle, None, "signature.json'", kind=TamperedBundle)


@given(st.binary(max_size=300))
def test_any_bytes__are_signatures_or_one_line(tmp_path_factory: Any, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "signature.json").write_bytes(data)
    with pytest.raises(TamperedBundle) as caught:
        read_signatures(folder)
    assert "\n" not in str(caught.value)


def test_every_changed_byte_of_a_signature_file__is_refused_or_means_the_same(
    tmp_path: Path, trust: Trust
) -> None:
    (tmp_path / "manifest.json").write_bytes(MANIFEST)
    path = sign(tmp_path, OLD) / "signature.json"
    sound, accepted = path.read_bytes(), 0
    original = read_signatures(tmp_path)
    for place in range(len(sound)):
        for value in {sound[place] ^ 1, sound[place] ^ 32, 0, ord(" "), ord("0"), 255}:
            path.write_bytes(sound[:place] + bytes([value]) + sound[place + 1 :])
            try:
                found = read_signatures(tmp_path)
                trust.signers(tmp_path, MANIFEST, found)
            except (TamperedBundle, UntrustedBundle):
                continue
            assert found == original
            accepted += 1
    assert accepted < len(sound)  # blanks between words, and a byte replaced by itself


def test_linked_signature__is_refused(bundle: Path, trust: Trust) -> None:
    sign(bundle, OLD)
    for target in ("there", "nowhere"):
        (bundle / "signature.json").rename(bundle.parent / "there")
        (bundle / "signature.json").symlink_to(bundle.parent / target)
        refused(bundle, trust, "no regular file", kind=TamperedBundle)
        (bundle / "signature.json").unlink()
        (bundle.parent / "there").rename(bundle / "signature.json")


def test_pipe_or_folder_for_a_signature__is_refused_and_never_read(
    bundle: Path, trust: Trust
) -> None:
    os.mkfifo(bundle / "signature.json")
    refused(bundle, trust, "no regular file", kind=TamperedBundle)
    (bundle / "signature.json").unlink()
    (bundle / "signature.json").mkdir()
    refused(bundle, trust, "no regular file", kind=TamperedBundle)


def test_signature_elsewhere_or_listed_in_the_manifest__is_refused(
    bundle: Path, trust: Trust
) -> None:
    shutil.copy(sign(bundle, OLD) / "signature.json", bundle / "golden")
    refused(bundle, trust, "golden/signature.json was added", kind=TamperedBundle)
    (bundle / "golden/signature.json").unlink()
    files = json.loads((bundle / "manifest.json").read_bytes())["files"]
    resign(bundle, files={**files, "signature.json": "0" * 64})
    refused(sign(bundle, OLD), trust, "no path inside it", kind=TamperedBundle)


def test_unsigned__needs_no_cryptography(bundle: Path) -> None:
    program = (
        "import sys; from deploy.edge.cli import main\n"
        f"code = main(['verify', {str(bundle)!r}, '--unsigned'])\n"
        "assert not code and not [n for n in sys.modules if n.startswith('cryptography')]"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
