"""Chapter: images that show the same thing, and what that does to a split."""

from __future__ import annotations

from inspection.reporting.blocks import Section, base, card, gallery, shot, tile, tiles
from inspection.reporting.look_up import rows_by_path, spread
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.run_report import Duplicates, Leaks, RunReport
from inspection.reporting.thumbnails import Pictures
from inspection.reporting.wording import count, percent

PAIRS_SHOWN = 12
LEAKS_SHOWN = 6
GROUP_SHOWN = 12


def duplicates(run: RunReport, pictures: Pictures) -> Section | None:
    """Images that show the same thing, and what that does to a split."""
    found = run.duplicates
    if found is None and run.leaks is None:
        return None
    blocks = [_leak_tiles(run.leaks) if run.leaks else None]
    lead = "Near-duplicates are kept, but a group never spans two splits."
    if found is not None:
        lead = (
            f"{count(len(found.pairs), 'pair')} of near-duplicates and "
            f"{count(len(found.exact_groups), 'set')} of exact copies in {count(found.images, 'image')}, "
            f"{count(len(found.groups), 'group')} of two or more. Nothing is deleted; a group never spans two splits."
        )
        blocks += [_pairs(run, found, pictures), _largest(found, pictures)]
    blocks.append(_leak_examples(run, pictures))
    return Section("duplicates", "Duplicates", "Duplicates and leaks", lead, join(blocks))


def _leak_tiles(leaks: Leaks) -> Html:
    return tiles(
        [
            tile(
                "Leak rate of this split",
                percent(leaks.rate),
                "test images with a near-duplicate in train",
            ),
            tile(
                "Leak rate of a random split",
                percent(leaks.random_rate),
                "same sizes, groups ignored: what a naive split would hide",
            ),
        ]
    )


def _pairs(run: RunReport, found: Duplicates, pictures: Pictures) -> Html | None:
    if not found.pairs:
        return None
    rows = rows_by_path(run.index)
    # The least sure ones first would worry for nothing, the surest first would show copies only: spread.
    ordered = sorted(found.pairs, key=lambda pair: (-pair.score, pair.path_a, pair.path_b))
    shown = [ordered[i] for i in spread(len(ordered), PAIRS_SHOWN)]
    drawn = [_pair(pair.path_a, pair.path_b, f"{pair.score:.3f}", rows, pictures) for pair in shown]
    return card(
        tag("div", *drawn, class_="pairs"),
        title="Near-duplicates, side by side",
        note=f"{len(shown)} of {len(ordered):,} pairs, from the surest to the least sure similarity.",
    )


def _largest(found: Duplicates, pictures: Pictures) -> Html | None:
    """One group is enough to see whether grouping finds parts or just texture."""
    if not found.groups or len(found.groups[0]) < 3:
        return None
    group = found.groups[0]
    shots = [
        shot(pictures.of(name), f"In the largest group: {name}", base(name))
        for name in group[:GROUP_SHOWN]
    ]
    left = len(group) - len(shots)
    more = f" The first {GROUP_SHOWN} are shown." if left else ""
    return card(
        gallery(shots, label="The largest group"),
        title="The largest group",
        note=f"{count(len(group), 'image')} taken for one surface.{more}",
    )


def _pair(
    a: str, b: str, similarity: str, rows: dict[str, dict[str, str]], pictures: Pictures
) -> Html:
    shots = []
    for name in (a, b):
        row = rows.get(name, {})
        where = " · ".join(row[key] for key in ("label", "split") if key in row)
        shots.append(shot(pictures.of(name), f"One of a pair: {name}", base(name), tag("p", where)))
    words = tag("p", tag("strong", similarity), " similarity") if similarity else None
    return tag("div", tag("div", *shots, class_="gallery two"), words, class_="pair")


def _leak_examples(run: RunReport, pictures: Pictures) -> Html | None:
    examples = run.leaks.examples if run.leaks else ()
    if not examples:
        return None
    rows = rows_by_path(run.index)
    shown = examples[:LEAKS_SHOWN]
    drawn = [_pair(leak.test_path, leak.train_path, "", rows, pictures) for leak in shown]
    return card(
        tag("div", *drawn, class_="pairs"),
        title="Leaks, for example",
        note="A test image beside the image in train that gives it away.",
    )
