"""The status page: what is in order, what is not, and nothing that escapes its escaping."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inspection.reporting.status_page import (
    Due,
    Move,
    Ran,
    Status,
    Stream,
    render_status_page,
    write_status_page,
)
from inspection.reporting.stream_chart import Judged, stream_chart
from tests.unit.reporting_audit import audit

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def batches(*drifted: bool, cause: str = "light") -> tuple[Judged, ...]:
    start = NOW - len(drifted) * DAY
    return tuple(
        Judged(start + n * DAY, each, cause if each else "") for n, each in enumerate(drifted)
    )


STATUS = Status(
    name="line_3",
    created=NOW,
    champion="version 7",
    since=NOW - 9 * DAY,
    digest="ab" * 32,
    figures=(("Escapes, at most", "1,200 ppm"),),
    moves=(Move(NOW - 9 * DAY, "champion", "6", "7", "anna", "gate passed <b>"),),
    runs=(
        Ran("line_3-1", "train", NOW - 9 * DAY, "completed", "registered"),
        Ran("line_3-2", "train", NOW, "killed", "power"),
    ),
    streams=(
        Stream("cam1", batches(False, True, True), "7.5 %"),
        Stream("cam2", batches(False, False, False)),
        Stream("cam3", ()),
    ),
    due=(
        Due(
            "nightly",
            "plumbline monitor line.yaml log",
            "0 2 * * *",
            "Europe/Berlin",
            (NOW + DAY,),
            "done",
        ),
        Due("weekly", "plumbline run line.yaml", "0 3 * * 0", "UTC", (), "", paused=True),
    ),
    loop="watching: cam1: light",
)


def test_everything_somebody_looks_for_is_there() -> None:
    found = audit(render_status_page(STATUS))
    for said in (
        "version 7",
        "abababab",
        "1,200 ppm",
        "7.5 %",
        "6 → 7",
        "anna",
        "gate passed <b>",
        "line_3-2",
        "killed",
        "0 2 * * * (Europe/Berlin)",
        "2026-11-22 06:30 UTC",
        "paused",
        "1 of 3",
        "2 of 3",
        "watching: cam1: light",
    ):
        assert said in found.text, said
    assert "In order" in found.text
    assert found.crossed == []


def test_each_batch_has_a_mark_that_says_when_and_why() -> None:
    page = render_status_page(STATUS)
    assert page.count('class="drifted"') == 2
    assert page.count('class="steady"') == 4
    assert "cam1, 2026-11-20 06:30 UTC: drifted: light" in page


def test_worries_come_first() -> None:
    worried = dataclasses.replace(STATUS, worries=("the alias was moved by hand.", "SMTP is down."))
    text = audit(render_status_page(worried)).text
    assert "Needs a look" in text
    assert "the alias was moved by hand. SMTP is down." in text


def test_a_new_line_says_what_to_do_first() -> None:
    bare = Status("line", NOW, "", None, "", (), (), (), (), ())
    text = audit(render_status_page(bare)).text
    for said in (
        "No champion yet",
        "No move yet.",
        "No run yet.",
        "plumbline monitor CONFIG LOG",
        "plumbline schedule add",
    ):
        assert said in text, said


def test_one_batch_alone_has_an_axis_too() -> None:
    single = dataclasses.replace(STATUS, streams=(Stream("cam1", batches(True)),))
    assert render_status_page(single).count('class="drifted"') == 1


def test_it_is_written_whole(tmp_path: Path) -> None:
    target = write_status_page(STATUS, tmp_path / "deep" / "status.html")
    assert target.read_text(encoding="utf-8").endswith("</html>\n")


def test_the_loop_s_sentence_stands_once() -> None:
    def shown(status: Status) -> int:
        return audit(render_status_page(status)).text.count("watching: cam1: light")

    assert shown(STATUS) == 1
    assert shown(dataclasses.replace(STATUS, worries=(STATUS.loop,))) == 1
    assert shown(dataclasses.replace(STATUS, worries=("SMTP is down.",))) == 1


def test_only_moves_of_the_champion_stand_under_its_name() -> None:
    other = Move(NOW, "challenger", "", "8", "bert", "registered")
    page = render_status_page(dataclasses.replace(STATUS, moves=(other, *STATUS.moves)))
    reigns, others = page.index("Moves of the champion"), page.index("Moves of other aliases")
    assert reigns < page.index("anna") < others < page.index("bert")
    assert "2 moves shown" in audit(page).text
    assert "Moves of other aliases" not in render_status_page(STATUS)


@pytest.mark.parametrize("span", [3, 20, 100, 300, 7200, 100_000, 200_000, 400_000, 9_000_000])
def test_no_two_moments_of_the_axis_read_the_same(span: int) -> None:
    apart = (Judged(NOW, False), Judged(NOW + timedelta(seconds=span), False))
    labels = re.findall(r"<text[^>]*>(\d[^<]+)<", str(stream_chart([("cam1", apart)])))
    assert len(labels) >= 4
    assert len(labels) == len(set(labels))


def test_names_of_runs_and_moments_stay_in_one_line() -> None:
    page = render_status_page(STATUS)
    assert '<span class="whole">line_3-1</span>' in page
    assert '<span class="whole">2026-11-12 06:30 UTC</span>' in page
