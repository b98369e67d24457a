from __future__ import annotations

import re
import socket
import warnings
from html.parser import HTMLParser

import pytest

from data_checks.drift import signal_threshold
from data_checks.drift_report import drift_html
from inspection.config import MonitorConfig
from inspection.errors import DataError
from tests.unit.checks_material import batch

pytestmark = pytest.mark.process

LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Loads(HTMLParser):
    """Collects what a page would fetch when opened."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        value = dict(attrs).get(LOADING.get(tag, ""))
        if value and not value.startswith("data:"):
            self.found.append(value)


@pytest.fixture(scope="module")
def page() -> str:
    patch = pytest.MonkeyPatch()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the page's maker reached for the network")

    patch.setattr(socket.socket, "connect", refuse)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            html = drift_html(batch(1, 60, light=-30), batch(0, 90), classes=("ok", "dent", "pit"))
    finally:
        patch.undo()
    assert [str(item.message) for item in caught if "evidently" in str(item.filename)] == []
    return html


def test_page__loads_nothing(page: str) -> None:
    loads = Loads()
    loads.feed(page)

    assert loads.found == []
    styles = "".join(re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL))
    assert "@font-face" in styles
    assert not re.search(r"@import|url\(\s*['\"]?https?:", styles)


def test_page__names_columns_methods_and_thresholds(page: str) -> None:
    for column in (
        "brightness",
        "contrast",
        "sharpness",
        "confidence",
        "novelty",
        "predicted class",
    ):
        assert column in page
    assert "K-S p_value" in page
    assert "Hellinger" in page


def test_page__uses_the_thresholds_of_the_verdict(page: str) -> None:
    threshold = f"{signal_threshold(MonitorConfig()):.3g}"

    assert f"Kolmogorov-Smirnov, drift when p &lt; {threshold}." in page
    assert re.search(r"Hellinger distance, drift when &gt; 0\.\d+", page)


def test_page__calls_one_moved_column_drift(page: str) -> None:
    assert "Dataset Drift is detected" in page


def test_page__keeps_embeddings_out(page: str) -> None:
    assert "embedding" not in page


def test_page__of_a_batch_that_is_too_small_is_refused() -> None:
    with pytest.raises(DataError, match="needs at least 30"):
        drift_html(batch(1, 10), batch(0, 90))


def test_limit_of_the_class_mix__matches_the_verdict() -> None:
    from data_checks.drift import detect_drift
    from data_checks.drift_report import _label_limit

    config, reference = MonitorConfig(), batch(0, 90)
    for seed in range(8):
        current = batch(seed, 60 + 5 * seed)
        limit = _label_limit(current, reference, config)
        verdict = detect_drift(current, reference, config, ("a", "b", "c"))
        signal = next(one for one in verdict.signals if one.name == "predicted class")
        assert (signal.effect > limit) == signal.drifted
