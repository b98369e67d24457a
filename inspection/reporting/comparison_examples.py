"""Images on which recipes disagree: what each of them says, the most disputed first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from inspection.evaluation.recipes import Answered, Recipe, answered
from inspection.reporting.blocks import Section, card, filters, gallery, path, shot
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.thumbnails import Pictures
from inspection.reporting.wording import count

SHOWN = 48


def examples(
    recipes: Sequence[Recipe], paths: Mapping[str, str], pictures: Pictures | None
) -> Section:
    """The section; without an index there is nothing to show but names."""
    found = answered(recipes)
    disputed = _disputed(found)
    title = "Where they disagree"
    if not disputed:
        lead = "Every recipe gives the same answer for every test image."
        return Section("examples", "Disagreements", title, lead, join([]))
    names = [recipe.name for recipe in recipes]
    shots = [_shot(found, i, names, paths, pictures) for i in disputed[:SHOWN]]
    truths = [found.classes[found.true[i]] for i in disputed[:SHOWN]]
    options = [(label, f"{label} ({truths.count(label)})") for label in sorted(set(truths))]
    left = len(disputed) - len(shots)
    note = f"{len(shots)} shown of {len(disputed):,}." if left else ""
    body = card(
        filters("true", options, label="Show one true class"),
        gallery(shots, label="Images on which recipes disagree", kind="told"),
        note=note,
    )
    lead = (
        f"{count(len(disputed), 'image')} of {len(found.true):,} on which recipes give different answers (each by the "
        "vote of its seeds). Where every answer is wrong, look for a wrong label."
    )
    return Section("examples", "Disagreements", title, lead, body)


def _disputed(found: Answered) -> list[int]:
    """Positions of images with more than one answer, those that divide the recipes most evenly first.

    Classes take turns, so that the rare one is not drowned.
    """
    right = (found.votes == found.true).mean(axis=0)
    differ = np.flatnonzero((found.votes != found.votes[0]).any(axis=0))
    turns: Counter[int] = Counter()
    ordered: list[tuple[int, int, int]] = []
    for i in sorted(differ, key=lambda i: (abs(right[i] - 0.5), i)):
        turns[found.true[i]] += 1
        ordered.append((turns[found.true[i]], len(ordered), int(i)))
    return [i for _, _, i in sorted(ordered)]


def _shot(
    found: Answered,
    i: int,
    names: Sequence[str],
    paths: Mapping[str, str],
    pictures: Pictures | None,
) -> Html:
    image_id = found.image_ids[i]
    name = paths.get(image_id, image_id[:12])
    true = found.classes[found.true[i]]
    words = [
        tag("p", "is ", tag("b", true), class_="verdict"),
        *_answers(found, i, names),
        path(name),
    ]
    if pictures is None:
        return tag("figure", tag("figcaption", *words), class_="shot", data_true=true)
    return shot(pictures.of(name), f"Disputed: {name}, {true}", *words, true=true)


def _answers(found: Answered, i: int, names: Sequence[str]) -> list[Html]:
    """One line for each answer given: who gave it; the right one first."""
    said = sorted(set(found.votes[:, i].tolist()), key=lambda c: (c != found.true[i], c))
    return [
        tag(
            "p",
            tag("b", found.classes[c], class_=None if c == found.true[i] else "miss"),
            ": ",
            ", ".join(
                name for name, vote in zip(names, found.votes[:, i], strict=True) if vote == c
            ),
        )
        for c in said
    ]
