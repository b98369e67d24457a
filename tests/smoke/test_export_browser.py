"""The export's page in a real browser: nothing is fetched, nothing complains, every chapter shows at every width."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from inspection.reporting.export_report import write_export_report
from tests.browser_page import Browser
from tests.unit.export_report_material import export_report, planned, precision

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export_report(export_report(), tmp_path_factory.mktemp("page") / "report.html")


def test_the_page_opens_without_network_or_complaint(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.requests == [page.as_uri()]
    assert browser.complaints == []
    heights = browser.value(
        "Object.fromEntries([...document.querySelectorAll('main > section')]"
        ".map(s => [s.id, s.getBoundingClientRect().height]))"
    )
    assert len(heights) == 9
    assert min(heights.values()) > 60
    assert (
        browser.value("document.querySelector('#speed .chart').getBoundingClientRect().height")
        > 150
    )


@pytest.mark.parametrize("width", [390, 400, 820, 1366, 1920])
def test_no_width_needs_sideways_scrolling(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width)
    assert browser.value("document.documentElement.scrollWidth") <= width


def test_a_sentence_with_markup_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    attack = '"><img src=x onerror="window.owned=1"><script>window.owned=1</script>'
    hostile = precision("int8_cpu", "refused", attack)
    plan = dataclasses.replace(planned(), precisions=(hostile,))
    browser.open(write_export_report(export_report(plan=plan), tmp_path / "report.html"))
    assert browser.value("typeof window.owned") == "undefined"
    assert browser.complaints == []
    assert len(browser.requests) == 1
