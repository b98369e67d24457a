"""Bundles promoted and rolled back with everything in them, and every reason not to, on SQLite and on a real server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from deploy.edge.bundle import load_golden, open_bundle
from deploy.edge.errors import TamperedBundle
from deploy.edge.preprocess import preprocess
from deploy.registry.aliases import DIGEST, Hand
from deploy.registry.models import bundle_of, champion_bundle, list_versions, mark_judged
from deploy.registry.moving import Overtaken
from deploy.registry.promotion import Terms, crown, promote, roll_back
from deploy.registry.tracking import URI_SETTING
from inspection.errors import Refused, UserError
from pipelines.cli import run_command_line
from tests.edge_bundles import SPEC
from tests.registry_server import free_port
from tests.registry_sites import Site, empty_database, server_url, site

__all__ = ["empty_database", "server_url", "site"]
pytestmark = pytest.mark.process

WHY = Hand("it is better", who="ann@line")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a bundle, byte for byte."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def command(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `plumbline … --json` in the first home: its document."""
    monkeypatch.setenv("PLUMBLINE_STORE", str(site.store.root))

    def run(*arguments: object, code: int = 0) -> dict[str, Any]:
        found = run_command_line([*map(str, arguments), "--json"])
        out, err = capsys.readouterr()
        assert found == code, err + out
        if code in (1, 2) or "faults" in out:
            assert len(err.strip().splitlines()) == 1
        document: dict[str, Any] = json.loads(out)
        return document

    return run


def test_promote_and_rollback__whole_story_from_two_homes(
    site: Site, tmp_path: Path, command: Any
) -> None:
    first = site.registered(tmp_path, name="first")
    assert promote(site.store, site.name, 1, WHY).before is None
    before = contents(champion_bundle(site.store, site.name))
    second = site.registered(tmp_path, name="second")
    # Asked for in the other home, where nothing of it lies.
    moved = promote(site.other, site.name, 2, WHY)
    assert (moved.before, moved.holder) == (first, second)
    assert moved.bundle == site.other.bundles / second.digest
    assert site.aliases == {"challenger": 2, "champion": 2, "previous": 1}
    assert champion_bundle(site.store, site.name).name == second.digest

    document = command("rollback", site.name, "--reason", "scratches escape", "--who", "bob")
    assert (document["version"], document["digest"], document["entry"]) == (1, first.digest, 5)
    restored = Path(document["bundle"])
    assert contents(restored) == before
    assert {"manifest.json", "certificate.json"} < before.keys()
    assert any(name.startswith("drift_reference") for name in before)
    assert site.aliases == {"challenger": 2, "champion": 1}
    assert champion_bundle(site.other, site.name).name == first.digest

    told = command("history", site.name)
    assert [entry["kind"] for entry in told["entries"]] == [
        "register",
        "promote",
        "register",
        "promote",
        "rollback",
    ]
    last = told["entries"][-1]
    assert (last["who"], last["reason"]) == ("bob", "scratches escape")
    assert last["evidence"]["bundle"] == first.digest
    assert told["entries"][1]["evidence"]["gate_sentence"] == "all is well."
    assert (told["findings"], told["strays"], told["void"], told["clocks"]) == ([], [], [], [])
    now = command("who", site.name)
    assert [holder["version"] for holder in now["holders"]] == [1]
    moment = told["entries"][3]["time"]
    asked = command("who", site.name, "--on", moment)
    assert [holder["digest"] for holder in asked["holders"]] == [second.digest]
    day = command("who", site.name, "--on", moment[:10])
    assert {1, 2} >= {holder["version"] for holder in day["holders"]}
    assert command("who", site.name, "--on", "2001-01-01")["holders"] == []


def test_promote__a_plain_client_runs_the_champion(site: Site, tmp_path: Path) -> None:
    site.registered(tmp_path)
    promote(site.store, site.name, 1, WHY)
    golden = load_golden(open_bundle(champion_bundle(site.store, site.name)))
    images = np.stack([preprocess(pixels, SPEC) for pixels in golden.pixels])
    model = mlflow.pyfunc.load_model(f"models:/{site.name}@champion")
    found = model.predict(images)["probabilities"]
    np.testing.assert_allclose(found, golden.outputs.probabilities, atol=1e-5)
    assert [version.name for version in list_versions(site.store, site.name)] == [site.name]


def test_promote__only_what_a_gate_let_through(site: Site, tmp_path: Path, command: Any) -> None:
    holder = site.registered(tmp_path, judged=False)
    asked = ("promote", site.name, 1, "--reason", "why not")
    assert "was never judged by a gate" in command(*asked, code=3)["faults"][0]
    mark_judged(site.store, site.name, holder.digest, passed=False, sentence="it loses dents.")
    assert "was refused by the gate: it loses dents.;" in command(*asked, code=3)["faults"][0]
    assert site.aliases == {"challenger": 1}
    command(*asked, "--to", "shadow")
    assert command(*asked, "--force")["version"] == 1
    evidence = command("history", site.name)["entries"][-1]["evidence"]
    assert (evidence["gate"], evidence["forced"]) == ("refused", "true")
    assert site.aliases == {"challenger": 1, "champion": 1, "shadow": 1}


def test_promote__a_version_beyond_any_database_is_the_users_mistake() -> None:
    assert run_command_line(["promote", "anything", str(2**64), "--reason", "why not"]) == 2


def test_promote__mistakes_are_a_sentence_each(site: Site, tmp_path: Path, command: Any) -> None:
    site.registered(tmp_path)
    why = ("--reason", "why not")
    said = command("promote", "nobody", 1, *why, code=2)["faults"][0]
    assert said.startswith("no model 'nobody' in the registry: there are ")
    assert site.name in said
    said = command("promote", site.name, 7, *why, code=2)["faults"][0]
    assert said == f"'{site.name}' has no version 7: it has 1; see 'plumbline models'"
    said = command("promote", site.name, 1, "--to", "king", *why, code=2)["faults"][0]
    assert said == "nothing is promoted to 'king'; give champion, challenger, shadow"
    said = command("promote", site.name, 1, "--to", "previous", *why, code=2)["faults"][0]
    assert "'previous': it follows the champion by itself" in said
    said = command("promote", site.name, 1, "--reason", " ", code=2)["faults"][0]
    assert "the reason of a move must be one line" in said
    said = command("promote", site.name, 1, "--expect", 4, *why, code=3)["faults"][0]
    assert "the champion of " in said
    assert "is nobody, expected was version 4: nothing was moved" in said
    assert (
        "there is nothing to go back to"
        in command("rollback", site.name, *why, code=2)["faults"][0]
    )
    for asked in (("history", "nobody"), ("who", "nobody"), ("rollback", "nobody", *why)):
        assert "no model 'nobody'" in command(*asked, code=2)["faults"][0]
    assert "no alias 'king'" in command("who", site.name, "--alias", "king", code=2)["faults"][0]
    assert "is no date" in command("who", site.name, "--on", "x", code=2)["faults"][0]
    assert "is no date" in command("who", site.name, "--on", "", code=2)["faults"][0]
    assert "lies ahead" in command("who", site.name, "--on", "2999-01-01", code=2)["faults"][0]
    assert site.aliases == {"challenger": 1}


def test_history__of_a_stray_alias_ends_with_code_3(
    site: Site, tmp_path: Path, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    site.registered(tmp_path)
    command("promote", site.name, 1, "--reason", "why not")
    site.registered(tmp_path, name="second")
    site.client.set_registered_model_alias(site.name, "champion", "2")
    (stray,) = command("history", site.name, code=3)["strays"]
    assert "stands at version 2, the ledger says version 1" in stray
    assert command("who", site.name)["strays"] == [stray]
    assert champion_bundle(site.store, site.name).name == bundle_of(site.store, site.name, 1).name
    assert "moved outside" in command("promote", site.name, 2, "--reason", "x", code=3)["faults"][0]
    told = command("promote", site.name, 2, "--reason", "x", "--adopt")
    assert (told["entry"], told["adopted"]) == (None, {"entry": 4, "found": stray})
    assert [e["kind"] for e in command("history", site.name)["entries"]][-1] == "adopt"
    site.client.set_registered_model_alias(site.name, "champion", "1")
    assert run_command_line(["promote", site.name, "1", "--reason", "x", "--adopt"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Adopted   by entry 5, which found: alias 'champion' of ")
    assert "Ledger    no further move written: the alias stood there" in lines
    assert run_command_line(["history", site.name]) == 0
    assert f"Adopted   by entry 4, which found: {stray}" in capsys.readouterr().out


def test_rollback__of_a_bundle_that_was_changed_moves_nothing(site: Site, tmp_path: Path) -> None:
    if site.kind != "sqlite":
        pytest.skip("the server's files are the server's")
    site.registered(tmp_path, name="first")
    promote(site.store, site.name, 1, WHY)
    second = site.registered(tmp_path, name="second")
    promote(site.store, site.name, 2, WHY)
    shutil.rmtree(site.store.bundles)
    (first,) = (
        p
        for p in site.store.mlflow_artifacts.rglob("certificate.json")
        if second.digest not in str(p)
    )
    certificate = first.read_bytes()
    first.unlink()
    with pytest.raises(TamperedBundle, match=r"certificate\.json is missing"):
        roll_back(site.store, site.name, WHY)
    first.write_bytes(certificate)
    site.client.set_model_version_tag(site.name, "1", DIGEST, second.digest)
    with pytest.raises(UserError, match="carries no bundle"):
        roll_back(site.store, site.name, WHY)
    assert site.aliases == {"challenger": 2, "champion": 2, "previous": 1}


def test_crown__only_over_the_champion_that_the_gate_saw(site: Site, tmp_path: Path) -> None:
    first = site.registered(tmp_path, name="first")
    crown(site.store, site.name, 1, WHY, compared_with=None)
    second = site.registered(tmp_path, name="second")
    with pytest.raises(Refused, match="with no champion, but by now there is champion"):
        crown(site.store, site.name, 2, WHY, compared_with=None)
    crown(site.store, site.name, 2, WHY, compared_with=f"champion {first.digest[:12]}")
    assert site.aliases["champion"] == 2
    crown(site.store, site.name, 2, WHY, compared_with="champion whoever")  # it is champion already
    assert champion_bundle(site.other, site.name).name == second.digest


def test_promote__since_somebody_looked(site: Site, tmp_path: Path) -> None:
    site.registered(tmp_path, name="first")
    site.registered(tmp_path, name="second")
    seen = site.standing()
    promote(site.other, site.name, 2, WHY)
    with pytest.raises(Overtaken, match="champion nobody -> 2"):
        promote(site.store, site.name, 1, WHY, terms=Terms(seen=seen))


def test_a_server_that_is_not_there_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLUMBLINE_STORE", str(tmp_path))
    monkeypatch.setenv(URI_SETTING, f"http://ann:secret@127.0.0.1:{free_port()}")
    for asked in (["history", "demo"], ["promote", "demo", "1", "--reason", "x"], ["models"]):
        assert run_command_line(asked) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "PLUMBLINE_TRACKING_URI: no MLflow server to work with at 'http://127.0.0.1:" in line
        assert "secret" not in line
