"""ZenML's surroundings, set before it is imported: afterwards it is too late, and being late is silent.

Covered: repository folder `.zenml` and its state travel together; code always resolves from the code's own root; no
telemetry from ZenML, MLflow or Great Expectations. Not covered: a process that imported zenml on its own before
(refused with the reason).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inspection.errors import PlumblineError
from inspection.store import Store
from pipelines.settings import DEFAULT_STORE

CODE_ROOT = Path(__file__).resolve().parents[2]
FOLDER = ".zenml"

OFFLINE: Mapping[str, str] = {
    "ZENML_ANALYTICS_OPT_IN": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",  # the word: MLflow does not understand 1
    "GX_ANALYTICS_ENABLED": "false",
}
PATIENCE: Mapping[str, str] = {
    # A tracking server that does not answer is told in a minute, not in many; the user's own values win.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
QUIET: Mapping[str, str] = {
    # CRITICAL: ZenML logs a failing step's traceback as an error; the launcher says the cause itself.
    "ZENML_LOGGING_VERBOSITY": "CRITICAL",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    "ZENML_LOGGING_COLORS_DISABLED": "true",
    "ZENML_DISABLE_CLIENT_SERVER_MISMATCH_WARNING": "true",
}


@dataclass(frozen=True)
class Places:
    """The folder that holds `.zenml`, ZenML's state, and the root of our code."""

    repository: Path
    state: Path
    code: Path

    @property
    def folder(self) -> Path:
        """The ZenML repository folder itself."""
        return self.repository / FOLDER

    @property
    def lock(self) -> Path:
        """Held while a process opens the store: first use by two at once kills both."""
        return self.state.parent / "opening.lock"


def places_of(store: Store, code: Path = CODE_ROOT) -> Places:
    """The checkout's own `.zenml` for its default store; else both inside the store, side by side.

    ZenML rewrites the repository's config when it meets another state, so the two never mix.
    """
    if store.root == code / DEFAULT_STORE and (code / FOLDER / "README.md").is_file():
        return Places(code, code / FOLDER / "state", code)
    return Places(store.zenml, store.zenml / FOLDER / "state", code)


def variables(places: Places, *, debug: bool) -> dict[str, str]:
    """Every variable that the launcher decides."""
    return {
        "ZENML_REPOSITORY_DIRECTORY_NAME": FOLDER,
        "ZENML_REPOSITORY_PATH": str(places.repository),
        "ZENML_CONFIG_PATH": str(places.state),
        "ZENML_CUSTOM_SOURCE_ROOT": str(places.code),
        **OFFLINE,
        **({"ZENML_LOGGING_VERBOSITY": "INFO"} if debug else QUIET),
    }


def prepare(places: Places, *, debug: bool = False) -> None:
    """Set the environment and make the repository folder; must come before `import zenml`."""
    wanted = variables(places, debug=debug)
    if "zenml" in sys.modules:
        wrong = [name for name, value in wanted.items() if os.environ.get(name) != value]
        if wrong:
            raise PlumblineError(
                f"zenml was imported before its environment was set ({', '.join(wrong)}): "
                "start one process per store, through `plumbline`"
            )
    places.folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(wanted)
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
