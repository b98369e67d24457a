"""`plumbline ui`: MLflow's own pages, or ZenML's dashboard, on this store and this machine only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.errors import MissingExtra, UserError
from pipelines.launcher import environment
from pipelines.launcher.client import open_zenml
from pipelines.output import Answer, stdout_is_stderr
from pipelines.settings import Settings

if TYPE_CHECKING:
    from zenml.client import Client

HOST = "127.0.0.1"
PIPELINES = "/projects/default/pipelines"
"""The dashboard's own front page is about ZenML, not about this store."""
SERVER_NEEDS = ("uvicorn", "fastapi", "jwt", "secure", "tldextract")
"""Of ZenML's `server` extra; MLflow brings the first two by itself."""
SHOWS_MLFLOW = (
    "experiments (parameters, metrics, pictures of each run) and, under Models, the registered bundles "
    "with their aliases `champion` and `challenger`"
)
SHOWS_ZENML = "pipelines and their runs, step by step, with every artifact's page and metadata"


def serve(settings: Settings, *, port: int, dashboard: bool, as_json: bool) -> Answer:
    """Serve until Ctrl-C; no login, so on the loopback address only."""
    check_free(port)
    command, variables = _zenml(settings, port) if dashboard else _mlflow(settings, port)
    address = f"http://{HOST}:{port}{PIPELINES if dashboard else ''}"
    shows = SHOWS_ZENML if dashboard else SHOWS_MLFLOW
    return until_stopped(command, variables, address, "" if as_json else shows)


def until_stopped(
    command: Sequence[str], variables: Mapping[str, str], address: str, shows: str
) -> Answer:
    """A server as a child process, until it ends or Ctrl-C; `shows` is what it says first, if anything."""
    if shows:
        print(f"{address} shows {shows}.\nUp in about ten seconds; Ctrl-C ends it.", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else the server would outlive us
    server = subprocess.Popen(command, env={**os.environ, **variables}, stdout=sys.stderr)
    try:
        code = server.wait()
    except KeyboardInterrupt:
        code = 0
    finally:
        server.terminate()
        server.wait()
    if code:
        raise UserError(f"the server ended with code {code}; what it said last stands above")
    return Answer({"served": address})


def check_free(port: int) -> None:
    """Now, because MLflow finds out half a minute later, and calls it a success."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(f"port {port} is taken: try --port {port + 1}") from error


def _mlflow(settings: Settings, port: int) -> tuple[Sequence[str], Mapping[str, str]]:
    from deploy.registry.tracking import is_remote, nothing_yet

    if is_remote(settings.store):
        raise UserError(
            "MLflow's pages are on its server: open PLUMBLINE_TRACKING_URI in a browser"
        )
    if nothing_yet(settings.store):
        raise UserError(f"nothing registered yet in {settings.store.root}: run a config first")
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    stores = ["--backend-store-uri", settings.tracking_uri, "--workers", "1"]
    return [*command, *stores], environment.OFFLINE


def _zenml(settings: Settings, port: int) -> tuple[Sequence[str], Mapping[str, str]]:
    """A server with a configuration of its own on the same database: the client's stays untouched."""
    if any(find_spec(name) is None for name in SERVER_NEEDS):
        raise MissingExtra("dashboard", "ZenML's dashboard")
    with stdout_is_stderr():
        _spare_the_survey(open_zenml(settings))  # which also makes and migrates the database
    state = environment.places_of(settings.store).state
    command = [sys.executable, "-m", "uvicorn", "zenml.zen_server.zen_server_api:app"]
    where = ["--host", HOST, "--port", str(port), "--log-level", "warning"]
    return [*command, *where], {**environment.OFFLINE, **dashboard_variables(state)}


def _spare_the_survey(client: Client) -> None:
    """The dashboard's first page would ask for a name, an e-mail address and how one heard of ZenML."""
    client.update_user(
        client.active_user.name,
        updated_email_opt_in=False,
        updated_metadata={"finished_onboarding_survey": True},
    )


def dashboard_variables(state: Path) -> dict[str, str]:
    """What ZenML's server needs to read, without a login, the database and files under `state`."""
    stores = state / "local_stores"
    return {
        "ZENML_SERVER": "true",
        "ZENML_CONFIG_PATH": str(state.parent / "dashboard"),
        "ZENML_STORE_TYPE": "sql",
        "ZENML_STORE_URL": f"sqlite:///{stores / 'default_zen_store' / 'zenml.db'}",
        "ZENML_SERVER_AUTH_SCHEME": "NO_AUTH",
        "ZENML_SERVER_DEPLOYMENT_TYPE": "local",
        "ZENML_SERVER_AUTO_ACTIVATE": "true",
        "ZENML_LOCAL_STORES_PATH": str(stores),
        "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS": "true",
    }
