"""A comparison in sentences: one for each recipe, one for all, and how it was done."""

from __future__ import annotations

from inspection.evaluation.compared import Comparison, Estimate, RecipeFigures

WORDS = {"better": "is better than", "worse": "is worse than", "tie": "ties with"}
ALIKE = 1.05
"""Times within 5 % are called the same."""


def overall(found: Comparison) -> str:
    """What to take away from it."""
    best, top = found.figures(found.best), found.figures(found.most_accurate)
    if best.name == top.name:
        figure = f"{top.name} is the most accurate ({percents(top.accuracy)})"
        doubtful = _doubtful(found, top)
        if not doubtful:
            return f"{figure}; no faster recipe ties with it."
        lost = f"{-100 * doubtful[1].low:.1f} points"
        return (
            f"{figure}; {doubtful[0]} is faster, but these images cannot rule out a loss of {lost}."
        )
    difference = found.pair(best.name, top.name).difference
    return f"{best.name} ties with {top.name} ({points(difference)}) {pace(best, top)}."


def _doubtful(found: Comparison, top: RecipeFigures) -> tuple[str, Estimate] | None:
    """The faster recipe that ties with the most accurate one, and might cost least."""
    faster = [one.name for one in found.recipes if one.cost.latency_ms < top.cost.latency_ms]
    pairs = [found.pair(name, top.name) for name in faster]
    ties = [(pair.first, pair.difference) for pair in pairs if pair.verdict == "tie"]
    return max(ties, key=lambda tie: tie[1].low, default=None)


def about(found: Comparison, recipe: RecipeFigures) -> str:
    """One recipe against the reference; the reference against nothing."""
    seeds = len(recipe.seeds)
    figure = (
        f"{recipe.name}: accuracy {percents(recipe.accuracy)} over {seeds} seed{'s' * (seeds > 1)}"
    )
    if recipe.name == found.reference:
        return f"{figure}; the reference."
    pair = found.pair(recipe.name, found.reference)
    other = found.figures(found.reference)
    held = f"{WORDS[pair.verdict]} {other.name} ({points(pair.difference)})"
    return f"{figure}; {held} {pace(recipe, other)}."


def how(found: Comparison) -> tuple[str, ...]:
    """How it was compared, in plain words, a paragraph each."""
    pairs = len(found.pairs)
    least, most = (f(len(r.seeds) for r in found.recipes) for f in (min, max))
    trained = f"{least}" if least == most else f"{least} to {most}"
    things = (
        f"{found.images:,} test images"
        if found.groups == found.images
        else f"{found.images:,} test images that show {found.groups:,} different things"
    )
    return (
        f"All recipes answered for the same {things} (test set {found.test_digest[:12]}), each trained with {trained} "
        f"seed{'s' * (most > 1)}. Figures are means over seeds.",
        _about_intervals(found, most),
        "Each pair is tested twice. McNemar's exact test looks at the images that only one of the two gets wrong; "
        "with several seeds an image counts by the share of seeds that have it right, and always as one: seeds are not "
        "more images, nor are views of one thing. The second test asks whether the difference keeps its sign under "
        "other images and other seeds. "
        + (
            "The larger p-value counts"
            if pairs == 1
            else f"The larger p-value counts, corrected after Holm for {pairs} pairs"
        )
        + "; from 0.05 up the two tie.",
        "A tie says that these images cannot tell the two apart, not that they are equal: the interval of the "
        "difference says how far apart they may be. An interval belongs to its pair alone; the verdict also "
        "answers for the number of pairs, so that an interval beside nothing may still stand by a tie.",
    )


def _about_intervals(found: Comparison, most_seeds: int) -> str:
    words = (
        f"Intervals hold with 95 % confidence: {found.draws:,} draws (seed {found.seed}), each resampling the "
        f"{'images' if found.groups == found.images else 'groups of images'} of the test set"
    )
    if most_seeds == 1:
        return (
            f"{words}. With one seed a recipe, nothing is known of what another seed would give: "
            "differences between seeds are not in the intervals. Train with three."
        )
    return (
        f"{words} and drawing the seeds' part from Student's t, because few seeds show little of their spread; "
        "never narrower than what counting alone allows (Wilson)."
    )


def percents(found: Estimate) -> str:
    """``93.1 % [92.0, 94.1]``."""
    return f"{100 * found.value:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def points(found: Estimate) -> str:
    """``−0.2 points [−0.9, +0.5]``."""
    return f"{signed(found.value)} points [{signed(found.low)}, {signed(found.high)}]"


def signed(share: float) -> str:
    """Percentage points with their sign; nothing has none."""
    words = f"{100 * share:+.1f}"
    return "0.0" if float(words) == 0 else words.replace("-", "−")


def pace(one: RecipeFigures, other: RecipeFigures) -> str:
    """How the time of `one` compares with that of `other`."""
    ratio = other.cost.latency_ms / one.cost.latency_ms
    if 1 / ALIKE <= ratio <= ALIKE:
        return "in the same time"
    if ratio >= 2:
        return f"at 1/{_times(ratio)} of its time"
    if ratio > 1:
        return f"in {100 / ratio:.0f} % of its time"
    return f"at {_times(1 / ratio)} times its time"


def _times(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}".removesuffix(".0")
