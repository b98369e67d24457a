"""Figures as people read them: shares, sizes, times, hashes, counts with their noun."""

from __future__ import annotations

from typing import Protocol

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Interval(Protocol):
    """A proportion with its 95 % interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def percent(share: float, digits: int = 1) -> str:
    """0.1234 as ``12.3 %``."""
    return f"{100 * share:.{digits}f} %"


def score(value: float) -> str:
    """A figure in 0..1 with three decimals; never rounded up to a perfect 1."""
    return f"{min(value, 0.999):.3f}" if value < 1.0 else "1.000"


def between(low: float, high: float) -> str:
    """An interval of scores."""
    return f"{score(low)} – {score(high)}"


def milliseconds(value: float) -> str:
    """Three significant digits at most."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} ms"


def size(count: int) -> str:
    """Bytes in decimal units."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} GB"


def parameters(count: int) -> str:
    """A parameter count: ``241 k``, ``2.23 M``."""
    if count < 1000:
        return str(count)
    return f"{count / 1e3:.0f} k" if count < 1e6 else f"{count / 1e6:.2f} M"


def small(value: float) -> str:
    """A difference of probabilities, which may be tiny: ``1.8 × 10⁻⁶``."""
    if value == 0 or abs(value) >= 1e-3:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')} × 10{str(int(exponent)).translate(RAISED)}"


def number(value: float) -> str:
    """Any figure, four significant digits, whole numbers whole."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}"


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """``1 image``, ``1,204 images``."""
    return f"{amount:,} {noun if amount == 1 else plural or noun + 's'}"


def short(digest: str, length: int = 12) -> str:
    """The head of a hash, enough to compare by eye."""
    return digest[:length]


def times(ratio: float) -> str:
    """``27×``, ``1.4×``."""
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.1f}×"


def plain(code: str) -> str:
    """A reason code as words: ``label_conflict`` becomes ``label conflict``."""
    return code.replace("_", " ")
