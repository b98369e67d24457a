"""What the gate counted of the champion's decisions: kept with its version, told by `plumbline status`, or absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.edge.bundle import open_bundle
from deploy.registry.enrolment import Enrolment, enrol
from deploy.registry.measured import ECONOMICS, champion_economics, measured_economics
from deploy.registry.models import mark_judged
from deploy.registry.tracking import TrackedRun
from inspection.config import EconomicsConfig, GateConfig
from inspection.evaluation.economics import Rule
from inspection.evaluation.gate import GateVerdict, gate
from inspection.evaluation.gate_evidence import Evidence
from pipelines.cli import run_command_line
from tests.edge_bundles import write_bundle
from tests.registry_sites import Site, empty_database, site
from tests.unit.gate_material import answered
from tests.unit.reporting_audit import audit

__all__ = ["empty_database", "site"]
pytestmark = pytest.mark.process

ONE = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
CONFIG = "name: {name}\ndata: {{kind: folder, root: images, ok_class: ok}}\n"


def judged(*, missed: int, overkill: int, rule: Rule | None, floor: float = 0.0) -> GateVerdict:
    """The gate on a model that calls so many stains good, and so many good parts something else."""
    found = answered({"crack": missed, "ok": overkill})
    told = Evidence(rule=rule, economics=EconomicsConfig(defect_rate=0.01))
    return gate(found, None, GateConfig(min_accuracy=floor, min_macro_f1=0.0), told)


def enrolled(at: Site, bundle: Path, verdict: GateVerdict) -> Enrolment:
    return enrol(at.store, at.name, bundle, verdict, TrackedRun("run-1"))


def made(folder: Path) -> Path:
    bundle = write_bundle(folder / "made")
    return bundle.rename(bundle.with_name(open_bundle(bundle).digest))


@ONE
def test_the_version_keeps_what_the_gate_counted(site: Site, tmp_path: Path) -> None:
    verdict = judged(missed=3, overkill=6, rule=Rule("ok"))
    version = enrolled(site, made(tmp_path), verdict).version

    assert version is not None
    kept = measured_economics(site.store, site.name, version)
    assert kept is not None
    assert champion_economics(site.store, site.name) == kept
    assert champion_economics(site.store, "another_line") is None
    assert verdict.economics is not None
    assert (kept.escape, kept.overkill) == (verdict.economics.escape, verdict.economics.overkill)
    assert kept.escape_ppm[0] == pytest.approx(1e6 * 0.01 * 3 / 120)
    assert kept.overkill.hits == 6
    assert kept.curve == ()


@ONE
def test_a_gate_that_looks_again_replaces_it_even_when_it_refuses(
    site: Site, tmp_path: Path
) -> None:
    bundle = made(tmp_path)
    version = enrolled(site, bundle, judged(missed=0, overkill=0, rule=Rule("ok"))).version
    refused = judged(missed=30, overkill=0, rule=Rule("ok"), floor=0.99)
    assert enrolled(site, bundle, refused).version is None

    assert version is not None
    kept = measured_economics(site.store, site.name, version)
    assert kept is not None
    assert kept.escape.hits == 30


@ONE
def test_what_was_never_counted_or_cannot_be_read_is_absent(site: Site, tmp_path: Path) -> None:
    bundle = made(tmp_path)
    version = enrolled(site, bundle, judged(missed=0, overkill=0, rule=None)).version
    assert version is not None
    assert measured_economics(site.store, site.name, version) is None
    for said in ("{", '{"escape": 3}', ""):
        mark_judged(
            site.store,
            site.name,
            bundle.name,
            passed=True,
            sentence="good",
            counted={ECONOMICS: said},
        )
        assert measured_economics(site.store, site.name, version) is None


@ONE
def test_status_shows_the_champion_s_escape_and_overkill(
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_STORE", str(site.store.root))
    (tmp_path / "line.yaml").write_text(CONFIG.format(name=site.name))
    bundle = made(tmp_path)

    def status() -> tuple[dict[str, Any] | None, str]:
        page = tmp_path / "status.html"
        page.unlink(missing_ok=True)
        assert run_command_line(["status", "line.yaml", "--out", str(page), "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        return document["economics"], audit(page.read_text(encoding="utf-8")).text

    enrolled(site, bundle, judged(missed=0, overkill=0, rule=None))
    told, page = status()
    assert told is None
    assert "Overkill" not in page

    verdict = judged(missed=3, overkill=6, rule=Rule("ok"))
    enrolled(site, bundle, verdict)
    told, page = status()
    assert verdict.economics is not None
    assert told is not None
    assert told["sentence"] == verdict.economics.sentence
    assert "250 ppm" in page
    low, high = (f"{value:,.0f}" for value in verdict.economics.escape_ppm[1:])
    assert f"{low} to {high}" in page
    assert "6 of 120 good parts" in page
