"""All images of an index on one page that opens offline: small pictures, filters, and every fact behind a click.

Covered: nothing is loaded from anywhere and only the page's own script may run; names and labels are shown as text;
ten thousand images scroll and filter without a pause (`benchmarks/bench_view.py`); equal input gives equal bytes. Not
covered: pictures at full size (the page holds small ones); without scripts it shows nothing but its title.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from deploy.edge.files import write_bytes
from inspection.data.index import ImageIndex
from inspection.data.patch_defects import Row
from inspection.errors import DataError
from inspection.progress import track
from inspection.records import Record
from inspection.reporting.markup import Html, tag
from inspection.reporting.shell import LOGO, asset, head
from inspection.reporting.view_data import as_script, fact_columns, filter_columns, row_faults
from inspection.reporting.view_pictures import Small, small_pictures

KIND = "All images"
BLOCK = 250
"""Pictures in one script element: the page shows those it has while the rest is still being read."""
PARTS = ("view_data.js", "view_grid.js", "view_page.js")
NO_FAULTS: Mapping[str, Sequence[str]] = MappingProxyType({})


@dataclass(frozen=True)
class ViewReport(Record):
    """What was written: `bytes` of the page, images listed and with a picture, images by fault and why none shows."""

    page: Path
    bytes: int
    images: int
    pictures: int
    faults: dict[str, int]
    missing: dict[str, int]


def write_view_page(
    index: ImageIndex,
    target: Path,
    *,
    title: str,
    faults: Mapping[str, Sequence[str]] = NO_FAULTS,
    mask_threshold: int = 128,
    max_megapixels: float = 100.0,
) -> ViewReport:
    """Write the page, whole or not at all; `faults` adds names of faults to the index's own, by path.

    DataError when `faults` names a file that the index does not list, or the target would be a file of the data.
    """
    if unknown := sorted(set(faults) - set(index.frame["path"])):
        raise DataError(f"view: '{unknown[0]}' is not in the index; give paths as it has them")
    if target.resolve() in {path.resolve() for path in index.paths} or target.is_dir():
        raise DataError(f"view: '{target}' is a folder or one of the images; give a new .html file")
    rows: list[Row] = index.table().to_pylist()
    made = small_pictures(
        rows, index.root, mask_threshold=mask_threshold, max_megapixels=max_megapixels
    )
    small = list(track(made, "making small pictures", len(rows)))
    document = "".join(_page(title, rows, small, faults)).encode()
    write_bytes(target, document)
    found = Counter(
        name for row in rows for _, name in row_faults(row, faults.get(row["path"], ()))
    )
    missing = Counter(each.missing for each in small if each.missing)
    return ViewReport(
        page=target,
        bytes=len(document),
        images=len(rows),
        pictures=sum(bool(each.jpeg) for each in small),
        faults=dict(sorted(found.items())),
        missing=dict(sorted(missing.items())),
    )


def _page(
    title: str, rows: Sequence[Row], small: Sequence[Small], faults: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """The document in order of need: what the filters read and the script come before the pictures."""
    script = _script()
    pictures = [base64.b64encode(each.jpeg).decode() for each in small]
    known: dict[str, Any] = filter_columns(rows, small, faults)
    known |= {"sizes": [len(each) for each in pictures], "block": BLOCK}
    top = head(title, KIND, asset("view.css"), [script])
    yield f'<!doctype html>\n<html lang="en">\n{top}\n<body>\n{_body(title)}\n'
    yield _block("application/json", "data", as_script(known))
    yield f"<script>{script}</script>\n"
    for number, first in enumerate(range(0, len(pictures), BLOCK)):
        yield _block("text/plain", f"pictures-{number}", "".join(pictures[first : first + BLOCK]))
    yield _block("application/json", "facts", as_script(fact_columns(rows)))
    yield "</body>\n</html>\n"


def _script() -> str:
    parts = "".join(asset(name) for name in PARTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _block(kind: str, name: str, content: str) -> str:
    return f'<script type="{kind}" id="{name}">{content}</script>\n'


def _body(title: str) -> Html:
    brand = tag("p", LOGO, tag("span", "Plumbline"), class_="brand")
    search = Html(
        '<label class="search"><span>Path</span><input type="search" id="words" autocomplete="off" '
        'spellcheck="false" placeholder="words in the path" /></label>'
    )
    side = tag(
        "aside", brand, tag("h1", title), search, tag("div", id="facets"), aria_label="Filters"
    )
    bar = tag(
        "header",
        tag("p", id="count", role="status", aria_live="polite"),
        tag("div", id="tools", class_="tools"),
    )
    grid = Html(
        '<div id="grid" class="grid" tabindex="0" role="listbox" aria-label="Images: arrow keys move, Enter opens">'
        '<div id="space" class="space" role="presentation"></div></div>'
    )
    empty = Html('<p id="empty" class="empty" hidden>No image matches these filters.</p>')
    wanting = Html("<noscript><p>This page shows its pictures with a script.</p></noscript>")
    return tag(
        "div",
        side,
        tag("main", bar, wanting, empty, grid),
        Html('<dialog id="large" class="large" aria-label="Image, large"></dialog>'),
        class_="page",
    )
