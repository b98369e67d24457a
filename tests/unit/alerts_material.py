"""News to be told, the file that says to whom, and the record of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from inspection.store import Store
from pipelines.alerts.told import Event, record_of
from tests.mail_server import HOST

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
Captured = pytest.CaptureFixture[str]


def event(sentence: str = "it broke", origin: str = "run 1", kind: Any = "failed") -> Event:
    return Event(kind, "train of demo", sentence, origin)


def wanted(store: Store, **sections: Any) -> None:
    """Write `alerts.yaml`."""
    store.root.mkdir(exist_ok=True)
    (store.root / "alerts.yaml").write_text(yaml.safe_dump({"timeout": 5, **sections}))


def mail_to(port: int, **changes: Any) -> dict[str, Any]:
    stated = {"host": HOST, "port": port, "security": "none", "sender": "line@plant.example"}
    return {**stated, "to": ["shift@plant.example"], **changes}


def records(store: Store) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record_of(store).read_text().splitlines()]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
