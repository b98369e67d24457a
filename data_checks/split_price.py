"""The price of fooling oneself: what one and the same probe seems to know under a random split and under a grouped one.

Covered: both splits hold equally many test images of each class, drawn afresh for every repeat; the intervals are over
groups, since images of one group are no independent witnesses; the order of rows does not matter. Not covered: leaks
between images that no group joins (look for copies first); what another, larger network would learn by heart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_checks.embeddings import EmbeddingTable, rows_for
from data_checks.label_probe import Floats, Ints, axes_of, out_of_fold
from inspection.config import SplitConfig
from inspection.data.grouping import group_numbers, unite_groups
from inspection.data.index import ImageIndex
from inspection.data.splits import split
from inspection.errors import DataError
from inspection.records import Record

RESAMPLES = 500
"""Draws of groups, with replacement, behind an interval."""
COVERED = (2.5, 97.5)
"""Percentiles of an interval: 95 % of it."""

Tested = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float64]
Score = Callable[[Scores, Scores], Scores]


@dataclass(frozen=True)
class Measured(Record):
    """A share from 0 to 1 (or a difference of two), and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def percent(self) -> str:
        """For people."""
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"


@dataclass(frozen=True)
class SplitPrice(Record):
    """What the probe scores under both kinds of split; `gap` = random minus grouped, of both scores.

    `groups`: independent groups; `shared`: images that share theirs with another. `tested`: test images per repeat.
    """

    images: int
    groups: int
    shared: int
    tested: int
    repeats: int
    seed: int
    random: Measured
    grouped: Measured
    gap: Measured
    random_balanced: Measured
    grouped_balanced: Measured
    gap_balanced: Measured

    @property
    def sentence(self) -> str:
        """The price in one line."""
        if not self.shared:
            return f"each of the {self.images} images is its own group: both splits are the same"
        plain = _compared("", self.random, self.grouped)
        if self.gap.low > 0:
            return f"{plain}: {_points(self.gap)}"
        if self.gap_balanced.low > 0:
            even = _compared(
                " in the mean over classes", self.random_balanced, self.grouped_balanced
            )
            return f"{even}: {_points(self.gap_balanced)}"
        low, high = 100 * self.gap.low, 100 * self.gap.high
        return f"{plain}: no leakage is proven (the gap is between {low:.1f} and {high:.1f} points)"


def split_price(
    index: ImageIndex,
    embeddings: EmbeddingTable,
    split_config: SplitConfig,
    *,
    seed: int,
    repeats: int = 5,
) -> SplitPrice:
    """Train the linear probe under `repeats` random and as many grouped splits of the same sizes.

    `embeddings` of every usable, labelled image; groups from the index and from what `split_config` names. DataError
    when there are fewer than two classes, or too few groups to split.
    """
    united = unite_groups(index, split_config)
    placed = _ordered(
        united.where(united.frame["quarantine"].isna() & united.frame["label"].notna())
    )
    if repeats < 1:
        raise DataError(f"repeats is {repeats}: ask for at least 1")
    if len(placed.classes) < 2:
        raise DataError(
            f"{len(placed.classes)} class has labels, a probe needs 2: label more images"
        )
    axes = axes_of(rows_for(embeddings, placed), seed=seed)
    labels = np.searchsorted(placed.classes, placed.frame["label"].to_numpy(str))
    groups = group_numbers(placed.frame)
    by_groups = [
        split(placed, split_config, seed=seed + number).frame["split"].to_numpy() == "test"
        for number in range(repeats)
    ]
    rng = np.random.default_rng(seed)
    at_random = [_random_like(tested, labels, rng) for tested in by_groups]
    counted = [_by_group(axes, labels, groups, each) for each in (at_random, by_groups)]
    draws = _draws(counted[0][1].shape[0], rng)
    plain = _measured(counted, draws, _accuracy)
    even = _measured(counted, draws, _balanced)
    sizes = np.bincount(groups)
    return SplitPrice(
        images=len(placed),
        groups=len(sizes),
        shared=int(sizes[sizes > 1].sum()),
        tested=round(float(np.mean([tested.sum() for tested in by_groups]))),
        repeats=repeats,
        seed=seed,
        random=plain[0],
        grouped=plain[1],
        gap=plain[2],
        random_balanced=even[0],
        grouped_balanced=even[1],
        gap_balanced=even[2],
    )


def _compared(how: str, random: Measured, grouped: Measured) -> str:
    return f"random split says {random.value:.1%}{how}, grouped split says {grouped.value:.1%}"


def _points(gap: Measured) -> str:
    low, high = 100 * gap.low, 100 * gap.high
    return f"{100 * gap.value:.1f} points are leakage ({low:.1f} to {high:.1f})"


def _ordered(index: ImageIndex) -> ImageIndex:
    """Rows in order of image id, then path: which is which must not hang on the order they came in."""
    frame: pd.DataFrame = index.frame.sort_values(["image_id", "path"], ignore_index=True)
    return ImageIndex(index.root, frame)


def _random_like(tested: Tested, labels: Ints, rng: np.random.Generator) -> Tested:
    """As many test images of each class, whatever their groups."""
    drawn = np.zeros(len(tested), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        drawn[rng.choice(rows, int(tested[rows].sum()), replace=False)] = True
    return drawn


def _by_group(
    axes: Floats, labels: Ints, groups: Ints, splits: list[Tested]
) -> tuple[Scores, Scores]:
    """Right answers and questions, float64 (groups, classes), summed over all the splits."""
    classes = int(labels.max()) + 1
    right, asked = (np.zeros((int(groups.max()) + 1, classes)) for _ in range(2))
    for tested in splits:
        judge = np.flatnonzero(tested)
        said = out_of_fold(axes, labels, classes, [(np.flatnonzero(~tested), judge)])[judge]
        place = groups[judge], labels[judge]
        np.add.at(right, place, said.argmax(axis=1) == labels[judge])
        np.add.at(asked, place, 1)
    return right, asked


def _draws(groups: int, rng: np.random.Generator) -> Scores:
    """How often each group is drawn, (1 + RESAMPLES, groups); the first row takes each once."""
    even = np.full(groups, 1 / groups)
    return np.concatenate([np.ones((1, groups)), rng.multinomial(groups, even, RESAMPLES)])


def _measured(
    counted: list[tuple[Scores, Scores]], draws: Scores, score: Score
) -> tuple[Measured, Measured, Measured]:
    """Random, grouped and their gap, each over the same draws of groups."""
    first, second = (score(draws @ right, draws @ asked) for right, asked in counted)
    return _interval(first), _interval(second), _interval(first - second)


def _interval(values: Scores) -> Measured:
    low, high = np.nanpercentile(values[1:], COVERED)
    value = float(values[0])
    return Measured(
        round(value, 6), round(min(value, float(low)), 6), round(max(value, float(high)), 6)
    )


def _accuracy(right: Scores, asked: Scores) -> Scores:
    """Right answers per question, of each draw (N, classes); NaN for a draw without questions."""
    return _share(right.sum(axis=1), asked.sum(axis=1))


def _balanced(right: Scores, asked: Scores) -> Scores:
    """The mean over the classes that were asked at all."""
    shares = np.nan_to_num(_share(right, asked))
    return _share(shares.sum(axis=1), (asked > 0).sum(axis=1))


def _share(part: Scores, whole: Scores | npt.NDArray[np.int64]) -> Scores:
    found: Scores = np.where(whole > 0, part / np.maximum(1, whole), np.nan)
    return found
