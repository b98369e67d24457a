"""The page of a plan shows every kind, escapes hostile names, and opens without a network."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from data_checks.dedupe import DedupeOptions, plan_dedupe
from inspection.reporting.dedupe_page import SHOTS, render_dedupe_page, write_dedupe_page
from tests.unit.checks_material import indexed
from tests.unit.reporting_audit import audit
from tests.unit.test_checks_dedupe import again, part

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_every_kind_is_shown_with_its_sentence(tmp_path: Path) -> None:
    images = {
        "ok/a.png": part(1),
        "ok/b.png": again(1),
        "ok/c.png": again(1, defect=True),
        "ok/d.png": part(2),
        "bad/d.png": part(2),
    }
    index = indexed(tmp_path, images)
    plan = plan_dedupe(index, DedupeOptions())
    page = write_dedupe_page(plan, index, tmp_path / "page.html", created=NOW)
    text = page.read_text("utf-8")
    for words in (
        "Contradictions",
        "Copies",
        "One surface",
        "nothing else differs",
        "look at both",
    ):
        assert words in text
    assert "times the noise" in text
    assert not [url for url in audit(text).values("src") if not url.startswith("data:")]
    assert audit(text).unclosed == []


def test_hostile_names_are_text(tmp_path: Path) -> None:
    name = 'ok/<img src=x onerror=alert(1)>&".png'
    index = indexed(tmp_path, {name: part(1), "ok/b.png": part(1)})
    text = render_dedupe_page(plan_dedupe(index, DedupeOptions()), index, created=NOW)
    assert "<img src=x" not in text
    assert "<img src=x onerror=alert(1)>" in audit(text).text.replace("\u200b", "")


def test_nothing_found_is_said_and_many_pairs_are_cut(tmp_path: Path) -> None:
    index = indexed(tmp_path, {"ok/a.png": part(1)})
    text = render_dedupe_page(plan_dedupe(index, DedupeOptions()), index, created=NOW)
    assert "0 copies to drop" in text
    many = {f"ok/{i:03d}.png": part(1) for i in range(SHOTS + 6)}
    index = indexed(tmp_path / "many", many)
    text = render_dedupe_page(plan_dedupe(index, DedupeOptions()), index, created=NOW)
    assert "5 more in the plan" in text
