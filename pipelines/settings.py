"""What is not a run's business: where things are kept. From `PLUMBLINE_*` variables, else from a `.env`."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from inspection.errors import ConfigError, UserError
from inspection.store import Store

PREFIX = "PLUMBLINE_"
TRACKING = ("sqlite:///", "postgresql", "mysql", "mssql", "http://", "https://")
"""What MLflow can keep a registry in."""
READ_THERE = ("PLUMBLINE_TRACKING_URI", "PLUMBLINE_KEY_PASSPHRASE")
"""What the registry and the signing keys read from the environment themselves."""
DEFAULT_STORE = ".plumbline"
FIRING = "PLUMBLINE_FIRING"
"""Tells a command which firing of the scheduler it is, so that people hear of one failure once."""
KNOWN: Mapping[str, str] = {
    "PLUMBLINE_STORE": "folder for everything Plumbline makes (default: .plumbline in the current folder)",
    "PLUMBLINE_TRACKING_URI": "MLflow tracking store (default: SQLite inside the store)",
    "PLUMBLINE_DATA": "the folder of your data sets, for configs that say ${PLUMBLINE_DATA}",
    "PLUMBLINE_WEIGHTS": "the folder of your weights files, for configs that say ${PLUMBLINE_WEIGHTS}",
    "PLUMBLINE_KEYS": "plumbline-edge: the folder of public keys whose bundles may run (not from a .env)",
    "PLUMBLINE_KEY_PASSPHRASE": "opens the private keys that sign bundles",
    "PLUMBLINE_ENGINES": "plumbline-edge: where compiled TensorRT engines are kept (default: the user's cache)",
    "PLUMBLINE_ALERTS": "who is told when a run fails (default: alerts.yaml in the store)",
    "PLUMBLINE_SMTP_PASSWORD": "logs in to the mail server of alerts",
    "PLUMBLINE_WEBHOOK": "the address of alerts' webhook, for an alerts.yaml that says ${PLUMBLINE_WEBHOOK}",
    FIRING: "set by the scheduler for what it starts",
    "PLUMBLINE_DEBUG": "1: full tracebacks and ZenML's own log on stderr",
    "PLUMBLINE_TEST_ASSETS": "real images for the tests of this repository",
}


@dataclass(frozen=True)
class Settings:
    """Settings after defaults: an absolute store, and the variables that configs may use."""

    store: Store
    tracking_uri: str
    debug: bool
    variables: Mapping[str, str]
    """Environment over `.env`; the door expands `${NAME}` from here."""


def load_settings(environment: Mapping[str, str], folder: Path) -> Settings:
    """Read `environment` and `folder`/.env (the environment wins); misspelt `.env` keys are refused."""
    variables = {**_dotenv(folder / ".env"), **environment}
    root = Path(variables.get("PLUMBLINE_STORE") or DEFAULT_STORE).expanduser()
    store = Store((folder / root).resolve())
    if store.root.exists() and not store.root.is_dir():
        raise UserError(f"PLUMBLINE_STORE: '{store.root}' is a file; give a folder")
    uri = variables.get("PLUMBLINE_TRACKING_URI") or f"sqlite:///{store.mlflow_database}"
    if not uri.startswith(TRACKING):
        raise UserError(f"PLUMBLINE_TRACKING_URI: '{uri}' must begin with {', '.join(TRACKING)}")
    return Settings(
        store=store,
        tracking_uri=uri,
        debug=variables.get("PLUMBLINE_DEBUG", "") not in ("", "0", "false"),
        variables=variables,
    )


def utc_now() -> datetime:
    """The clock that commands read."""
    return datetime.now(UTC)


def settings_here() -> Settings:
    """Settings of this process in this folder; unknown variables are told on stderr."""
    settings = load_settings(os.environ, Path.cwd())
    for fault in unknown_settings(os.environ):
        print(f"warning: {fault}", file=sys.stderr)
    for name in READ_THERE:
        if value := settings.variables.get(name):
            os.environ[name] = value  # a .env's too
    return settings


def _dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        found = dotenv_values(path)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text ({error.reason}); save it as UTF-8") from error
    values = {name: value for name, value in found.items() if value is not None}
    if faults := unknown_settings(values):
        raise ConfigError([f"{path}: {fault}" for fault in faults])
    return values


def unknown_settings(values: Mapping[str, str]) -> list[str]:
    """A sentence for each name that only looks like one of ours."""
    return [
        f"unknown setting '{name}'{nearest(name, KNOWN)}"
        for name in values
        if name.startswith(PREFIX) and name not in KNOWN
    ]


def make_store(settings: Settings) -> None:
    """The store's folder, or one sentence about why there can be none."""
    try:
        settings.store.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"PLUMBLINE_STORE: cannot make '{settings.store.root}' ({error.strerror}); "
            "set it to a folder that you may write to"
        ) from error


MOST_NAMED = 25
"""More names than any section of a config has."""


def nearest(name: str, valid: Mapping[str, object] | list[str]) -> str:
    """The end of a sentence about a misspelt name: what it may have meant, else what there is."""
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    if close:
        return f": did you mean '{close[0]}'?"
    names = list(valid)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f": valid are {', '.join(names[:MOST_NAMED])}{more}"
