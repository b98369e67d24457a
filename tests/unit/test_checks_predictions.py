from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from data_checks import predictions
from data_checks.drift_batches import read_batch
from data_checks.drift_reference import DriftReference
from data_checks.predictions import (
    SCHEMA,
    load_predictions,
    newest,
    of_model,
    stream_names,
    write_parquet,
)
from deploy.edge.prediction_log import PredictionLog
from deploy.edge.statistics import FIRST, STATISTICS, ImageStatistics
from inspection.config import MonitorConfig
from inspection.errors import DataError, UserError


def record(number: int, *, model: str = "a" * 64, **more: Any) -> dict[str, Any]:
    return {
        "time": f"2025-01-01T00:00:{number:02d}.000+00:00",
        "image_id": f"{number:064x}",
        "path": f"{number}.png",
        "model": model,
        "label": "ok",
        "confidence": 0.75,
        "outcome": "accept",
        "probabilities": [0.75, 0.25],
        "embedding": [0.5, -1.0, number / 7],
        "brightness": 120.5,
        "contrast": 20.25,
        "sharpness": 300.0,
        "latency_ms": 4.5,
        **more,
    }


def logged(folder: Path, *records: dict[str, Any], max_bytes: int = 2**20) -> Path:
    with PredictionLog(folder, max_bytes=max_bytes) as log:
        for entry in records:
            log.write(entry)
    return folder


def test_log__comes_back_as_a_table_in_order_of_writing(tmp_path: Path) -> None:
    folder = logged(tmp_path, *(record(number) for number in range(9)), max_bytes=900)
    assert len(list(folder.iterdir())) > 1, "the log must have rotated"

    frame = load_predictions(folder)

    assert list(frame.columns) == SCHEMA.names
    assert list(frame["path"]) == [f"{number}.png" for number in range(9)]
    assert frame["embedding"][7].dtype == np.float32
    assert frame["embedding"][7].tolist() == pytest.approx([0.5, -1.0, 1.0])
    assert frame["latency_ms"].tolist() == [4.5] * 9


def test_pieces__join_without_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "PIECE", 4)
    folder = logged(tmp_path, *(record(number) for number in range(9)))

    assert list(load_predictions(folder)["path"]) == [f"{number}.png" for number in range(9)]


def test_torn_last_line__is_passed_over(tmp_path: Path) -> None:
    folder = logged(tmp_path, record(1), record(2))
    segment = next(folder.iterdir())
    segment.write_bytes(segment.read_bytes()[:-20])

    assert list(load_predictions(folder)["path"]) == ["1.png"]


def test_parquet__holds_the_log(tmp_path: Path) -> None:
    folder = logged(tmp_path / "log", record(1), record(2, extra="from a newer device"))
    target = tmp_path / "out" / "log.parquet"

    assert write_parquet(folder, target) == 2
    table = pq.read_table(target)
    assert table.schema.equals(SCHEMA)
    assert table["tilt"].to_pylist() == [None, None], "an older device logged no tilt"
    assert table["probabilities"].to_pylist() == [[0.75, 0.25]] * 2
    assert [path.name for path in target.parent.iterdir()] == ["log.parquet"]


def test_no_log_and_empty_log__say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no prediction log at .*predict --log"):
        load_predictions(tmp_path / "nowhere")
    with pytest.raises(DataError, match="empty: run plumbline-edge predict --log first"):
        load_predictions(tmp_path)
    with pytest.raises(UserError):
        write_parquet(tmp_path / "nowhere", tmp_path / "x.parquet")
    assert not (tmp_path / "x.parquet").exists()


def test_foreign_record__names_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "predictions-000001.jsonl").write_text(json.dumps({"time": "now"}) + "\n")

    with pytest.raises(DataError, match="lacks image_id, path, model"):
        load_predictions(tmp_path)


def test_of_model__picks_one_bundle(tmp_path: Path) -> None:
    frame = load_predictions(logged(tmp_path, record(1), record(2, model="b" * 64)))

    assert list(of_model(frame, "b" * 64)["path"]) == ["2.png"]
    with pytest.raises(
        DataError, match="no prediction of bundle cccccccccccc, only of aaaaaaaaaaaa, bbb"
    ):
        of_model(frame, "c" * 64)


def test_log__becomes_a_batch(tmp_path: Path) -> None:
    frame = load_predictions(logged(tmp_path, record(1), record(2)))

    batch = DriftReference.from_predictions(frame)

    assert batch.statistics.tolist() == [[120.5, 20.25, 300.0]] * 2
    assert batch.embedding.shape == (2, 3)


def test_two_models_in_one_batch__are_refused(tmp_path: Path) -> None:
    frame = load_predictions(logged(tmp_path, record(1), record(2, embedding=[1.0])))

    with pytest.raises(DataError, match="embedding of different lengths"):
        DriftReference.from_predictions(frame)


FULL = dict(zip(STATISTICS, ImageStatistics(120.5, 20.25, 300.0).values(), strict=True))


def test_new_log__brings_every_statistic(tmp_path: Path) -> None:
    frame = load_predictions(logged(tmp_path, record(1, **FULL), record(2, **FULL)))

    assert DriftReference.from_predictions(frame).statistics.shape == (2, len(STATISTICS))


def test_log_of_an_old_and_a_new_device__keeps_what_both_know(tmp_path: Path) -> None:
    frame = load_predictions(logged(tmp_path, record(1), record(2, **FULL)))

    assert DriftReference.from_predictions(frame).statistics.shape == (2, FIRST)


def test_streams__are_named_by_what_the_log_says(tmp_path: Path) -> None:
    both = record(1, line="3", camera="left", session="s1")
    frame = load_predictions(logged(tmp_path, both, record(2, camera="left"), record(3)))

    assert stream_names(frame, ("line", "camera")).tolist() == [
        "line 3, camera left",
        "camera left",
        "",
    ]
    assert stream_names(frame, ()).tolist() == ["", "", ""]


def test_newest__are_counted_for_each_stream(tmp_path: Path) -> None:
    told = [record(number, line="AB"[number % 2]) for number in range(8)]
    frame = load_predictions(logged(tmp_path, *told))
    streams = stream_names(frame, ("line",))

    assert list(newest(frame, streams, 2)["path"]) == ["4.png", "5.png", "6.png", "7.png"]
    assert len(newest(frame, streams, None)) == 8


def test_batch__is_what_one_bundle_wrote_last(tmp_path: Path) -> None:
    mine = [record(number, line="3") for number in range(5)]
    folder = logged(tmp_path, *mine, record(9, model="b" * 64))

    batch, arrived = read_batch(folder, "a" * 64, MonitorConfig(batch_images=5))

    assert len(batch) == 5
    assert batch.streams is not None
    assert set(batch.streams) == {"line 3"}
    assert arrived.newest == {"line 3": "2025-01-01T00:00:04.000+00:00"}
    assert arrived.period.startswith("2025-01-01T00:00:00")
    with pytest.raises(DataError, match="no prediction of bundle cccc"):
        read_batch(folder, "c" * 64, MonitorConfig())
