"""MLflow on one SQLite file: no server, no network, no surprise folder in the working directory.

Covered: any number of processes may start at once on a store that does not exist yet. Not covered: a store on a network
disk whose locks do not work.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.edge.errors import PlumblineError
from inspection.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
URI_SETTING = "PLUMBLINE_TRACKING_URI"
MAX_PARAM = 500
"""Characters; a longer value is cut, because some MLflow stores refuse it."""


class RegistryError(PlumblineError):
    """The registry did not give back what was put in."""


@dataclass(frozen=True)
class TrackedRun:
    """What is written down about one run; `params` may be nested, `pictures` are files."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    pictures: Sequence[Path] = ()


def tracking_uri(store: Store) -> str:
    """The address that MLflow, its UI included, wants to hear: `PLUMBLINE_TRACKING_URI`, else SQLite in the store."""
    return os.environ.get(URI_SETTING) or f"sqlite:///{store.mlflow_database.resolve()}"


def open_tracking(store: Store) -> MlflowClient:
    """A client on the store, made ready on first use; also points MLflow's global functions at it."""
    os.environ.update(ENVIRONMENT)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    store.root.mkdir(parents=True, exist_ok=True)
    # Creating the tables is not safe for two; reading them is, but cannot be told apart beforehand.
    with locked(store, "init"):
        mlflow.set_tracking_uri(tracking_uri(store))
        mlflow.set_registry_uri(tracking_uri(store))
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
    return client


def track_run(store: Store, experiment: str, run: TrackedRun) -> str:
    """Write `run` down under `experiment` and give its MLflow id."""
    import mlflow

    client = open_tracking(store)
    experiment_id = experiment_of(client, store, experiment)
    with quiet(), mlflow.start_run(experiment_id=experiment_id, run_name=run.name) as active:
        mlflow.log_params({k: str(v)[:MAX_PARAM] for k, v in flat(run.params).items()})
        mlflow.log_metrics({name: float(value) for name, value in run.metrics.items()})
        mlflow.set_tags(dict(run.tags))
        for picture in run.pictures:
            mlflow.log_artifact(str(picture), "pictures")
    return str(active.info.run_id)


def experiment_of(client: MlflowClient, store: Store, name: str) -> str:
    """The experiment's id, made with its artifacts inside the store if it is new."""
    with locked(store, "experiment"):
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        # Unnamed, the artifacts would land in ./mlruns, wherever the user stands.
        place = (store.mlflow_artifacts.resolve() / name).as_uri()
        return str(client.create_experiment(name, artifact_location=place))


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one level with dotted names."""
    rows: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows |= flat(value, f"{prefix}{key}.")
        else:
            rows[f"{prefix}{key}"] = value
    return rows


@contextlib.contextmanager
def locked(store: Store, what: str) -> Iterator[None]:
    """Between processes: one at a time does `what` on this store; released by the system if the holder dies."""
    with (store.root / f".mlflow-{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """MLflow's advice on type hints and input examples does not concern a model without either."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")
        yield
