"""Opening ZenML on a store: one process at a time, nothing loaded that no run of ours needs, and never pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.errors import PlumblineError
from pipelines.launcher import environment
from pipelines.launcher.lock import exclusive
from pipelines.launcher.reconcile import reconcile
from pipelines.settings import Settings, make_store

if TYPE_CHECKING:
    from zenml.client import Client


def open_zenml(settings: Settings) -> Client:
    """ZenML's client on the settings' store, its database made, dead runs closed. Import steps only after this."""
    make_store(settings)
    places = environment.places_of(settings.store)
    environment.prepare(places, debug=settings.debug)
    # The very first use migrates a database and writes two files: two processes at once both die of it.
    with exclusive(places.lock):
        from zenml.client import Client

        client = Client()
        _guard_root(client, places)
        _trim()
        reconcile(client, settings.store)
    return client


def _guard_root(client: Client, places: environment.Places) -> None:
    """ZenML goes on with a wrong root, and code then resolves from nowhere."""
    if client.root is None or client.root.resolve() != places.repository.resolve():
        raise PlumblineError(
            f"ZenML found its repository at {client.root}, not at {places.repository}: "
            "unset ZENML_REPOSITORY_PATH and start through `plumbline`"
        )


def _trim() -> None:
    """Leave ZenML's integrations out, and its pickle.

    Compiling a pipeline activates every installed integration: six seconds of torch, lightning and sklearn imports for
    materializers that pickle. A type without a materializer of ours must be an error, not a pickle.
    """
    from zenml.integrations.registry import integration_registry
    from zenml.materializers.materializer_registry import materializer_registry

    from materializers.refusing import RefusingMaterializer

    integration_registry.activate_integrations = _activate_nothing  # type: ignore[method-assign] # no switch for it
    materializer_registry.default_materializer = RefusingMaterializer


def _activate_nothing() -> None:
    """A stack's own components are imported when the stack is used; nothing else is needed."""
