"""The chapters on classifiers and on tuning, and the same table in a comparison of runs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inspection.evaluation.classifiers import DISTILLED, MLP, PROBE, TUNED_PROBE, pooled
from inspection.reporting.chapters.classifiers import classifiers
from inspection.reporting.chapters.tuning import tuning
from inspection.reporting.classifier_tables import amount, leading, microseconds
from inspection.reporting.comparison_page import ComparisonReport, render_comparison_page
from inspection.reporting.confusion import confusion_row
from inspection.reporting.run_report import RunReport
from tests.unit.classifier_material import BACKBONE, HEADS, classifiers_of, tuned_material
from tests.unit.reporting_material import NOW, evaluation, full_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    return full_run(tmp_path_factory.mktemp("run"), 14)


def chapter(run: RunReport) -> str:
    found = classifiers(run)
    assert found is not None
    return str(found.render())


def rows(page: str, caption: str) -> list[list[str]]:
    """The cells of the table with this caption, as plain text."""
    table = page.split(f"<caption>{caption}</caption>")[1].split("</table>")[0]
    found = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in table.split("<tr")]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in found if row]


def test_all_four_stand_in_every_table_when_tuned(run: RunReport) -> None:
    page = chapter(run)
    for caption in ("Classifiers on the test set", "What each costs, end to end"):
        names = [row[0].replace("taught the student", "").strip() for row in rows(page, caption)]
        assert names == [PROBE, MLP, TUNED_PROBE, DISTILLED]
    assert page.count('<figure class="small">') == 4
    assert "left out" not in page


def test_three_and_a_sentence_when_not(run: RunReport) -> None:
    assert run.classifiers is not None
    kept = {
        one.name: one.evaluations[0] for one in run.classifiers.recipes if one.name != TUNED_PROBE
    }
    page = chapter(replace(run, classifiers=classifiers_of(kept, run.index)))
    assert len(rows(page, "Classifiers on the test set")) == 3
    assert "a linear probe on tuned features is left out" in page


def test_a_run_without_them_has_no_chapter(run: RunReport) -> None:
    assert classifiers(replace(run, classifiers=None)) is None
    assert tuning(replace(run, gain=None)) is None


def test_figures_are_end_to_end_and_heads_stand_apart(run: RunReport) -> None:
    cells = {row[0]: row[1:] for row in rows(chapter(run), "What each costs, end to end")}
    whole = f"{(BACKBONE + HEADS[PROBE]) / 1e6:.2f} M"
    assert cells[PROBE][0] == whole == "11.17 M"
    assert cells[PROBE][2] == cells[MLP][2] == "42.8 ms"
    assert cells[PROBE][6] == "3 k, 4 µs"
    assert cells[MLP][1] == cells[MLP][3] == "–"
    assert cells[DISTILLED][:4] == ["241 k", "47×", "1.42 ms", "30×"]
    assert cells[DISTILLED][6] == "–"


def test_the_lead_says_what_ships_against_what_taught(run: RunReport) -> None:
    assert run.classifiers is not None
    told = leading(run.classifiers)
    assert "47× fewer parameters at 30× its speed, backbone included" in told
    (student,) = (one for one in run.classifiers.recipes if one.name == DISTILLED)
    fat = replace(student, cost=replace(student.cost, parameters=4 * (BACKBONE + HEADS[MLP])))
    recipes = tuple(fat if one is student else one for one in run.classifiers.recipes)
    figures = tuple(
        replace(one, cost=fat.cost) if one.name == DISTILLED else one
        for one in run.classifiers.comparison.recipes
    )
    comparison = replace(run.classifiers.comparison, recipes=figures)
    heavy = replace(run.classifiers, recipes=recipes, comparison=comparison)
    assert "with 4.0× the parameters" in leading(heavy)


def test_small_matrices_share_one_scale_and_escape_names() -> None:
    page = str(confusion_row({"a<b": [[9, 1], [0, 10]], "c": [[90, 10], [50, 50]]}, ("x", "<y>")))
    shares = re.findall(r"--share:([\d.]+)", page)
    assert shares == ["0.900", "0.100", "1.000", "0.900", "0.100", "0.500", "0.500"]
    assert "<y>" not in page
    assert "a<b" not in page
    many = tuple(f"c{i}" for i in range(30))
    large = str(confusion_row({"m": np.eye(30, dtype=int).tolist()}, many))
    assert large.count("<rect") == 31  # nothing is drawn where nothing is
    assert "<text" not in large


def test_before_and_after_stand_on_one_scale(run: RunReport) -> None:
    found = tuning(run)
    assert found is not None
    page = str(found.render())
    before, after = re.findall(r'<svg[^>]*class="chart".*?</svg>', page, re.S)
    ticks = [re.findall(r'<text[^>]*class="tick"[^>]*>([^<]*)<', each) for each in (before, after)]
    assert ticks[0] == ticks[1]
    assert before.count("<circle") == after.count("<circle") > 0
    assert "component 1 (" in before
    assert run.gain is not None
    assert run.gain.sentence in found.lead
    assert page.count(">gained<") == 4
    assert "UMAP" not in page


def test_the_umap_pair_is_shown_where_it_was_asked_for(run: RunReport) -> None:
    assert run.maps is not None
    both = replace(run.maps, near_before=run.maps.before, near_after=run.maps.after)
    found = tuning(replace(run, maps=both))
    assert found is not None
    page = str(found.render())
    assert page.count('class="chart"') == 4
    assert "Neighbours (UMAP)" in page


def test_a_gain_that_may_be_none_is_a_tie(run: RunReport) -> None:
    gain, maps = tuned_material(run.index)
    doubtful = replace(gain.knn.accuracy, low=-0.01)
    lost = replace(gain.knn.balanced_accuracy, low=-0.3, high=-0.1)
    knn = replace(gain.knn, accuracy=doubtful, balanced_accuracy=lost)
    found = tuning(replace(run, gain=replace(gain, knn=knn), maps=maps))
    assert found is not None
    words = re.findall(r'<span class="badge (\w+)">(\w+)<', str(found.render()))
    assert words == [("bad", "lost"), ("idle", "tie"), ("good", "gained"), ("good", "gained")]


def test_a_comparison_of_runs_has_the_table_for_each_recipe(run: RunReport) -> None:
    assert run.classifiers is not None
    answers = {one.name: one.evaluations[0] for one in run.classifiers.recipes}
    answers[MLP] = evaluation(run.index, MLP, 3.0, seed=11)
    runs = [run.classifiers, classifiers_of(answers, run.index, seed=8)]
    both = pooled(runs, groups={}, seed=1)
    report = ComparisonReport(
        "two", NOW, both.comparison, both.recipes, classifiers={"a": both, "b": run.classifiers}
    )
    page = render_comparison_page(report)
    assert page.count("<caption>What each costs, end to end</caption>") == 2
    none = render_comparison_page(replace(report, classifiers={}))
    assert "What each costs, end to end" not in none


def test_figures_read_well(tmp_path: Path) -> None:
    assert [microseconds(ms) for ms in (0.004, 0.25)] == ["4 µs", "0.25 ms"]
    assert [amount(count) for count in (1_814_000_000, 23_400_000)] == ["1.81 G", "23.4 M"]
