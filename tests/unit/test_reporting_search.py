"""The search's chapter: every trial with its reason, both pictures, hostile words escaped, odd searches drawn too."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from inspection.evaluation.searched import Searched, State, Trial, Validated
from inspection.learning_config import StudentConfig
from inspection.reporting.chapters.search import search
from inspection.reporting.chapters.training import training
from inspection.reporting.report import render_report
from inspection.reporting.run_report import RunReport
from tests.unit.reporting_audit import audit
from tests.unit.small_report_material import small_run

ASKED = StudentConfig(learning_rate=0.1)
STATES: tuple[State, ...] = ("complete", "complete", "pruned", "failed", "out of time")


def trial(number: int, state: State) -> Trial:
    epochs = {"complete": 5, "pruned": 2, "failed": 0, "out of time": 1}[state]
    curve = tuple(
        Validated(0.5 + 0.05 * number + 0.02 * epoch, 0.6, 0.5) for epoch in range(epochs)
    )
    settings = {"learning_rate": 0.1 / (1 + number), "architecture": f"net<{number}>"}
    return Trial(number, settings, state, curve, 61.0, f"reason <{number}>", "k")


FOUND = Searched(
    ASKED, 1, tuple(map(trial, range(5), STATES)), 1200.0, 1215.0, 60, "the time was up"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    return small_run(tmp_path_factory.mktemp("run"), searched=FOUND)


def chapter(run: RunReport, found: Searched) -> str:
    section = search(dataclasses.replace(run, searched=found))
    assert section is not None
    return str(section.render())


def test_every_trial_is_a_row_with_its_reason(run: RunReport) -> None:
    text = chapter(run, FOUND)
    found = audit(text)
    assert (found.crossed, found.unclosed) == ([], [])
    assert text.count("<tr") == 1 + len(STATES)
    for number, state in enumerate(STATES):
        assert f"reason &lt;{number}&gt;" in text
        assert f">{state}</span>" in text
    assert text.count(">taken<") == 1
    assert "net<" not in text


def test_it_tells_time_end_and_how_to_have_the_same_without_a_search(run: RunReport) -> None:
    text = chapter(run, FOUND)
    assert "20 min of 20 min, 15 s more than asked: the epoch under way was finished" in text
    assert "It ended because the time was up" in text
    assert "student.learning_rate=0.05 student.architecture=net&lt;1&gt;" in text
    assert "no trial saw" in text
    assert "5 trials (1 pruned) in 20 min: learning rate 0.05" in text


def test_both_pictures_hold_every_trial_that_learned(run: RunReport) -> None:
    text = chapter(run, FOUND)
    by_trial, by_epoch = text.split('class="chart"')[1:]
    assert "trial 2 pruned 0.620, trial 4 out of time 0.700" in by_trial
    assert "trial 3" not in by_trial.partition("</svg>")[0]  # it failed before its first epoch
    assert by_epoch.count('class="curve"') == 4
    assert by_epoch.count('class="others"') == 2


@pytest.mark.parametrize("count", [0, 1])
def test_a_search_of_no_or_one_trial_is_drawn_too(run: RunReport, count: int) -> None:
    for state in STATES:
        trials = (trial(0, state),) * count
        found = Searched(ASKED, 0, trials, 60.0, 5.0, 60, "nothing could be tried")
        text = chapter(run, found)
        assert audit(text).unclosed == []
        assert "the config as given" in text


def test_the_training_chapter_names_the_network_that_was_trained(run: RunReport) -> None:
    section = training(run)
    assert section is not None
    assert section.lead.startswith("net<1> learned for")


def test_without_a_search_there_is_no_chapter(run: RunReport, tmp_path: Path) -> None:
    assert search(dataclasses.replace(run, searched=None)) is None
    assert 'id="search"' in render_report(run)
    assert 'id="search"' not in render_report(dataclasses.replace(run, searched=None))
