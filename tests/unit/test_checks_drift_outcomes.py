"""The device's decisions on each stream of a batch: apart, beside the whole reference, and only with a good class."""

from __future__ import annotations

import numpy as np
import pytest

from data_checks.drift import DriftReference, DriftSignal, DriftVerdict, Watched
from data_checks.drift_outcomes import told_outcomes, with_outcomes
from deploy.edge.spec import Decision
from inspection.config import EconomicsConfig

CLASSES = ("ok", "dent")
DECISION = Decision("ok", 0.5)


def seen(*rejected: bool, streams: tuple[str, ...] | None = None) -> DriftReference:
    defect = np.where(rejected, 0.9, 0.1)
    return DriftReference(
        np.ones((len(defect), 3), np.float32),
        np.stack([1 - defect, defect], axis=1).astype(np.float32),
        np.ones((len(defect), 4), np.float32),
        streams=None if streams is None else np.array(streams),
    )


def look(*streams: str) -> Watched:
    signal = DriftSignal("focus", "ranks", 0.4, 0.002, False, 0.0, "as it was")
    verdicts = tuple(DriftVerdict(False, (signal,), 4, 40, "told", name) for name in streams)
    return Watched(False, "told", verdicts, ("too small",))


REFERENCE = seen(*[True] * 2, *[False] * 38)


def test_each_stream_is_counted_apart_against_the_whole_reference() -> None:
    batch = seen(*[True] * 30, *[False] * 30, streams=("left",) * 30 + ("right",) * 30)
    found = with_outcomes(
        look("left", "right"), batch, REFERENCE, CLASSES, DECISION, EconomicsConfig()
    )

    left, right = (verdict.decided for verdict in found.verdicts)
    assert left is not None
    assert right is not None
    assert (left.rejected.batch.hits, left.rejected.batch.total) == (30, 30)
    assert (right.rejected.batch.hits, right.rejected.batch.total) == (0, 30)
    assert left.rejected.reference == right.rejected.reference
    assert left.rejected.reference.total == 40
    assert [left.rejected.moved, right.rejected.moved] == ["more", ""]
    assert found.too_small == ("too small",)
    assert Watched.from_json(found.to_json()) == found
    told = told_outcomes(found)
    assert told[0].startswith("left: rejected 100.0 %")
    assert told[0].endswith("on the reference 5.0 %: clearly more")
    assert told[1].startswith("right: rejected 0.0 %")


def test_a_log_without_streams_names_none() -> None:
    batch = seen(True, False, False, False)
    found = with_outcomes(look(""), batch, REFERENCE, CLASSES, DECISION, EconomicsConfig())
    assert told_outcomes(found)[0].startswith("rejected 25.0 %")


@pytest.mark.parametrize("decision", [Decision(), Decision("good")])
def test_without_a_good_class_nothing_is_said(decision: Decision) -> None:
    batch = seen(True, False, False, False)
    found = with_outcomes(look(""), batch, REFERENCE, CLASSES, decision, EconomicsConfig())
    assert found == look("")
    assert told_outcomes(found) == []


def test_the_line_s_own_rate_of_defects_is_taken_from_the_config() -> None:
    batch = seen(*[True] * 10)
    rate = EconomicsConfig(defect_rate=0.01)
    found = with_outcomes(look(""), batch, REFERENCE, CLASSES, DECISION, rate)
    assert "good and rejected" in told_outcomes(found)[0]
