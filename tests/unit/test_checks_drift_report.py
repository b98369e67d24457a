from __future__ import annotations

import dataclasses
import re
import socket
import warnings
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from data_checks.drift import DriftReference, detect_drift, watch_streams
from data_checks.drift_report import drift_html, report_streams
from inspection.config import EconomicsConfig, MonitorConfig
from inspection.errors import DataError
from inspection.evaluation.economics import Rule
from inspection.evaluation.in_service import in_service
from tests.unit.checks_material import batch

pytestmark = pytest.mark.process

LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
CLASSES = ("ok", "dent", "pit")
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
REFERENCE, DARK = batch(0, 90), batch(1, 60, light=-30)
VERDICT = detect_drift(DARK, REFERENCE, MonitorConfig(), CLASSES)


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
            html = drift_html(DARK, REFERENCE, VERDICT, classes=CLASSES, created=NOW)
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


def test_page__names_columns_and_methods(page: str) -> None:
    for column in ("brightness", "coarseness", "confidence", "novelty", "predicted class"):
        assert column in page
    assert "K-S p_value" in page
    assert "Hellinger" in page


def test_page__opens_with_the_verdict_that_counts(page: str) -> None:
    assert "drift: " in page
    assert "likely cause: light" in page
    assert "calibrated for all signals together at 0.002 per batch" in page


def test_page__keeps_embeddings_out(page: str) -> None:
    assert "embedding_" not in page


def test_page__of_a_batch_that_is_too_small_is_refused() -> None:
    with pytest.raises(DataError, match="needs at least 30"):
        drift_html(batch(1, 10), REFERENCE, VERDICT, classes=CLASSES, created=NOW)


def test_streams__get_a_page_and_a_project_each_and_keep_their_snapshots(tmp_path: Path) -> None:
    from evidently.ui.workspace import Workspace

    arrays = (np.concatenate([one, one]) for one in DARK.vectors().values())
    both = DriftReference(*arrays, streams=np.array(["line 3"] * 60 + ["line 4"] * 60))
    found = watch_streams(both, REFERENCE, MonitorConfig(), CLASSES)
    for _ in range(2):
        kept = (tmp_path / "evidently", "surface", NOW)
        pages = report_streams(both, REFERENCE, found, CLASSES, tmp_path, kept)

    assert pages == {"line 3": "evidently.html", "line 4": "evidently-1.html"}
    assert all((tmp_path / name).stat().st_size > 10_000 for name in pages.values())
    room = Workspace.create(str(tmp_path / "evidently"))
    projects = {project.name: project.id for project in room.list_projects()}
    assert set(projects) == {"surface · line 3", "surface · line 4"}
    assert len(room.list_runs(projects["surface · line 3"])) == 2


def test_note__tells_what_was_decided_where_there_is_a_good_class() -> None:
    seen = (DARK.probabilities, REFERENCE.probabilities)
    decided = in_service(*seen, CLASSES, Rule("ok"), EconomicsConfig())
    assert decided is not None
    said = [
        drift_html(
            DARK,
            REFERENCE,
            dataclasses.replace(VERDICT, decided=each),
            classes=CLASSES,
            created=NOW,
        )
        for each in (decided, None)
    ]
    assert [decided.sentence in page for page in said] == [True, False]
