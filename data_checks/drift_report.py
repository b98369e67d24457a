"""The drift pages for people: Evidently's comparison of batch and reference by stream, and its workspace over time.

Covered: the numbers of each signal, confidence, predicted class and novelty, each by a Kolmogorov-Smirnov or Hellinger
test of Evidently's; the alarm and its chance are those of `drift.detect_drift`, told at the head of the page. Not
covered: the embeddings themselves (hundreds of columns would swamp the page). The page loads nothing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_checks.drift import SEED, DriftVerdict, Watched, as_batch
from data_checks.drift_measures import Measures, Ruler
from data_checks.drift_reference import DriftReference
from deploy.edge.files import write_bytes
from inspection.config import MonitorConfig

NOVELTY, LABEL = "novelty", "predicted class"
SHOWN = (
    "brightness",
    "exposure",
    "relative contrast",
    "coarseness",
    "focus",
    "blocks",
    "grain",
    "tilt",
    "confidence",
)
"""Numbers with a chart of their own, where both sides have them."""
STRICT = 0.001
"""Of Evidently's own tests, column by column; our alarm is one for all of them."""
ORDINARY = 0.1
"""Hellinger distance that Evidently calls drift."""


def report_streams(
    batch: DriftReference,
    reference: DriftReference,
    found: Watched,
    classes: Sequence[str],
    folder: Path,
    kept: tuple[Path, str, datetime],
) -> dict[str, str]:
    """Write a page per judged stream into `folder` and add each to the workspace; file names by stream.

    `kept`: the workspace's folder, the model's name, the time that the snapshots carry.
    """
    pages = {}
    for number, verdict in enumerate(found.verdicts):
        part = batch.of_stream(verdict.stream)
        snapshot, note = _snapshot(part, reference, verdict, classes, kept[2])
        name = f"evidently-{number}.html" if number else "evidently.html"
        write_bytes(folder / name, _page(snapshot, note).encode())
        _keep(snapshot, verdict.stream, *kept[:2])
        pages[verdict.stream] = name
    return pages


def drift_html(
    current: pd.DataFrame | DriftReference,
    reference: DriftReference,
    verdict: DriftVerdict,
    *,
    classes: Sequence[str],
    created: datetime,
) -> str:
    """A whole HTML document for one batch."""
    batch = as_batch(current, reference, MonitorConfig(), classes)
    return _page(*_snapshot(batch, reference, verdict, classes, created))


def _snapshot(
    batch: DriftReference,
    reference: DriftReference,
    verdict: DriftVerdict,
    classes: Sequence[str],
    created: datetime,
) -> tuple[Any, str]:
    """Evidently's comparison, and what our own verdict says above it."""
    known = min(batch.statistics.shape[1], reference.statistics.shape[1])
    ruler = Ruler.of(reference, known, np.random.default_rng(SEED))
    new, old = (_table(measures, classes) for measures in (ruler.measures(batch), ruler.reference))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _compared(new, old, created), _note(verdict)


def _compared(new: pd.DataFrame, old: pd.DataFrame, created: datetime) -> Any:
    os.environ.setdefault("DO_NOT_TRACK", "true")  # read by Evidently when it is imported
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = [name for name in new if name != LABEL]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=[LABEL])
    preset = DataDriftPreset(
        columns=[*numbers, LABEL],
        num_method="ks",
        num_threshold=STRICT,
        cat_method="hellinger",
        cat_threshold=ORDINARY,
        drift_share=1 / (len(numbers) + 1),  # one column that moved is enough
    )
    sides = [Dataset.from_pandas(table, data_definition=definition) for table in (new, old)]
    return Report([preset], include_tests=True).run(
        current_data=sides[0], reference_data=sides[1], timestamp=created
    )


def _page(snapshot: Any, note: str) -> str:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        page = str(snapshot.get_html_str(as_iframe=False))
    return page.replace("<body>", f"<body>{note}", 1)


def _note(verdict: DriftVerdict) -> str:
    """Whose verdict counts, in the place where one looks first."""
    decided = f"<br>{escape(verdict.decided.sentence)}." if verdict.decided else ""
    return (
        '<p style="font:14px sans-serif;margin:16px 24px">'
        f"<b>{escape(verdict.sentence)}</b>{decided}<br>"
        f"The charts below are Evidently's, with a test of each column alone "
        f"(p &lt; {STRICT:g}); the alarm is Plumbline's, calibrated for all signals together at "
        f"{verdict.signals[0].threshold:.2g} per batch. The verdict of record is the JSON beside this page.</p>"
    )


def _table(measures: Measures, classes: Sequence[str]) -> pd.DataFrame:
    shown: Mapping[str, Any] = {
        name: measures.numbers[name] for name in SHOWN if name in measures.numbers
    }
    table = pd.DataFrame({**shown, NOVELTY: measures.strange[:, 1]})
    table[LABEL] = [classes[label] for label in measures.labels]
    return table


def _keep(snapshot: Any, stream: str, workspace: Path, name: str) -> None:
    """One project per model and stream, so that Evidently draws each as a line over time."""
    from evidently.ui.workspace import Workspace

    title = f"{name} · {stream}" if stream else name
    workspace.mkdir(parents=True, exist_ok=True)
    room = Workspace.create(str(workspace))
    found = [one for one in room.search_project(title) if one.name == title]
    project = found[0] if found else room.create_project(title, description="drift, by Plumbline")
    room.add_run(project.id, snapshot)
