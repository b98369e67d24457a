"""The comparison's page: everything asked for is on it, hostile names are only names, nothing is fetched."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path

import pytest

from inspection.evaluation.comparison import compare
from inspection.evaluation.comparison_words import overall
from inspection.reporting.comparison_charts import pareto
from inspection.reporting.comparison_page import (
    ComparisonReport,
    render_comparison_page,
    write_comparison_page,
)
from inspection.reporting.comparison_tables import amount, chance, duration
from tests.unit.comparison_material import exactly
from tests.unit.comparison_page_material import renamed, report
from tests.unit.reporting_material import NOW

SECTIONS = (
    "recipes",
    "pareto",
    "cost",
    "pairs",
    "learning",
    "classes",
    "confusion",
    "examples",
    "method",
    "card",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ComparisonReport:
    return report(tmp_path_factory.mktemp("data"), 24)


@pytest.fixture(scope="module")
def document(made: ComparisonReport) -> str:
    return render_comparison_page(made)


def test_every_section_is_there(document: str) -> None:
    assert re.findall(r'<section id="([a-z]+)"', document) == list(SECTIONS)


def test_the_verdict_and_every_recipe_are_said(made: ComparisonReport, document: str) -> None:
    assert overall(made.comparison) in document
    for one in made.comparison.recipes:
        assert document.count(one.name) > 5
    assert document.count("Confusion: ") == len(made.recipes)
    assert document.count("data:image/jpeg") > 5


def test_it_opens_without_a_network(document: str) -> None:
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]+"', document)


def test_without_curves_images_and_card_it_is_still_a_page(made: ComparisonReport) -> None:
    bare = dataclasses.replace(made, curves={}, index=None, card=None)
    text = render_comparison_page(bare)
    assert 'id="learning"' not in text
    assert 'id="card"' not in text
    assert "Where they disagree" in text


def test_hostile_names_are_only_names(made: ComparisonReport, tmp_path: Path) -> None:
    attack = '"><script>window.owned=1</script>'
    text = write_comparison_page(renamed(made, attack), tmp_path / "page.html").read_text()
    assert attack not in text
    assert "&lt;script&gt;window.owned" in text


def test_filled_is_the_front_hatched_ties_hollow_is_worse() -> None:
    found = compare(
        [
            exactly("good", [], 300, 20.0),
            exactly("quick", range(100), 300, 1.0),
            exactly("tied", [0], 300, 40.0),
            exactly("poor", range(120), 300, 50.0),
        ],
        seed=7,
    )
    assert found.front == ("quick", "good")
    drawn = str(pareto(found))
    assert "--fill:url(#hatch2)" in drawn
    assert drawn.count("--fill:var(--card)") == 1
    assert drawn.count('class="ideal"') == 1


def test_alike_recipes_do_not_print_over_each_other() -> None:
    found = compare([exactly(f"recipe_{k}", range(k), 300, 10 + 0.1 * k) for k in range(5)], seed=7)
    places = re.findall(
        r'<text x="([\d.]+)" y="([\d.]+)" class="point" text-anchor="(\w+)"', str(pareto(found))
    )
    assert len(places) == 5
    for side in ("start", "end"):
        heights = sorted(float(y) for _, y, anchor in places if anchor == side)
        assert all(b - a >= 15 for a, b in itertools.pairwise(heights))


def test_no_disagreement_is_said_so() -> None:
    both = [exactly("a", [1]), exactly("b", [1])]
    made = ComparisonReport("two", NOW, compare(both, seed=7), both)
    assert "Every recipe gives the same answer" in render_comparison_page(made)


def test_figures_as_people_read_them() -> None:
    assert [duration(s) for s in (48, 720, 12_240)] == ["48 s", "12 min", "3.4 h"]
    assert [amount(n) for n in (3.0, 3.4, 1200.0)] == ["3", "3.4", "1,200"]
    assert [chance(p) for p in (0.0001, 0.05)] == ["< 0.001", "0.050"]
