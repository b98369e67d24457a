"""`plumbline data patches` and `view`: what is made from an index."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.commands.target import checked_target
from pipelines.output import Answer, Table


def cut(
    index: Path, target: Path, pictures: Path | None, *, seed: int, options: Mapping[str, Any]
) -> Answer:
    """Cut patches into `target`; annotated pictures into `pictures` when asked."""
    from inspection.data.annotated import write_annotated
    from inspection.data.index import ImageIndex
    from inspection.data.patch_options import PatchOptions
    from inspection.data.patches import cut_patches, windows_in

    table = ImageIndex.load(index)
    made = cut_patches(table, PatchOptions(**options), target, seed=seed)
    lines = [f"Cut          {made.patches} patches from {made.images} images"]
    left = {"too small": made.too_small, "over the limit": made.over_limit, **made.skipped}
    lines += [f"Left out     {count} x {why}" for why, count in left.items() if count]
    lines.append(f"Index        {made.folder / 'index.parquet'}")
    if pictures is not None:
        windows, threshold = windows_in(made.folder), options["mask_threshold"]
        drawn = write_annotated(table, pictures, patches=windows, mask_threshold=threshold)
        lines.append(f"Pictures     {drawn.written} in {drawn.folder}")
    return Answer(
        document={
            "folder": str(made.folder),
            "patches": made.patches,
            "images": made.images,
            "made": made.made,
            "left_out": left,
            "pictures": None if pictures is None else str(pictures),
        },
        table=Table(("class", "patches"), [(k, str(v)) for k, v in sorted(made.made.items())]),
        lines=lines,
        next=[f"plumbline data view {made.folder / 'index.parquet'}"],
    )


def view_index(index: Path, page: Path, *, open_it: bool, mask_threshold: int) -> Answer:
    """Write the page with every image of the index."""
    from inspection.data.index import ImageIndex
    from inspection.reporting.view_page import write_view_page

    target = checked_target(page, ".html")
    table = ImageIndex.load(index)
    made = write_view_page(table, target, title=index.stem, mask_threshold=mask_threshold)
    if open_it:
        webbrowser.open(made.page.resolve().as_uri())
    return Answer(
        document={
            "page": str(made.page),
            "bytes": made.bytes,
            "images": made.images,
            "faults": made.faults,
        },
        lines=[f"Page with {made.images} images, {made.bytes / 1e6:.1f} MB: {made.page}"],
        next=[] if open_it else [f"plumbline data view {index} --page {page} --open"],
    )
