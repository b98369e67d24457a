"""`plumbline models`: who is champion, who challenges, and what each was worth."""

from __future__ import annotations

from pipelines.output import Answer, Table
from pipelines.settings import Settings

SHOWN = ("macro_f1", "accuracy")


def list_models(settings: Settings) -> Answer:
    """Every registered version, newest first."""
    from deploy.registry.models import ModelVersion, list_versions

    def row(version: ModelVersion) -> tuple[str, ...]:
        figures = (
            f"{name} {version.metrics[name]:.3f}" for name in SHOWN if name in version.metrics
        )
        return (
            version.name,
            str(version.version),
            ", ".join(version.aliases),
            version.digest[:12],
            ", ".join(figures),
            version.created,
        )

    versions = list_versions(settings.store)
    if not versions:
        return Answer(
            {"models": []},
            [f"No registered models yet in {settings.store.root}."],
            next=["plumbline run configs/demo.yaml"],
        )
    return Answer(
        document={"models": [vars(version) for version in versions]},
        table=Table(
            ("model", "version", "aliases", "bundle", "test set", "registered"),
            [row(version) for version in versions],
        ),
        next=["plumbline ui"],
    )
