"""The gate on the data: a real Great Expectations suite over the index, answered in our own words.

Covered: every row of `questions.CHECKS`, asked in full (no `mostly`), each offending file named; a question that could
not be asked counts as failed and says so. Not covered: the images' content beyond what the index states. Runs in
memory, writes nothing, needs no network; only `write_data_docs` writes pages, and those load styles from the network.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from data_checks.questions import CHECKS, Question, Scope, enriched
from data_checks.results import NAMED_FILES, CheckResult, GateReport, limited_rows
from inspection.config import ChecksConfig
from inspection.data.index import ImageIndex

SCOPES: tuple[Scope, ...] = ("usable", "all")


def validate_index(index: ImageIndex, checks: ChecksConfig) -> GateReport:
    """Ask every question of the index; `GateReport.require` turns a refusal into an error."""
    results = ask(index, checks, list(CHECKS))
    quarantined = int(index.frame["quarantine"].notna().sum())
    return GateReport.of(results, images=len(index), quarantined=quarantined)


def ask(index: ImageIndex, checks: ChecksConfig, names: Sequence[str]) -> tuple[CheckResult, ...]:
    """The answers to some questions, in the order asked."""
    frame = enriched(index)
    answers: dict[str, CheckResult] = {}
    for scope in SCOPES:
        asked = [CHECKS[name] for name in names if CHECKS[name].scope == scope]
        rows = frame if scope == "all" else frame[index.frame["quarantine"].isna()]
        answers |= answered(rows, asked, checks, scope) if asked else {}
    return tuple(answers[name] for name in names)


def answered(
    rows: pd.DataFrame, asked: Sequence[Question], checks: ChecksConfig, name: str
) -> dict[str, CheckResult]:
    """What a table with `path` and `label` answers to some questions, by their names; `name` names the suite."""
    with _quiet_great_expectations():
        return _answers(_context(None), asked, rows, checks, name)


def as_suite(asked: Sequence[Question], checks: ChecksConfig, name: str) -> Any:
    """The questions as a `great_expectations.ExpectationSuite`."""
    with _quiet_great_expectations():
        return _suite(asked, checks, name)


def write_data_docs(index: ImageIndex, checks: ChecksConfig, folder: Path) -> Path:
    """Great Expectations' own pages below `folder`; returns the front page. They are not offline."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = enriched(index)
    with _quiet_great_expectations():
        import great_expectations as gx

        context = _context(folder)
        definitions = []
        for scope in SCOPES:
            asked = [question for question in CHECKS.values() if question.scope == scope]
            suite = context.suites.add(_suite(asked, checks, scope))
            batch = _batch_definition(context, scope)
            definition = gx.ValidationDefinition(name=scope, data=batch, suite=suite)
            definitions.append(context.validation_definitions.add(definition))
            rows = frame if scope == "all" else frame[index.frame["quarantine"].isna()]
            definition.run(batch_parameters={"dataframe": _plain(rows)})
        context.build_data_docs()
    return next((folder / "gx" / "uncommitted" / "data_docs").rglob("index.html"))


@contextmanager
def _quiet_great_expectations() -> Iterator[None]:
    """Keep its analytics off and its log lines and warnings from the user's screen."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    # Some of its modules set their own level, so silencing the package's logger is not enough.
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _context(folder: Path | None) -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context: Any = (
        gx.get_context(mode="ephemeral")
        if folder is None
        else gx.get_context(mode="file", project_root_dir=folder)
    )
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _batch_definition(context: Any, scope: str) -> Any:
    source = context.data_sources.add_pandas(f"index_{scope}")
    return source.add_dataframe_asset(scope).add_batch_definition_whole_dataframe(scope)


def _suite(asked: Sequence[Question], checks: ChecksConfig, scope: str) -> Any:
    import great_expectations as gx

    suite = gx.ExpectationSuite(name=f"image_index_{scope}")
    for question in asked:
        build = getattr(gx.expectations, question.expectation)
        settings = question.settings(checks)
        suite.add_expectation(
            build(**settings, severity=question.severity, meta={"question": question.name})
        )
    return suite


def _answers(
    context: Any,
    asked: Sequence[Question],
    rows: pd.DataFrame,
    checks: ChecksConfig,
    scope: str,
) -> dict[str, CheckResult]:
    batch = _batch_definition(context, scope).get_batch({"dataframe": _plain(rows)})
    result = batch.validate(
        _suite(asked, checks, scope),
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["path", "label"],
        },
    )
    by_name = {item.expectation_config.meta["question"]: item for item in result.results}
    return {
        question.name: _result(question, by_name[question.name], checks, len(rows))
        for question in asked
    }


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns of lists out: Great Expectations hashes values, lists cannot be."""
    lists = ["boxes", "warnings"]
    return rows.drop(columns=lists, errors="ignore").reset_index(drop=True)


def _result(question: Question, item: Any, checks: ChecksConfig, total: int) -> CheckResult:
    error = _error(item)
    found = item.result or {}
    paths = [str(entry["path"]) for entry in found.get("unexpected_index_list") or ()]
    count = int(found.get("unexpected_count", 0) or 0)
    return CheckResult(
        name=question.name,
        passed=bool(item.success) and error is None,
        observed=_observed(found, question, count, total),
        limit=question.limit(checks),
        advice=question.advice,
        rows=limited_rows(paths),
        severity=question.severity,
        count=count,
        error=error,
    )


def _observed(found: Mapping[str, Any], question: Question, count: int, total: int) -> str:
    value = found.get("observed_value")
    if value is not None:
        return question.told.format(value) if isinstance(value, int | float) else str(value)
    if not count:
        return f"all of {total} images"
    if question.shows is not None:
        values = [entry[question.shows] for entry in found["unexpected_index_list"]]
        return f"{count} of {total} images, of {question.shows} {', '.join(_texts(values))}"
    examples = _texts(found.get("partial_unexpected_list") or ())
    return f"{count} of {total} images" + (f" (such as {', '.join(examples)})" if examples else "")


def _texts(values: Iterable[Any]) -> list[str]:
    """Up to `NAMED_FILES` different values as text; a bare yes, no or nothing says nothing."""
    plain = [value.item() if hasattr(value, "item") else value for value in values]
    told = {value for value in plain if not isinstance(value, bool) and not pd.isna(value)}
    texts = sorted(f"{value:g}" if isinstance(value, float) else str(value) for value in told)
    return texts[:NAMED_FILES]


def _error(item: Any) -> str | None:
    """The first exception's message; Great Expectations keys it by metric, or not at all."""
    info = item.exception_info or {}
    entries = [info, *(value for value in info.values() if isinstance(value, dict))]
    for entry in entries:
        if entry.get("raised_exception"):
            lines = str(entry.get("exception_message", "unknown")).splitlines()
            return lines[0] if lines else "unknown"
    return None
