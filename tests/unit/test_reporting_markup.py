"""Text from data never becomes markup, and figures are worded as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.reporting.markup import Html, join, tag, text
from inspection.reporting.wording import (
    count,
    milliseconds,
    parameters,
    percent,
    score,
    size,
    small,
    times,
)
from tests.unit.reporting_audit import audit

HOSTILE = st.text(alphabet=st.sampled_from("<>&\"'=/ abc;#x!-\n")) | st.text()


@given(HOSTILE)
def test_any_text_comes_back_as_the_same_text_and_nothing_else(words: str) -> None:
    found = audit(tag("p", words))
    assert found.tags == {"p": 1}
    assert not found.crossed
    if words.isprintable():
        assert found.text == words


@given(HOSTILE)
def test_any_attribute_stays_inside_its_quotes(words: str) -> None:
    found = audit(tag("p", title=words))
    assert [name for _, name, _ in found.attributes] == ["title"]
    if words.isprintable():
        assert found.values("title") == [words]


@given(st.text())
def test_a_page_can_always_be_encoded(words: str) -> None:
    assert tag("p", words, title=words).encode("utf-8")


@pytest.mark.parametrize(
    ("char", "shown"),
    [
        ("\u202e", r"\u202e"),  # turns the rest of a file name around
        ("\u2066", r"\u2066"),
        ("\x1b", r"\x1b"),
        ("\x00", r"\x00"),
        ("\udcff", r"\udcff"),  # a byte of a name that is no UTF-8
        ("é", "é"),
        ("検", "検"),
        ("\n", "\n"),
    ],
)
def test_characters_that_deceive_are_spelt_out(char: str, shown: str) -> None:
    assert text(f"a{char}b") == f"a{shown}b"


def test_attributes_are_named_and_left_out_by_rule() -> None:
    made = tag("line", class_="grid", stroke_width=2.5, hidden=True, title=None, draggable=False)
    assert made == '<line class="grid" stroke-width="2.5" hidden></line>'


def test_only_html_passes_as_it_is() -> None:
    assert join([Html("<b>"), "<b>", 3, None, [Html("</b>")]]) == "<b>&lt;b&gt;3</b>"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (percent(0.12345), "12.3 %"),
        (percent(0.5, 0), "50 %"),
        (score(0.9996), "0.999"),  # nothing short of perfect reads as perfect
        (score(1.0), "1.000"),
        (score(0.0), "0.000"),
        (milliseconds(1.417), "1.42 ms"),
        (milliseconds(42.81), "42.8 ms"),
        (milliseconds(412.7), "413 ms"),
        (size(0), "0 B"),
        (size(999), "999 B"),
        (size(986_112), "986 kB"),
        (size(46_830_571), "46.8 MB"),
        (size(2_500_000_000), "2.5 GB"),
        (parameters(812), "812"),
        (parameters(241_350), "241 k"),
        (parameters(11_689_512), "11.69 M"),
        (small(1.8e-6), "1.8 × 10⁻⁶"),
        (small(1e-4), "1 × 10⁻⁴"),
        (small(0.0), "0"),
        (small(0.25), "0.25"),
        (count(1, "image"), "1 image"),
        (count(1204, "image"), "1,204 images"),
        (count(2, "class", "classes"), "2 classes"),
        (times(30.2), "30×"),
        (times(1.44), "1.4×"),
    ],
)
def test_figures_are_worded(shown: str, expected: str) -> None:
    assert shown == expected
