from __future__ import annotations

from pathlib import Path

import pytest

from data_checks.duplicates import DuplicatePair, DuplicateReport
from data_checks.leaks import check_leaks, leak_report
from inspection.data.index import ImageIndex

NAMES = tuple("abcdefghij")


def index(splits: str) -> ImageIndex:
    """One letter per image a, b, c …: t(rain), v(al), e (test), q(uarantined test)."""
    meaning = {"t": "train", "v": "val", "e": "test", "q": "test"}
    rows = [
        {"path": name, "split": meaning[letter], "quarantine": "x" if letter == "q" else None}
        for name, letter in zip(NAMES, splits, strict=False)
    ]
    return ImageIndex.from_rows(Path("/nowhere"), rows)


def found(*pairs: str, exact: tuple[tuple[str, ...], ...] = ()) -> DuplicateReport:
    return DuplicateReport(10, exact, tuple(DuplicatePair(*pair, 0.9) for pair in pairs), (), 2)


@pytest.mark.parametrize(
    ("splits", "duplicates", "rate"),
    [
        ("ttee", found(), 0.0),
        ("ttee", found("ab", "cd"), 0.0),
        ("ttee", found("ac"), 0.5),
        ("ttee", found("ac", "bc"), 0.5),
        ("tvee", found("bc"), 0.0),
        ("ttee", found(exact=(("b", "d"),)), 0.5),
        ("ttee", found("ac", exact=(("c", "d"),)), 1.0),
        ("ttqe", found("ac"), 0.0),
        ("tttt", found("ab"), 0.0),
    ],
    ids=[
        "no copies",
        "copies on one side",
        "one of two",
        "two copies of one image count once",
        "val is not train",
        "exact copies",
        "a near-copy of an exact copy is near too",
        "quarantined images are in no split",
        "no test set",
    ],
)
def test_rate(splits: str, duplicates: DuplicateReport, rate: float) -> None:
    assert leak_report(index(splits), duplicates, seed=1).rate == rate


def test_examples__show_test_beside_train() -> None:
    report = leak_report(index("ttee"), found("ac"), seed=1)

    assert [(one.test_path, one.train_path) for one in report.examples] == [("c", "a")]
    assert "50.0% of 2 test images" in report.sentence


def test_random_rate__is_what_chance_gives() -> None:
    pairs = ("ab", "cd", "ef", "gh", "ij")
    grouped = index("ttttttttee")

    report = leak_report(grouped, found(*pairs), seed=1)

    # A test image's partner is one of the 9 others, of which 8 are in train.
    assert report.rate == 0.0
    assert report.random_rate == pytest.approx(8 / 9, abs=0.15)


def test_random_rate__depends_on_the_seed_not_on_the_order_of_rows() -> None:
    ordered = index("ttttvvteee")
    turned = ordered.where(list(range(len(ordered)))[::-1])
    duplicates = found("ab", "cd", "ef", "gh")

    rates = [leak_report(ordered, duplicates, seed=seed).random_rate for seed in (1, 1, 2, 3)]

    assert leak_report(turned, duplicates, seed=1).random_rate == rates[0] == rates[1]
    assert len(set(rates)) > 1


def test_check__refuses_above_the_limit_and_names_files() -> None:
    report = leak_report(index("ttee"), found("ac"), seed=1)

    refused = check_leaks(report, 0.1)

    assert check_leaks(report, 0.5).passed
    assert not refused.passed
    assert refused.rows == ("c",)
    assert "split by the group" in refused.sentence
