"""`plumbline data view`: one page with every image of an index."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from pipelines.commands.target import checked_target, page_target
from pipelines.output import Answer, data_command


def view_index(
    index: Path, page: Path, *, open_it: bool, mask_threshold: int, force: bool = False
) -> Answer:
    """Write the page with every image of the index."""
    from inspection.data.index import ImageIndex
    from inspection.reporting.view_page import KIND, write_view_page

    checked_target(page, ".html")
    table = ImageIndex.load(index)
    target = page_target(page, table.root, KIND, force=force)
    made = write_view_page(table, target, title=index.stem, mask_threshold=mask_threshold)
    if open_it:
        webbrowser.open(made.page.resolve().as_uri())
    lines = [f"Page with {made.images} images, {made.bytes / 1e6:.1f} MB: {made.page}"]
    missing = {why.removeprefix("no picture: "): count for why, count in made.missing.items()}
    lines += [f"No picture   {count} x {why}" for why, count in missing.items()]
    return Answer(
        document={
            "page": str(made.page),
            "bytes": made.bytes,
            "images": made.images,
            "pictures": made.pictures,
            "missing": missing,
            "faults": made.faults,
        },
        lines=lines,
        next=[] if open_it else [data_command("view", index, "--page", page, "--open")],
    )
