"""The comparison as a picture: a bar per contender, from its median to its 99th percentile. Plain SVG, no library."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from deploy.edge.comparison import Contender

WIDTH, LEFT, RIGHT, ROW, TOP = 760, 210, 150, 34, 46
INK, QUIET, BAR, TAIL = "#1f2933", "#7b8794", "#2f6fab", "#b8cfe5"


def picture(contenders: Sequence[Contender], title: str) -> str:
    """An SVG document; contenders that did not run are listed with their reason below the bars."""
    ran = sorted((one for one in contenders if not one.reason), key=lambda one: one.p50_ms)
    absent = [one for one in contenders if one.reason]
    height = TOP + ROW * len(ran) + 20 * len(absent) + 40
    most = max((one.p99_ms for one in ran), default=1.0) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / most
    rows = [_row(one, TOP + ROW * k, scale) for k, one in enumerate(ran)]
    below = TOP + ROW * len(ran) + 16
    notes = [
        _text(12, below + 20 * k, f"{one.name}: {one.reason}"[:110], colour=QUIET, size=11)
        for k, one in enumerate(absent)
    ]
    foot = "bar: median of one image, preprocessing and decision included; pale: up to the 99th percentile"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" role="img" '
        f'font-family="system-ui, sans-serif"><title>{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(12, 24, title, size=15, weight="600"),
        *rows,
        *notes,
        _text(12, height - 12, foot, colour=QUIET, size=11),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _row(one: Contender, top: int, scale: float) -> str:
    middle, tail = max(1.0, one.p50_ms * scale), max(1.0, one.p99_ms * scale)
    said = f"{one.p50_ms:.2f} ms, cold {one.cold_start_ms / 1e3:.2f} s"
    return "\n".join(
        [
            _text(12, top + 18, one.name),
            f'<rect x="{LEFT}" y="{top + 4}" width="{tail:.1f}" height="20" fill="{TAIL}"/>',
            f'<rect x="{LEFT}" y="{top + 4}" width="{middle:.1f}" height="20" fill="{BAR}"/>',
            _text(int(LEFT + tail + 8), top + 18, said, size=12),
        ]
    )


def _text(
    x: int, y: int, words: str, *, colour: str = INK, size: int = 13, weight: str = "400"
) -> str:
    return (
        f'<text x="{x}" y="{y}" fill="{colour}" font-size="{size}" font-weight="{weight}">'
        f"{escape(words)}</text>"
    )
