"""What may go wrong when a trained graph becomes a file."""

from __future__ import annotations

from deploy.edge.errors import PlumblineError


class ExportError(PlumblineError):
    """The exported graph breaks the contract: a fault of the model's code."""
