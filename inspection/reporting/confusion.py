"""A confusion matrix as a table: row = what it is, column = what it was called."""

from __future__ import annotations

from collections.abc import Sequence

from inspection.reporting.blocks import card
from inspection.reporting.markup import Html, tag

Matrix = Sequence[Sequence[int]]


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
