"""Drawing with numbers: scales, ticks and a framed plot, as SVG whose colours come from the page's theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inspection.reporting.markup import Child, Html, tag
from inspection.reporting.wording import number

MARKS = 6
"""Shapes before they repeat: colour is never the only sign."""


@dataclass(frozen=True)
class Scale:
    """Maps low..high to pixels start..stop, linear or logarithmic; a range of nothing is widened."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high != low else 0.5
        return round(self.start + share * (self.stop - self.start), 2)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values inside the range."""
        return _log_ticks(self.low, self.high) if self.log else nice(self.low, self.high, most)


def nice(low: float, high: float, most: int = 6) -> list[float]:
    """At most about `most` multiples of 1, 2 or 5 times a power of ten within low..high."""
    if high <= low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [round(m * 10.0**d, 10) for d in decades for m in (1, 2, 5)]
    return [tick for tick in every if low <= tick <= high]


@dataclass(frozen=True)
class Plot:
    """A framed drawing area with labelled axes; `draw` puts marks into it."""

    x: Scale
    y: Scale
    width: int
    height: int
    x_label: str
    y_label: str

    @classmethod
    def of(
        cls,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        labels: tuple[str, str],
        *,
        size: tuple[int, int] = (520, 320),
        log_x: bool = False,
    ) -> Plot:
        """A plot of `size` pixels over the given ranges."""
        width, height = size
        x = Scale(*x_range, 52.0, width - 14.0, log_x)
        return cls(x, Scale(*y_range, height - 44.0, 14.0), width, height, *labels)

    def draw(self, alt: str, *marks: Child) -> Html:
        """The finished picture; `alt` says in words what it shows."""
        return tag(
            "svg",
            tag("title", alt),
            *self._grid(),
            *marks,
            viewBox=f"0 0 {self.width} {self.height}",
            class_="chart",
            role="img",
            aria_label=alt,
        )

    def _grid(self) -> list[Html]:
        x, y = self.x, self.y
        lines = [_line(x.start, y(v), x.stop, y(v), "grid") for v in y.ticks(5)]
        lines += [_line(x(v), y.start, x(v), y.stop, "grid") for v in x.ticks()]
        across = [label(x(v), y.start + 17, number(v), anchor="middle") for v in x.ticks()]
        up = [label(x.start - 8, y(v) + 4, number(v), anchor="end") for v in y.ticks(5)]
        middle = (y.start + y.stop) / 2
        names = [
            label((x.start + x.stop) / 2, self.height - 6, self.x_label, "name", anchor="middle"),
            label(
                13,
                middle,
                self.y_label,
                "name",
                anchor="middle",
                transform=f"rotate(-90 13 {middle:g})",
            ),
        ]
        return [*lines, *across, *up, *names]


def label(
    x: float, y: float, words: str, kind: str = "tick", *, anchor: str, transform: str | None = None
) -> Html:
    """A piece of text in a picture."""
    return tag("text", words, x=x, y=y, class_=kind, text_anchor=anchor, transform=transform)


def _line(x0: float, y0: float, x1: float, y1: float, kind: str) -> Html:
    return tag("line", x1=x0, y1=y0, x2=x1, y2=y1, class_=kind)


def segment(plot: Plot, a: tuple[float, float], b: tuple[float, float], kind: str) -> Html:
    """A straight line between two points given in the plot's values."""
    return _line(plot.x(a[0]), plot.y(a[1]), plot.x(b[0]), plot.y(b[1]), kind)


def curve(plot: Plot, points: Sequence[tuple[float, float]], kind: str) -> Html:
    """A line through points given in the plot's values."""
    shown = " ".join(f"{plot.x(x):g},{plot.y(y):g}" for x, y in points)
    return tag("polyline", points=shown, class_=kind)


def mark(shape: int, x: float, y: float, radius: float, *children: Child, kind: str = "") -> Html:
    """One of six shapes of equal weight at pixel x, y."""
    shape, r = shape % MARKS, radius
    if shape == 0:
        return tag("circle", *children, cx=x, cy=y, r=r, class_=kind or None)
    paths = {
        1: f"M{x - r:.1f} {y - r:.1f}h{2 * r:.1f}v{2 * r:.1f}h{-2 * r:.1f}z",
        2: f"M{x:.1f} {y - 1.3 * r:.1f}l{1.25 * r:.1f} {2.2 * r:.1f}h{-2.5 * r:.1f}z",
        3: f"M{x:.1f} {y - 1.4 * r:.1f}l{1.4 * r:.1f} {1.4 * r:.1f}l{-1.4 * r:.1f} {1.4 * r:.1f}"
        f"l{-1.4 * r:.1f} {-1.4 * r:.1f}z",
        4: f"M{x:.1f} {y + 1.3 * r:.1f}l{1.25 * r:.1f} {-2.2 * r:.1f}h{-2.5 * r:.1f}z",
        5: f"M{x - 1.5 * r:.1f} {y - 0.55 * r:.1f}h{3 * r:.1f}v{1.1 * r:.1f}h{-3 * r:.1f}z",
    }
    return tag("path", *children, d=paths[shape], class_=kind or None)
