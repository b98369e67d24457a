"""What two images that look alike really are: the same view twice, one surface with a difference, or strangers.

Covered: a pair is called the same only if nothing remains between them, a scratch of the stated contrast would have
been seen, and neither shows a strip that the other lacks; otherwise, if their texture is one, they are kept together
and both stay. Not covered: what `residual` and `similarity` do not cover.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_checks.alignment import grey
from data_checks.duplicates import ALIKE
from data_checks.hamming import Pairs
from data_checks.residual import PEAK, Comparison, compare
from data_checks.similarity import CANVAS, similarity, spectrum
from deploy.edge.decode import Pixels, read_image
from inspection.data.fingerprints import SYMMETRIES, view_of
from inspection.parallel import in_order, one_thread_each
from inspection.progress import track
from inspection.records import Record

SMALLEST_DEFECT = 20.0
"""Grey levels of the faintest scratch, 2 px wide and 16 px long, that must not be lost: the default."""
SAME_SHAPE = 0.04
"""Share by which sides of one shape may differ; a crop of a few per cent is a crop and not another scale."""
LARGEST_STRIP = 4.0
"""Pixels at the border that one image may lack and still be called the same."""

Verdict = Literal["same", "alike", "different"]
"""`alike`: one surface, but different somewhere, or not proven to be the same; never dropped."""


@dataclass(frozen=True)
class Evidence(Record):
    """Why two images are what they are called; what was not measured, since they are strangers, is None.

    `similarity`: of their texture, 0 to 1. `symmetry`: how the second had to be turned. The rest: `Comparison`.
    """

    similarity: float
    symmetry: str
    peak: float | None = None
    faintest: float | None = None
    shift: tuple[float, float] | None = None
    gain: float | None = None
    unseen: float | None = None
    clipped: tuple[float, float] | None = None
    where: tuple[int, int] | None = None
    scale: float = 1.0
    """The second's size in the first's, where one is a scaled copy; such a pair is never called the same."""


@dataclass(frozen=True)
class Judged(Record):
    """A pair of images by path, the verdict on it, and why."""

    first: str
    second: str
    verdict: Verdict
    evidence: Evidence

    @property
    def sentence(self) -> str:
        """The verdict for people."""
        found = self.evidence
        turned = "" if found.symmetry == SYMMETRIES[0] else f", {found.symmetry}"
        if found.scale != 1.0:
            return f"texture {found.similarity:.2f} alike{turned}, the second {found.scale:.2f} times as large"
        if found.peak is None or found.faintest is None or found.shift is None:
            return f"texture {found.similarity:.2f} alike{turned}: another surface, or it cannot be aligned"
        moved = f"shift {found.shift[0]:+.1f}, {found.shift[1]:+.1f} px, light x {found.gain:.2f}{turned}"
        if self.verdict == "same":
            return f"{moved}: nothing else differs; a 2 px scratch of {found.faintest:.0f} grey levels would show"
        if found.peak > PEAK:
            return f"{moved}: they differ at {found.where} by {found.peak:.0f} times the noise"
        if found.unseen is not None and found.unseen > LARGEST_STRIP:
            return f"{moved}: {found.unseen:.0f} px at the border are on one of them only"
        return f"{moved}: too noisy to tell; only a scratch of {found.faintest:.0f} grey levels would show"


def judge_pairs(
    root: Path,
    paths: Sequence[str],
    pairs: Pairs,
    symmetry: Sequence[int],
    *,
    smallest_defect: float = SMALLEST_DEFECT,
    max_megapixels: float = 100.0,
) -> list[Judged]:
    """Open both images of every pair of rows and compare them, in the order given."""

    def one(row: int) -> Judged:
        names = [paths[int(place)] for place in pairs[row]]
        first, second = (read_image(root / n, max_megapixels=max_megapixels).pixels for n in names)
        verdict, evidence = judge(
            first, second, int(symmetry[row]), smallest_defect=smallest_defect
        )
        return Judged(names[0], names[1], verdict, evidence)

    with one_thread_each():
        return list(track(in_order(one, range(len(pairs))), "comparing images", len(pairs)))


def judge(
    first: Pixels, second: Pixels, symmetry: int = 0, *, smallest_defect: float = SMALLEST_DEFECT
) -> tuple[Verdict, Evidence]:
    """Compare two images, uint8 (H, W, 3), the second seen as `symmetry` says."""
    turned = SYMMETRIES[symmetry]
    second = view_of(second, symmetry)
    scale = _scale(first, second)
    likeness = round(_likeness(first, second, scale), 3)
    if likeness < ALIKE:
        return "different", Evidence(likeness, turned)
    if scale != 1.0:
        # What was scaled down has lost its finest scratches: both stay.
        return "alike", Evidence(likeness, turned, scale=round(scale, 3))
    found = compare(first, second)
    if found is None:
        return "alike", Evidence(likeness, turned)
    return _verdict(found, smallest_defect), Evidence(
        similarity=likeness,
        symmetry=turned,
        peak=round(found.peak, 2),
        faintest=round(min(found.faintest, 255.0), 2),
        shift=(round(found.shift[0], 2), round(found.shift[1], 2)),
        gain=round(found.gain, 3),
        unseen=round(found.unseen, 2),
        clipped=(round(found.clipped[0], 5), round(found.clipped[1], 5)),
        where=found.where,
    )


def _verdict(found: Comparison, smallest_defect: float) -> Verdict:
    proven = (
        found.peak <= PEAK and found.faintest <= smallest_defect and found.unseen <= LARGEST_STRIP
    )
    return "same" if proven else "alike"


def _scale(first: Pixels, second: Pixels) -> float:
    """How many times as large the second is, where both sides agree on it; 1 for a crop and for other shapes."""
    down, across = (second.shape[side] / first.shape[side] for side in (0, 1))
    if abs(down / across - 1.0) > SAME_SHAPE or abs(math.sqrt(down * across) - 1.0) <= SAME_SHAPE:
        return 1.0
    return math.sqrt(down * across)


def _likeness(first: Pixels, second: Pixels, enlarged: float) -> float:
    """Similarity of two views at a scale at which the larger fills the canvas; the second counts as `enlarged`."""
    sides = max(*first.shape[:2], *(side / enlarged for side in second.shape[:2]))
    # A scaled copy is compared at the smaller one's size: nothing is ever magnified.
    scale = min(1.0, enlarged, CANVAS / sides)
    spectra = [
        spectrum(grey(pixels), factor)[None]
        for pixels, factor in ((first, scale), (second, scale / enlarged))
    ]
    return float(similarity(spectra[0], spectra[1])[0])
