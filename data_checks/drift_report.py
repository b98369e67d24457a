"""The drift page for people: Evidently's comparison of batch and reference, one HTML file that opens offline.

Covered: image statistics, confidence, predicted class and novelty, the method and threshold of each named; thresholds
are those of `drift.detect_drift`, whose verdict also knows tests that Evidently lacks. Not covered: the embeddings
themselves (hundreds of columns would swamp the page; their verdict is in the JSON). The page loads nothing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from data_checks.drift import SEED, as_batch, signal_threshold
from data_checks.drift_reference import DriftReference
from data_checks.predictions import STATISTICS
from data_checks.two_samples import Resampling, hellinger_null, novelty_scores
from inspection.config import MonitorConfig

NUMBERS = (*STATISTICS, "confidence", "novelty")
LABEL = "predicted class"
HELLINGER_FLOOR = 0.01
"""Evidently wants a positive threshold."""


def drift_html(
    current: pd.DataFrame | DriftReference,
    reference: DriftReference,
    *,
    classes: Sequence[str] = (),
    config: MonitorConfig | None = None,
) -> str:
    """A whole HTML document. `classes`: names in order of the probabilities; numbers stand in when absent."""
    config = config or MonitorConfig()
    names = list(classes) or [f"class {n}" for n in range(reference.probabilities.shape[1])]
    batch = as_batch(current, reference, config, names)
    new, old = _tables(batch, reference, names)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _rendered(new, old, config, _label_limit(batch, reference, config))


def _rendered(new: pd.DataFrame, old: pd.DataFrame, config: MonitorConfig, limit: float) -> str:
    os.environ.setdefault("DO_NOT_TRACK", "true")  # read by Evidently when it is imported
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=list(NUMBERS), categorical_columns=[LABEL])
    preset = DataDriftPreset(
        columns=[*NUMBERS, LABEL],
        num_method="ks",
        num_threshold=signal_threshold(config),
        cat_method="hellinger",
        cat_threshold=limit,
        drift_share=0.1,  # one column of six that moved is drift, as in the verdict
    )
    sides = [Dataset.from_pandas(table, data_definition=definition) for table in (new, old)]
    snapshot = Report([preset], include_tests=True).run(
        current_data=sides[0], reference_data=sides[1]
    )
    page = str(snapshot.get_html_str(as_iframe=False))
    return page.replace("<body>", f"<body>{_note(len(new), len(old), config, limit)}", 1)


def _note(images: int, reference: int, config: MonitorConfig, limit: float) -> str:
    """What the page itself rounds away: the methods and their exact thresholds."""
    return (
        '<p style="font:14px sans-serif;margin:16px 24px">'
        f"{images} images in service against {reference} of validation. "
        f"{', '.join(NUMBERS)}: Kolmogorov-Smirnov, drift when p &lt; "
        f"{signal_threshold(config):.3g}. {LABEL}: Hellinger distance, drift when &gt; {limit:.3g}. "
        "The verdict of record, with every signal, is the JSON beside this page.</p>"
    )


def _tables(
    batch: DriftReference, reference: DriftReference, names: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    scores = novelty_scores(
        batch.embedding.astype(np.float64),
        reference.embedding.astype(np.float64),
        reference.groups,
    )
    tables = []
    for sample, novelty in zip((batch, reference), scores, strict=True):
        table = pd.DataFrame(sample.statistics.astype(np.float64), columns=list(STATISTICS))
        table["confidence"] = sample.probabilities.max(axis=1).astype(np.float64)
        table["novelty"] = novelty
        table[LABEL] = [names[top] for top in sample.probabilities.argmax(axis=1)]
        tables.append(table)
    return tables[0], tables[1]


def _label_limit(batch: DriftReference, reference: DriftReference, config: MonitorConfig) -> float:
    """The Hellinger distance that equal sources of these sizes reach with the threshold's probability."""
    threshold = signal_threshold(config)
    null = hellinger_null(
        batch.probabilities.argmax(axis=1),
        reference.probabilities.argmax(axis=1),
        reference.probabilities.shape[1],
        reference.groups,
        Resampling.for_threshold(threshold, seed=SEED),
    )
    return max(float(np.quantile(null, 1.0 - threshold)), HELLINGER_FLOOR)
