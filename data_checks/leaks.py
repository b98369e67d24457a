"""How much of the test set a model has in effect already seen in training; and what a random split would have leaked.

Covered: exact copies and the near-copies that `duplicates` reports, turned ones too, in train and test. Not covered:
near-copies that search missed; other pairs of splits, and what leaks by other ways, as sessions (`split_audit`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from data_checks.duplicates import DuplicateReport
from data_checks.results import CheckResult, limited_rows
from inspection.data.index import ImageIndex
from inspection.records import Record

RANDOM_SPLITS = 20
"""Random splits averaged; their rates differ by a few per cent."""
EXAMPLES = 24
"""Leaking pairs kept for the gallery."""
TURNED = "turned or mirrored"
"""Of an exact copy of a turned copy."""

Links = dict[str, set[str]]


@dataclass(frozen=True)
class LeakExample(Record):
    """A test image and a copy of it that training sees; `symmetry`: how that is turned, empty if it is not."""

    test_path: str
    train_path: str
    symmetry: str = ""


@dataclass(frozen=True)
class LeakReport(Record):
    """Shares of test images (0..1) with an exact or near copy in train.

    `rate`: in the split as it stands. `random_rate`: mean over ungrouped random splits of the same sizes. `leaking`:
    how many test images; `examples` show some; `turned` of them leak by turned or mirrored copies alone.
    """

    rate: float
    random_rate: float
    leaking: int
    test_images: int
    train_images: int
    examples: tuple[LeakExample, ...]
    turned: int = 0

    @property
    def sentence(self) -> str:
        """Both rates in one line."""
        return (
            f"{self.rate:.1%} of {self.test_images} test images have a near-copy in train; "
            f"a random split would leak {self.random_rate:.1%}"
        )


def leak_report(index: ImageIndex, duplicates: DuplicateReport, *, seed: int) -> LeakReport:
    """Leaks of the index's own split and of random ones over the same images."""
    frame = index.usable().frame
    paths = frame["path"].to_numpy(dtype=object)
    splits = frame["split"].to_numpy(dtype=object)
    links = _links(duplicates)
    upright = _links(
        replace(duplicates, pairs=tuple(p for p in duplicates.pairs if not p.symmetry))
    )
    leaking = _leaking(paths, splits, links)
    turned = leaking - _leaking(paths, splits, upright)
    train = {str(path) for path in paths[splits == "train"]}
    symmetry = {frozenset((p.path_a, p.path_b)): p.symmetry for p in duplicates.pairs}
    examples = []
    for path in sorted(leaking)[:EXAMPLES]:
        seen = min((links if path in turned else upright)[path] & train)
        told = symmetry.get(frozenset((path, seen)), TURNED) if path in turned else ""
        examples.append(LeakExample(path, seen, told))
    tested = int((splits == "test").sum())
    return LeakReport(
        rate=len(leaking) / max(1, tested),
        random_rate=_random_rate(paths, splits, links, np.random.default_rng(seed)),
        leaking=len(leaking),
        test_images=tested,
        train_images=len(train),
        examples=tuple(examples),
        turned=len(turned),
    )


def check_leaks(report: LeakReport, max_leak_rate: float) -> CheckResult:
    """Refuse a split whose leak rate is above the limit."""
    passed = report.rate <= max_leak_rate
    return CheckResult(
        name="leak_rate",
        passed=passed,
        observed=f"{report.rate:.1%} of {report.test_images} test images have a near-copy in train{_how(report)}",
        limit=f"at most {max_leak_rate:.1%}",
        advice=f"split by the group that find_duplicates gave each image: {_regroup(report)}",
        rows=() if passed else limited_rows([example.test_path for example in report.examples]),
        count=0 if passed else report.leaking,
    )


def _how(report: LeakReport) -> str:
    """Whether the copies are turned, with the first of them."""
    first = next((one for one in report.examples if one.symmetry), None)
    if first is None:
        return ""
    return f", {report.turned} of them turned ({first.test_path} is {first.train_path}, {first.symmetry})"


def _regroup(report: LeakReport) -> str:
    option = " --symmetries" if report.turned else ""
    return f"run `plumbline data dedupe{option}` and `plumbline data split`"


def _links(duplicates: DuplicateReport) -> Links:
    """Who is a copy of whom; near-copies of one exact copy are near-copies of them all."""
    links: Links = {}
    copies = {path: group for group in duplicates.exact_groups for path in group}
    for group in duplicates.exact_groups:
        _connect(links, group, group)
    for pair in duplicates.pairs:
        first = copies.get(pair.path_a, (pair.path_a,))
        _connect(links, first, copies.get(pair.path_b, (pair.path_b,)))
    return links


def _connect(links: Links, first: tuple[str, ...], second: tuple[str, ...]) -> None:
    for a in first:
        for b in second:
            if a != b:
                links.setdefault(a, set()).add(b)
                links.setdefault(b, set()).add(a)


def _leaking(
    paths: npt.NDArray[np.object_], splits: npt.NDArray[np.object_], links: Links
) -> set[str]:
    train = {str(path) for path in paths[splits == "train"]}
    tested = (str(path) for path in paths[splits == "test"])
    return {path for path in tested if not train.isdisjoint(links.get(path, ()))}


def _random_rate(
    paths: npt.NDArray[np.object_],
    splits: npt.NDArray[np.object_],
    links: Links,
    rng: np.random.Generator,
) -> float:
    tested = max(1, int((splits == "test").sum()))
    # Order of the rows must not matter, only the images and the seed.
    order = np.sort(paths.astype(str)).astype(object)
    held = np.sort(splits.astype(str)).astype(object)
    rates = [
        len(_leaking(order, rng.permutation(held), links)) / tested for _ in range(RANDOM_SPLITS)
    ]
    return float(np.mean(rates))
