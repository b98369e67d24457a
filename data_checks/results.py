"""What a check says: one value per question, one report per gate.

Covered: every result names its rule, what was seen, what is allowed, what to do, and the files concerned.
Not covered: deciding what happens next; a gate's caller does that with `GateReport.require`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inspection.errors import CheckFailed
from inspection.records import Record

Severity = Literal["critical", "warning"]
"""A failed `critical` closes the gate; a failed `warning` is shown and passes."""

MAX_ROWS = 200
"""Paths kept per result: enough for a gallery, small enough for a page."""

NAMED_FILES = 3
"""Paths a one-line message can carry."""


@dataclass(frozen=True)
class CheckResult(Record):
    """The answer to one question asked of the data.

    `observed` and `limit` are text for people; `rows` the offending paths (at most `MAX_ROWS`, `count` has them all);
    `error` is set when the question could not be asked, which is not the same as bad data.
    """

    name: str
    passed: bool
    observed: str
    limit: str
    advice: str
    rows: tuple[str, ...] = ()
    severity: Severity = "critical"
    count: int = 0
    error: str | None = None

    @property
    def sentence(self) -> str:
        """Rule, value and remedy in one line."""
        if self.error is not None:
            return f"{self.name}: could not be checked ({self.error})"
        if self.passed:
            return f"{self.name}: {self.observed} ({self.limit})"
        where = ", ".join(self.rows[:NAMED_FILES])
        more = f" and {self.count - NAMED_FILES} more" if self.count > NAMED_FILES else ""
        files = f" [{where}{more}]" if where else ""
        return f"{self.name}: {self.observed}, allowed {self.limit}{files}; {self.advice}"


@dataclass(frozen=True)
class OffendingRow(Record):
    """One file and the question it fails."""

    path: str
    check: str


@dataclass(frozen=True)
class GateReport(Record):
    """All answers about one index; `passed` when no critical one is negative."""

    passed: bool
    results: tuple[CheckResult, ...]
    images: int
    quarantined: int

    @classmethod
    def of(cls, results: tuple[CheckResult, ...], *, images: int, quarantined: int) -> GateReport:
        """Close the gate on any failed critical result."""
        passed = all(result.passed for result in results if result.severity == "critical")
        return cls(passed, results, images, quarantined)

    def with_results(self, *results: CheckResult) -> GateReport:
        """This report with the answers to questions that were asked later."""
        every = (*self.results, *results)
        return GateReport.of(every, images=self.images, quarantined=self.quarantined)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """Results that close the gate."""
        return tuple(r for r in self.results if not r.passed and r.severity == "critical")

    @property
    def cautions(self) -> tuple[CheckResult, ...]:
        """Failed results that let the run go on."""
        return tuple(r for r in self.results if not r.passed and r.severity == "warning")

    @property
    def offending(self) -> tuple[OffendingRow, ...]:
        """Every file that fails something, with what it fails, in order of path."""
        rows = {(path, result.name) for result in self.results for path in result.rows}
        return tuple(OffendingRow(path, check) for path, check in sorted(rows))

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        usable = self.images - self.quarantined
        seen = f"{usable} of {self.images} images usable, {len(self.results)} checks"
        if self.passed:
            cautions = f", {len(self.cautions)} with a warning" if self.cautions else ""
            return f"data gate passed: {seen}{cautions}"
        first = "; ".join(result.sentence for result in self.failures[:NAMED_FILES])
        return f"data gate refused ({len(self.failures)} of {len(self.results)} checks): {first}"

    def require(self) -> None:
        """Raise `CheckFailed` with the sentence unless passed."""
        if not self.passed:
            raise CheckFailed(self.sentence)


def limited_rows(paths: list[str]) -> tuple[str, ...]:
    """Sorted and cut to `MAX_ROWS`, so that a report stays a page."""
    return tuple(sorted(paths)[:MAX_ROWS])
