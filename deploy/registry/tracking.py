"""MLflow on one SQLite file, or on the server that a setting names: no surprise folder in the working directory.

Covered: any number of processes may start at once on a store that does not exist yet. Not covered: a store on a network
disk whose locks do not work.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.edge.errors import PlumblineError, UserError
from inspection.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
URI_SETTING = "PLUMBLINE_TRACKING_URI"
REMOTE = ("http://", "https://")
FIRST_CALL = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
"""A server that is not there is told at once; one that wakes up with the first call may take its time."""
LATER_CALLS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3"}
"""MLflow's own seven, each after twice the time, would be four minutes."""
DAMAGED = ("file is not a database", "database disk image is malformed")
"""What SQLite says of a file that is not, or no longer, its own; also beneath SQLAlchemy and MLflow."""
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


def is_remote(store: Store) -> bool:
    """Whether runs and models live on a server, which keeps their files too."""
    return tracking_uri(store).startswith(REMOTE)


def nothing_yet(store: Store) -> bool:
    """True while there is no database to look into; looking would make one."""
    scheme, _, path = tracking_uri(store).partition(":///")
    return scheme == "sqlite" and not Path(path).exists()


def open_tracking(store: Store) -> MlflowClient:
    """A client on the store, made ready on first use; also points MLflow's global functions at it."""
    os.environ.update(ENVIRONMENT)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").addFilter(_not_told_twice)
    store.root.mkdir(parents=True, exist_ok=True)
    uri = tracking_uri(store)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    if is_remote(store):
        client = mlflow.MlflowClient()
        _greet(uri, client)
        return client
    # Creating the tables is not safe for two; reading them is, but cannot be told apart beforehand.
    first = locked(store, "init") if may_write(store) else contextlib.nullcontext()
    with first, _damage_told(store):
        client = mlflow.MlflowClient()  # makes them by itself
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
    return client


def may_write(store: Store) -> bool:
    """Whether anything can be added to the store: of a snapshot, or a mount that is read-only, nothing can."""
    return nothing_yet(store) or os.access(store.root, os.W_OK)


def _not_told_twice(record: logging.LogRecord) -> bool:
    """MLflow logs a database's error with its SQL, then raises it; a command says it in one sentence."""
    debug = os.environ.get("PLUMBLINE_DEBUG", "") not in ("", "0", "false")
    return debug or record.levelno != logging.ERROR


@contextlib.contextmanager
def _damage_told(store: Store) -> Iterator[None]:
    """A damaged SQLite file is named, with what can be done."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        what = next((words for words in DAMAGED if words in str(error)), None)
        if what is None or is_remote(store):  # of another machine's file nothing can be said here
            raise
        raise UserError(
            f"{tracking_uri(store).removeprefix('sqlite:///')}: is damaged ({what}); put its backup back; this "
            f"machine's copies of the ledgers, who was champion and when, lie in {store.ledgers}"
        ) from error


@contextlib.contextmanager
def speaking(store: Store) -> Iterator[None]:
    """What MLflow says of a server that is gone, or lets nobody in, or of a damaged file, becomes a sentence."""
    from mlflow.exceptions import MlflowException

    try:
        with _damage_told(store):
            yield
    except MlflowException as error:
        if not is_remote(store):
            raise
        raise UserError(
            f"{URI_SETTING}: '{_without_password(tracking_uri(store))}' does not do what it was asked "
            f"({_said(error)}); mend the server or the setting, then run this again: a move half done is finished then"
        ) from error


_GREETED: set[str] = set()


def _greet(uri: str, client: MlflowClient) -> None:
    """Once a process: is there a server, and does it let us in?"""
    from mlflow.exceptions import MlflowException

    if uri in _GREETED:
        return
    before = {name: os.environ[name] for name in FIRST_CALL if name in os.environ}
    os.environ.update(FIRST_CALL)
    try:
        client.search_registered_models(max_results=1)
    except MlflowException as error:
        raise UserError(
            f"{URI_SETTING}: no MLflow server to work with at '{_without_password(uri)}' "
            f"({_said(error)}): start it, or mend the setting; nothing was changed"
        ) from error
    finally:
        for name in FIRST_CALL:
            del os.environ[name]
        os.environ.update(LATER_CALLS | before)
    _GREETED.add(uri)


def _said(error: Exception) -> str:
    """The beginning of what MLflow says: what follows repeats the address three times."""
    line = (str(error).strip().splitlines() or ["no message"])[0]
    return _without_password(line.partition(" with url:")[0][:300])


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]+@", "//", text)


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
        if is_remote(store):  # whose files others can read too
            return str(client.create_experiment(name))
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
