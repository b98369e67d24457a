"""Registries to test on: SQLite in a store, and a real server on PostgreSQL that two stores share nothing but."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.edge.bundle import open_bundle
from deploy.registry.aliases import DIGEST, Hand, stand
from deploy.registry.ledger import Holder
from deploy.registry.models import mark_judged, register_bundle
from deploy.registry.moving import enlist, move, ready
from deploy.registry.tracking import URI_SETTING, TrackedRun, open_tracking, track_run
from inspection.store import Store
from tests.edge_bundles import write_bundle
from tests.registry_server import MISSING, postgres_programs, registry_server

KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.slow))
WHY = Hand("it is better", who="ann@line")
_NUMBERS = itertools.count(1)


@dataclass
class Site:
    """A model nobody has registered yet; `other` is another home of the same registry, on SQLite the same one."""

    store: Store
    other: Store
    kind: str
    name: str = field(default_factory=lambda: f"line_{os.getpid()}_{next(_NUMBERS)}")

    @property
    def client(self):  # type: ignore[no-untyped-def]
        """A plain MLflow client."""
        return open_tracking(self.store)

    @property
    def aliases(self) -> dict[str, int]:
        """As a plain client sees them."""
        return {a: int(v) for a, v in self.client.get_registered_model(self.name).aliases.items()}

    def versions(self, count: int) -> list[Holder]:
        """So many versions that hold nothing: enough to move aliases between, and fast."""
        if not self.client.search_registered_models(f"name = '{self.name}'"):
            self.client.create_registered_model(self.name)
        made = []
        for _ in range(count):
            version = int(self.client.create_model_version(self.name, "plumbline:/none").version)
            made.append(Holder(version, f"{version:064x}"))
            self.client.set_model_version_tag(self.name, str(version), DIGEST, made[-1].digest)
        return made

    def enlisted(self, count: int) -> list[Holder]:
        """`versions`, each of them called challenger in its turn."""
        made = self.versions(count)
        for holder in made:
            enlist(self.store, self.name, holder, Hand("registered"))
        return made

    def registered(self, folder: Path, *, judged: bool = True, **changes: object) -> Holder:
        """A real bundle, registered, and let through by a gate."""
        made = write_bundle(folder / f"made-{next(_NUMBERS)}", **changes)
        bundle = made.rename(made.with_name(open_bundle(made).digest))
        run = track_run(self.store, self.name, TrackedRun("run"))
        version = register_bundle(self.store, self.name, bundle, run_id=run).version
        if judged:
            mark_judged(self.store, self.name, bundle.name, passed=True, sentence="all is well.")
        return Holder(version, bundle.name)

    def standing(self):  # type: ignore[no-untyped-def]
        """What the first home says."""
        return stand(self.store, self.name)


def store_on(database: Path, folder: Path) -> Store:
    """A store in `folder` with a copy of the registry."""
    store = Store(folder)
    store.root.mkdir(exist_ok=True)
    shutil.copy(database, store.mlflow_database)
    return store


def crown(at: Site, holder: Holder, hand: Hand = WHY, seen: object = None) -> int | None:
    """The champion's alias alone, unchecked; the entry's number."""
    before = seen or ready(at.store, at.name, hand)
    wanted = lambda now: {**now, "champion": holder}  # noqa: E731
    link = move(at.store, before, "champion", wanted, hand, "promote")[1]
    return link.number if link else None


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Making its tables takes MLflow seconds, copying it none."""
    empty = Store(tmp_path_factory.mktemp("empty"))
    open_tracking(empty)
    return empty.mlflow_database


@pytest.fixture
def store(empty_database: Path, tmp_path: Path) -> Store:
    """A store on SQLite that nobody has written to yet."""
    return store_on(empty_database, tmp_path / "store")


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Of one server for all tests, each with a model of its own; or of one that runs already, by REGISTRY_URL."""
    if running := os.environ.get("REGISTRY_URL"):
        yield running
        return
    if postgres_programs() is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with registry_server() as url:
        yield url


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """One registry of each kind."""
    if request.param == "sqlite":
        store = store_on(request.getfixturevalue("empty_database"), tmp_path / "home")
        return Site(store, store, request.param)
    store = Store(tmp_path / "home")
    store.root.mkdir()
    monkeypatch.setenv(URI_SETTING, request.getfixturevalue("server_url"))
    return Site(store, Store(tmp_path / "elsewhere"), request.param)
