"""The colours of pages, in light and dark: words and marks can be told from their ground."""

from __future__ import annotations

import re

import pytest

from inspection.reporting.markup import Html
from inspection.reporting.shell import page
from tests.unit.reporting_material import NOW

pytestmark = pytest.mark.thorough


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast ratio of two #rrggbb colours."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [
        *((ink, ground, 4.5) for ink in ("ink", "soft", "accent") for ground in ("paper", "card")),
        ("soft", "sunk", 4.5),
        *((name, f"{name}-wash", 4.5) for name in ("good", "bad", "warn")),
        ("bad", "card", 4.5),
        ("ink", "good-wash", 4.5),
        ("ink", "bad-wash", 4.5),
        *((f"c{k}", "card", 3.0) for k in range(10)),
    ],
)
def test_colours_can_be_told_from_their_ground(
    ink: str, ground: str, least: float, theme: int
) -> None:
    style = page("t", "k", NOW, Html(""), [])
    pairs = dict(re.findall(r"--([a-z0-9-]+): light-dark\(([^)]+)\)", style))
    colours = {name: pair.split(", ")[theme] for name, pair in pairs.items()}
    assert contrast(colours[ink], colours[ground]) >= least
