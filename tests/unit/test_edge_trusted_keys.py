"""The folder of keys on a device, and `plumbline-edge` with it, without it, and with --unsigned."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deploy.edge.cli import main
from deploy.edge.errors import UserError
from deploy.edge.signing import read_trust
from tests.edge_bundles import pictures, png, write_bundle
from tests.signed_bundles import fingerprint, key, keys_folder, private_pem, sign

OLD, NEW = key(1), key(2)
Captured = pytest.CaptureFixture[str]


def test_keys__are_read_from_pub_files_alone(tmp_path: Path) -> None:
    folder = keys_folder(tmp_path / "keys", line=OLD, site=NEW)
    (folder / "README").write_text("ask the foreman")
    (folder / ".line.pub.half.pub").write_text("torn by a power cut")
    (folder / "older").mkdir()
    names = [(k.name, k.fingerprint) for k in read_trust(folder).keys]
    assert names == [("line", fingerprint(OLD)), ("site", fingerprint(NEW))]


@pytest.mark.parametrize("name", ["line.pub", "line.pem", ".hidden", "id_ed25519"])
def test_private_key_on_a_device__is_refused_loudly(name: str, tmp_path: Path) -> None:
    folder = keys_folder(tmp_path / "keys", old=OLD)
    (folder / name).write_bytes(private_pem(NEW))
    with pytest.raises(UserError, match=r"holds a PRIVATE key.*remove it"):
        read_trust(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ssh-ed25519 AAAA",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"\0" * 70_000,
    ],
)
def test_what_is_no_ed25519_key__is_refused(content: bytes, tmp_path: Path) -> None:
    folder = keys_folder(tmp_path / "keys", old=OLD)
    (folder / "new.pub").write_bytes(content)
    with pytest.raises(UserError, match=r"new\.pub' is not one Ed25519 public key") as caught:
        read_trust(folder)
    assert "\n" not in str(caught.value)


def test_two_keys_in_one_file__are_refused(tmp_path: Path) -> None:
    folder = keys_folder(tmp_path / "keys", old=OLD, new=NEW)
    both = (folder / "old.pub").read_bytes() + (folder / "new.pub").read_bytes()
    (folder / "new.pub").write_bytes(both)
    with pytest.raises(UserError, match="not one Ed25519"):
        read_trust(folder)


def test_key_that_came_through_windows_or_an_editor__is_read(tmp_path: Path) -> None:
    path = keys_folder(tmp_path / "keys", old=OLD) / "old.pub"
    sound = path.read_bytes()
    for data in (sound.replace(b"\n", b"\r\n"), sound + b"\n\n", sound.rstrip(), b"\n" + sound):
        path.write_bytes(data)
        assert read_trust(path.parent).keys[0].fingerprint == fingerprint(OLD)


def test_cut_or_changed_key__is_refused_or_another_key(tmp_path: Path) -> None:
    path = keys_folder(tmp_path / "keys", old=OLD) / "old.pub"
    sound = path.read_bytes().strip()
    for place in range(len(sound)):
        for data in (sound[:place], sound[:place] + b"Z" + sound[place + 1 :]):
            path.write_bytes(data)
            try:
                read = read_trust(path.parent).keys[0]
            except UserError:
                continue
            assert read.fingerprint != fingerprint(OLD) or data == sound


@pytest.mark.parametrize(
    "other",
    [
        x25519.X25519PrivateKey.generate(),  # 32 bytes as well, under another name
        ed448.Ed448PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(65537, 2048),
    ],
)
def test_public_key_of_another_kind__is_refused(other: Any, tmp_path: Path) -> None:
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    folder = keys_folder(tmp_path / "keys")
    (folder / "new.pub").write_bytes(other.public_key().public_bytes(*form))
    with pytest.raises(UserError, match="not one Ed25519 public key"):
        read_trust(folder)


def test_no_keys__are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder of keys"):
        read_trust(tmp_path / "absent")
    with pytest.raises(UserError, match=r"has 0 \.pub files"):
        read_trust(tmp_path)
    keys_folder(tmp_path, **{f"k{i}": key(i) for i in range(65)})
    with pytest.raises(UserError, match=r"has 65 \.pub files"):
        read_trust(tmp_path)


def test_fingerprint__is_what_openssl_says(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on the PATH")
    path = keys_folder(tmp_path, old=OLD) / "old.pub"
    command = [openssl, "pkey", "-pubin", "-in", str(path), "-outform", "DER"]
    der = subprocess.run(command, capture_output=True, check=True).stdout
    digest = subprocess.run(["sha256sum"], input=der, capture_output=True, check=True).stdout
    assert read_trust(tmp_path).keys[0].fingerprint == digest.split()[0].decode()


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """A signed bundle, the keys to trust, one image."""
    sign(write_bundle(tmp_path / "bundle"), OLD)
    keys_folder(tmp_path / "keys", old=OLD)
    (tmp_path / "a.png").write_bytes(png(pictures(1)[0]))
    return tmp_path


COMMANDS = (["verify", "bundle"], ["predict", "bundle", "a.png"], ["bench", "bundle"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command__takes_keys(
    command: list[str], line: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(line)
    assert main([*command, "--keys", "keys"]) == 0
    assert "plumbline-edge predict bundle --keys keys " in capsys.readouterr().err
    monkeypatch.setenv("PLUMBLINE_KEYS", "keys")
    assert main(command) == 0
    assert "--keys" not in capsys.readouterr().err
    monkeypatch.setenv("PLUMBLINE_KEYS", "absent")
    assert main([*command, "--unsigned"]) == 0
    assert "plumbline-edge predict bundle --unsigned " in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("signed", [True, False])
def test_without_keys__every_bundle_is_refused_in_one_line(
    command: list[str],
    signed: bool,
    line: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(line)
    if not signed:
        (line / "bundle/signature.json").unlink()
    for value in ("", " "):
        monkeypatch.setenv("PLUMBLINE_KEYS", value)
        assert main(command) == 2
        found = capsys.readouterr()
        assert found.out == ""
        assert found.err.count("\n") == 1
        for text in ("--keys FOLDER", "PLUMBLINE_KEYS", "--unsigned"):
            assert text in found.err


@pytest.mark.parametrize("command", COMMANDS)
def test_bundle_of_another_maker__is_run_by_no_command(
    command: list[str], line: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(line)
    sign(line / "bundle", NEW)
    assert main([*command, "--keys", "keys"]) == 2
    assert capsys.readouterr().out == ""
    (line / "bundle/signature.json").unlink()
    assert main([*command, "--keys", "keys"]) == 2
    assert "is not signed" in capsys.readouterr().err


def test_verify__shows_who_signed(line: Path, capsys: Captured) -> None:
    bundle, keys = str(line / "bundle"), str(line / "keys")
    assert main(["verify", bundle, "--keys", keys]) == 0
    assert re.search(rf"^signed +by old {fingerprint(OLD)}$", capsys.readouterr().out, re.MULTILINE)
    assert main(["verify", bundle, "--keys", keys, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["signed_by"] == [{"name": "old", "key": fingerprint(OLD)}]
    assert facts["signature_checked"] is True
    assert main(["verify", bundle, "--unsigned"]) == 0
    assert f"not checked; it says by {fingerprint(OLD)}" in capsys.readouterr().out
    (line / "bundle/signature.json").unlink()
    assert main(["verify", bundle, "--unsigned", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["signed_by"], facts["signatures"], facts["signature_checked"]) == ([], [], False)
    assert main(["verify", bundle, "--unsigned"]) == 0
    assert "by nobody, and --unsigned allowed it" in capsys.readouterr().out


def test_keys_and_unsigned__cannot_both_be_said(line: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(line / "bundle"), "--keys", str(line / "keys"), "--unsigned"])
    assert ended.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_empty_keys__are_a_wrong_command_line(line: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["verify", str(line / "bundle"), "--keys", ""])
    assert "is the shell variable behind it set" in capsys.readouterr().err
