"""The whole page: complete, well-formed, offline, safe from hostile names, honest about what is missing."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path

import pytest

from inspection.reporting.report import render_report, write_report
from inspection.reporting.run_report import RunReport
from tests.unit.reporting_audit import audit
from tests.unit.reporting_material import NOW, full_run
from tests.unit.small_report_material import small_run

pytestmark = pytest.mark.thorough

CHAPTERS = [
    "gate",
    "quality",
    "classifiers",
    "mistakes",
    "looked",
    "speed",
    "certificate",
    "training",
    "features",
    "tuning",
    "images",
    "checks",
    "quarantine",
    "duplicates",
    "drift",
    "provenance",
]
HOSTILE = (
    "<script>alert(1)<\\script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "&lt;b&gt;&amp;",
    "</title></style><svg onload=alert(1)>",
    "javascript:alert(1)",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    return full_run(tmp_path_factory.mktemp("run"), 14)


@pytest.fixture(scope="module")
def document(run: RunReport) -> str:
    return render_report(run)


def test_every_chapter_is_there_and_every_link_leads_to_one(document: str) -> None:
    found = audit(document)
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    assert set(CHAPTERS) <= set(ids)
    links = [value.removeprefix("#") for value in found.values("href") if value.startswith("#")]
    assert set(links) <= set(ids)
    assert [link for link in links if link != "top"] == CHAPTERS


def test_elements_are_closed_in_order(document: str) -> None:
    found = audit(document)
    assert found.crossed == []
    assert found.unclosed == []


def test_headings_descend_one_level_at_a_time(document: str) -> None:
    levels = [level for level, _ in audit(document).headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_picture_says_what_it_is(document: str) -> None:
    found = audit(document)
    assert found.tags["img"] == len(found.values("alt")) > 30
    assert all(found.values("alt"))
    charts = [name for name in found.values("class") if name == "chart"]
    titles = re.findall(
        r'<svg viewBox="[^"]*" class="chart" role="img" aria-label="[^"]+">', document
    )
    assert len(charts) == len(titles) >= 6


def test_nothing_is_loaded_from_anywhere(document: str) -> None:
    found = audit(document)
    loaded = found.values("src") + [
        value for tag, name, value in found.attributes if (tag, name) == ("link", "href")
    ]
    assert loaded
    assert all(value.startswith("data:") for value in loaded)
    assert "url(" not in document
    assert "@import" not in document
    assert not re.search(r"https?://(?!www\.w3\.org)", document)


def test_the_policy_allows_this_script_alone(document: str) -> None:
    found = audit(document)
    (policy,) = (v for v in found.values("content") if "default-src" in v)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'", policy)
    assert found.tags["script"] == 1


def test_the_verdict_and_its_figures_stand_at_the_top(run: RunReport, document: str) -> None:
    assert run.gate is not None
    top = audit(document.split("</header>")[0]).text
    for words in (
        "metal_demo",
        "2026-11-21 09:30 UTC",
        "Passed the gate",
        run.gate.sentence,
        "Student macro-F1",
        "95 % interval",
        "Kept of the teacher",
        "1.42 ms",
        "30× faster than the teacher",
        "986 kB",
        "a random split",
        "plumbline run configs/metal_demo.yaml",
    ):
        assert words in top


def test_each_finding_is_told(run: RunReport, document: str) -> None:
    text = audit(document).text
    assert run.student is not None
    assert run.checks is not None
    assert run.duplicates is not None
    for path in run.index.frame.loc[run.index.frame["quarantine"].notna(), "path"]:
        assert str(path) in text
    for result in run.checks.results:
        assert result.limit in text
    for i in run.student.wrong:
        assert f"{run.student.labels[i]} called {run.student.predictions[i]}" in text
    assert "tensorrt int8_tensorrtpending" in text
    assert "Apache-2.0" in text
    assert run.index.digest() in text
    assert f"{len(run.duplicates.pairs)} pairs of near-duplicates" in text


def test_confusion_counts_are_those_of_the_evaluation(run: RunReport, document: str) -> None:
    assert run.student is not None
    _, _, rest = document.partition("<h3>Confusion: student</h3>")
    cells = re.findall(r'title="(.+?) called (.+?): (\d+) of (\d+)"', rest.split("<h3>")[0])
    assert len(cells) == len(run.student.classes) ** 2
    position = {name: i for i, name in enumerate(run.student.classes)}
    for true, called, amount, support in cells:
        row = run.student.confusion[position[true]]
        assert (int(amount), int(support)) == (row[position[called]], sum(row))


def test_writing_is_whole_small_and_the_same_twice(run: RunReport, tmp_path: Path) -> None:
    first, second = (write_report(run, tmp_path / f"{i}.html") for i in range(2))
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < 8_000_000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.html", "1.html"]


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_change_no_element(words: str, tmp_path: Path) -> None:
    clean, dirty = tmp_path / "clean", tmp_path / "dirty"
    clean.mkdir()
    dirty.mkdir()
    expected = audit(render_report(small_run(clean)))
    attack = words.replace("/", "\\")  # a file name holds anything but a slash
    found = audit(render_report(small_run(dirty, lambda name: name + attack)))
    for counted in (expected, found):
        del counted.tags["wbr"]  # where a name may break depends on the name
    assert found.tags == expected.tags
    assert sorted({n for _, n, _ in found.attributes}) == sorted(
        {n for _, n, _ in expected.attributes}
    )
    assert not [name for name in found.tags if name in ("iframe", "object", "form", "base")]
    assert attack in found.text


def test_names_that_deceive_are_spelt_out(tmp_path: Path) -> None:
    odd = render_report(small_run(tmp_path, lambda name: name + "\u202egpj\x1b[2J"))
    assert "\u202e" not in odd
    assert "\x1b" not in odd
    assert r"\u202egpj\x1b[2J" in odd


def test_a_sentence_that_is_no_text_is_written_all_the_same(tmp_path: Path) -> None:
    run = small_run(tmp_path, stopped="cannot read b\udcffd.jpg")
    write_report(run, tmp_path / "report.html")
    assert r"cannot read b\udcffd.jpg" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_refusal_names_every_reason(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    assert run.gate is not None
    assert not run.gate.passed
    text = audit(render_report(run)).text
    assert "Refused by the gate" in text
    for reason in run.gate.reasons:
        assert reason in text


def test_a_drifted_batch_and_a_leak_are_shown(tmp_path: Path) -> None:
    document = render_report(small_run(tmp_path))
    assert "drifted" in audit(document).text
    assert "Leaks, for example" in document
    assert "50.0 %" in document


def test_a_run_that_stopped_early_still_has_a_page(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    early = RunReport(
        name="early",
        created=NOW,
        config=run.config,
        index=run.index,
        checks=run.checks,
        stopped="data gate refused: class_size: 3 images, allowed at least 8",
    )
    found = audit(render_report(early))
    assert "Stopped" in found.text
    assert early.stopped in found.text
    assert [i for i in CHAPTERS if i in found.values("id")] == [
        "images",
        "checks",
        "quarantine",
        "provenance",
    ]


def test_a_closed_data_gate_is_the_verdict_when_nothing_else_is(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    early = RunReport("early", NOW, run.config, run.index, checks=run.checks)
    assert "Refused by the data gate" in render_report(early)
    open_gate = dataclasses.replace(early, checks=None)
    assert "This run did not reach the gate." in render_report(open_gate)


def test_a_faultless_student_is_told_so(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    assert run.student is not None
    faultless = dataclasses.replace(run.student, predictions=run.student.labels)
    text = audit(render_report(dataclasses.replace(run, student=faultless))).text
    assert "called every one of 3 test images what it is" in text


def test_an_interrupted_training_says_where_it_went_on(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    resumed = dataclasses.replace(run.training, resumed_from=120)  # type: ignore[type-var]
    text = audit(render_report(dataclasses.replace(run, training=resumed))).text
    assert "went on from step 120" in text


def test_what_went_otherwise_than_asked_for_is_told(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    said = "memory is full with 8 images at a time"
    halved = dataclasses.replace(run.training, remarks=(said,))  # type: ignore[type-var]
    assert said in audit(render_report(dataclasses.replace(run, training=halved))).text
    assert said not in audit(render_report(run)).text


def test_a_check_that_could_not_be_asked_is_not_bad_data(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    assert run.checks is not None
    unasked = dataclasses.replace(run.checks.results[0], error="no such column 'sharpness'")  # type: ignore[type-var]
    checks = dataclasses.replace(run.checks, results=(unasked,))  # type: ignore[type-var]
    text = audit(render_report(dataclasses.replace(run, checks=checks))).text
    assert "not asked" in text
    assert "no such column 'sharpness'" in text
