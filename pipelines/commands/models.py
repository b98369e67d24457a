"""`plumbline models`: who is champion, who challenges, and what each was worth."""

from __future__ import annotations

from pipelines.output import Answer, Table
from pipelines.settings import Settings

SHOWN = ("macro_f1", "accuracy")


def list_models(settings: Settings) -> Answer:
    """Every registered version, newest first."""
    from deploy.registry.aliases import stand
    from deploy.registry.models import ModelVersion, list_versions
    from deploy.registry.tracking import speaking

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

    with speaking(settings.store):
        versions = list_versions(settings.store)
        names = sorted({version.name for version in versions})
        strays = [s for name in names for s in stand(settings.store, name).stray_sentences]
    if not versions:
        return Answer(
            {"models": []},
            [f"No registered models yet in {settings.store.root}."],
            next=["plumbline run configs/demo.yaml"],
        )
    return Answer(
        document={"models": [vars(version) for version in versions], "strays": strays},
        table=Table(
            ("model", "version", "aliases", "bundle", "test set", "registered"),
            [row(version) for version in versions],
        ),
        lines=[f"Changed   {sentence}" for sentence in strays],
        next=[*(f"plumbline history {name}" for name in names), "plumbline ui"],
    )
