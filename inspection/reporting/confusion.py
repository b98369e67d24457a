"""A confusion matrix as a table: row = what it is, column = what it was called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inspection.reporting.blocks import card
from inspection.reporting.markup import Html, join, tag

Matrix = Sequence[Sequence[int]]
MOST_WRITTEN = 12
"""Classes up to which the small matrices have numbers in their cells."""


def confusion(name: str, classes: Sequence[str], matrix: Matrix, *, note: str = "") -> Html:
    """The matrix (C, C) of what is called `name`, darker where a larger share of the class went."""
    head = [tag("th", tag("span", label), scope="col", class_="turned") for label in classes]
    rows = [
        tag("tr", tag("th", label, scope="row"), *_cells(classes, matrix[i], i))
        for i, label in enumerate(classes)
    ]
    grid = tag(
        "table",
        tag(
            "caption",
            f"Confusion matrix of {name}: row = what it is, column = what it was called",
        ),
        tag("thead", tag("tr", tag("td"), *head)),
        tag("tbody", *rows),
        class_="confusion",
    )
    scroll = tag(
        "div",
        grid,
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=f"Confusion matrix of {name}",
    )
    return card(scroll, title=f"Confusion: {name}", note=note)


def _cells(classes: Sequence[str], row: Sequence[int], i: int) -> list[Html]:
    support = sum(row)
    cells = []
    for j, amount in enumerate(row):
        share = amount / support if support else 0.0
        kind = "hit" if i == j else "miss"
        words = f"{classes[i]} called {classes[j]}: {amount} of {support}"
        strong = " full" if share > 0.55 else ""
        cells.append(
            tag(
                "td",
                str(amount) if amount else tag("span", "·", class_="nil"),
                class_=f"{kind}{strong}" if amount else None,
                style=f"--share:{share:.3f}" if amount else None,
                title=words,
            )
        )
    return cells


def confusion_row(matrices: Mapping[str, Matrix], classes: Sequence[str]) -> Html:
    """Small matrices (C, C) beside each other, all on one scale: colour is the share of a class, from none to all."""
    numbered = (
        tag("span", tag("b", str(i + 1)), label, class_="key") for i, label in enumerate(classes)
    )
    drawn = [
        tag("figure", tag("figcaption", name), _small(name, classes, matrix), class_="small")
        for name, matrix in matrices.items()
    ]
    body = join([tag("div", *drawn, class_="matrices"), tag("p", *numbered, class_="legend")])
    note = "Row: what it is; column: what it was called. Stronger: a larger share of the class, one scale for all."
    return card(body, title="Confusion, side by side", note=note)


def _small(name: str, classes: Sequence[str], matrix: Matrix) -> Html:
    size = len(classes)
    cells = [
        cell
        for i, row in enumerate(matrix)
        for j, amount in enumerate(row)
        if amount
        for cell in _square(classes, row, i, j)
    ]
    numbers = [
        part
        for i in range(size)
        for part in (_number(-0.45, i + 0.5, i + 1), _number(i + 0.5, -0.45, i + 1))
    ]
    ground = tag("rect", x=0, y=0, width=size, height=size, class_="ground")
    return tag(
        "svg",
        ground,
        *cells,
        *(numbers if size <= MOST_WRITTEN else ()),
        viewBox=f"-1 -1 {size + 1} {size + 1}",
        role="img",
        aria_label=f"Confusion matrix of {name}",
    )


def _square(classes: Sequence[str], row: Sequence[int], i: int, j: int) -> list[Html]:
    share = row[j] / sum(row)
    kind = "hit" if i == j else "miss"
    words = tag("title", f"{classes[i]} called {classes[j]}: {row[j]} of {sum(row)}")
    square = tag(
        "rect",
        words,
        x=j + 0.03,
        y=i + 0.03,
        width=0.94,
        height=0.94,
        class_=kind,
        style=f"--share:{share:.3f}",
    )
    written = _number(j + 0.5, i + 0.5, row[j], "full" if share > 0.55 else "amount")
    return [square, written] if len(classes) <= MOST_WRITTEN else [square]


def _number(x: float, y: float, value: int, kind: str = "axis") -> Html:
    return tag("text", str(value), x=x, y=y + 0.13, class_=kind, text_anchor="middle")
