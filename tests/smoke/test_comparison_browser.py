"""The comparison's page in a real browser: nothing is fetched, nothing complains, no width scrolls sideways."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspection.reporting.comparison_page import write_comparison_page
from tests.browser_page import Browser
from tests.unit.comparison_page_material import report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    return write_comparison_page(report(folder / "data", 16), folder / "compare.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_it_fits_and_asks_for_nothing(
    browser: Browser, page: Path, width: int, scheme: str
) -> None:
    browser.open(page, width=width, scheme=scheme)
    assert browser.requests == [page.as_uri()]
    assert browser.complaints == []
    assert browser.value("document.documentElement.scrollWidth") <= width


def test_pictures_show_and_marks_are_filled(browser: Browser, page: Path) -> None:
    browser.open(page, width=1200)
    pictures = browser.value("[...document.images].map(i => i.complete && i.naturalWidth)")
    assert pictures
    assert all(pictures)
    fills = browser.value(
        "[...document.querySelectorAll('#pareto .contender .outlined :is(circle, path)')]"
        ".map(m => getComputedStyle(m).fill)"
    )
    assert any("hatch" in fill for fill in fills)
