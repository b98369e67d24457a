"""The report in a real browser: nothing is fetched, nothing complains, everything shows, the buttons work."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_checks.drift import Watched
from inspection.reporting.monitor_report import MonitorReport, write_monitor_report
from inspection.reporting.report import render_report, write_report
from tests.browser_page import Browser
from tests.unit.reporting_material import NOW, drift, full_run
from tests.unit.small_report_material import small_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return write_report(full_run(folder / "data", 14), folder / "report.html")


def test_the_report_opens_without_network_or_complaint(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert browser.requests == [report.as_uri()]
    assert browser.complaints == []


def test_every_chapter_and_every_picture_shows(browser: Browser, report: Path) -> None:
    browser.open(report)
    heights = browser.value(
        "Object.fromEntries([...document.querySelectorAll('main > section')]"
        ".map(s => [s.id, s.getBoundingClientRect().height]))"
    )
    assert len(heights) == 16
    assert min(heights.values()) > 60
    pictures = browser.value("[...document.images].map(i => i.complete && i.naturalWidth)")
    assert len(pictures) > 30
    assert all(pictures)
    charts = browser.value(
        "[...document.querySelectorAll('.chart')].map(c => c.getBoundingClientRect().height)"
    )
    assert len(charts) >= 6
    assert min(charts) > 150


@pytest.mark.parametrize("width", [390, 820, 1366, 1920])
def test_no_width_needs_sideways_scrolling(browser: Browser, report: Path, width: int) -> None:
    browser.open(report, width=width)
    assert browser.value("document.documentElement.scrollWidth") <= width


def test_dark_and_light_follow_the_system_and_the_button(browser: Browser, report: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.open(report)
    light = browser.value(ground)
    browser.open(report, scheme="dark")
    dark = browser.value(ground)
    assert light != dark
    browser.value("[...document.querySelectorAll('.tools button')].at(-1).click()")
    assert browser.value(ground) == light


def test_a_picture_opens_large_and_the_keys_turn_pages(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.value("document.querySelector('#mistakes .zoom').click()")
    shown = "document.querySelector('.lightbox .words').textContent"
    first = browser.value(shown)
    assert browser.value("document.querySelector('.lightbox').open")
    assert browser.value("document.querySelector('.lightbox img').height") > 400
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight")
    assert browser.value(shown) != first
    browser.value("document.querySelector('.lightbox .close').click()")
    assert not browser.value("document.querySelector('.lightbox').open")


def test_filters_and_outlines_hide_and_show(browser: Browser, report: Path) -> None:
    browser.open(report)
    seen = "document.querySelectorAll('#quarantine figure:not([hidden])').length"
    every = browser.value(seen)
    browser.value("document.querySelectorAll('#quarantine .filters button')[1].click()")
    assert 0 < browser.value(seen) < every
    browser.value("document.querySelectorAll('#quarantine .filters button')[0].click()")
    assert browser.value(seen) == every
    outline = "getComputedStyle(document.querySelector('.outline')).display"
    assert browser.value(outline) != "none"
    browser.value("document.querySelector('.tools button').click()")
    assert browser.value(outline) == "none"


def test_one_class_of_the_feature_map_can_be_seen_alone(browser: Browser, report: Path) -> None:
    browser.open(report)
    away = "document.querySelectorAll('#features .dots.away').length"
    assert browser.value(away) == 0
    browser.value("document.querySelector('#features .legend button').click()")
    assert browser.value(away) == 5
    browser.value("document.querySelector('#features .legend button').click()")
    assert browser.value(away) == 0


def test_hostile_names_run_nothing(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    attack = '"><img src=x onerror="window.owned=1"><script>window.owned=1<\\script>'
    run = small_run(tmp_path / "data", lambda name: name + attack)
    browser.open(write_report(run, tmp_path / "report.html"))
    browser.value("document.querySelector('.zoom').click()")
    assert browser.value("typeof window.owned") == "undefined"
    assert browser.complaints == []
    assert len(browser.requests) == 1


def test_the_policy_stops_what_escaping_would_miss(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    document = render_report(small_run(tmp_path / "data"))
    planted = "<script>window.owned=1</script><img src=x onerror=window.owned=1>"
    broken = tmp_path / "broken.html"
    broken.write_text(document.replace("<h1>", planted + "<h1>"), encoding="utf-8")
    browser.open(broken)
    assert browser.value("typeof window.owned") == "undefined"
    assert any("Content Security Policy" in words for words in browser.complaints)


def test_the_monitor_page_opens_without_network_or_complaint(
    browser: Browser, tmp_path: Path
) -> None:
    found = Watched(True, "Drifted.", (drift(),), ())
    told = MonitorReport("line 3", NOW, found, "ab" * 32, "today", {"": "evidently.html"})
    page = write_monitor_report(told, tmp_path / "monitor.html")
    browser.open(page)
    assert browser.requests == [page.as_uri()]
    assert browser.complaints == []
    assert browser.value("document.querySelector('.headline').textContent") == "Drifted"
