"""Where everything Plumbline makes is kept: one folder, named rooms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Store:
    """The folder of `PLUMBLINE_STORE`; nothing is created by looking."""

    root: Path

    @property
    def features(self) -> Path:
        """Content-addressed embeddings: image x weights x preprocessing."""
        return self.root / "features"

    @property
    def synthetic(self) -> Path:
        """Generated data sets, one folder per (config, seed)."""
        return self.root / "synthetic"

    @property
    def unfinished(self) -> Path:
        """What is known of images whose reading was killed."""
        return self.root / "unfinished"

    @property
    def patches(self) -> Path:
        """Patches around defects, one folder per content of their images, options and seed."""
        return self.root / "patches"

    @property
    def tuned(self) -> Path:
        """Backbones fine-tuned without labels, one folder per content of their inputs."""
        return self.root / "tuned"

    @property
    def checkpoints(self) -> Path:
        """Students in training, one folder per content of their inputs."""
        return self.root / "checkpoints"

    def training(self, key: str, weights: str, code: str) -> Path:
        """Where one student learns or has learnt: its key, and hashes of its first weights and of the code."""
        return self.checkpoints / f"{key[:16]}-{weights[:8]}-{code[:8]}"

    @property
    def searches(self) -> Path:
        """Trials of searches for a recipe, one folder per content of their inputs."""
        return self.root / "searches"

    @property
    def test_sets(self) -> Path:
        """Frozen test sets, one JSON per data set."""
        return self.root / "test_sets"

    @property
    def bundles(self) -> Path:
        """Finished bundles, one folder per digest."""
        return self.root / "bundles"

    @property
    def precisions(self) -> Path:
        """FP32 graphs and their lower precisions, one folder per content of their inputs."""
        return self.root / "precisions"

    @property
    def keys(self) -> Path:
        """Signing keys of this workshop, and the public keys that its devices trust."""
        return self.root / "keys"

    @property
    def runs(self) -> Path:
        """One folder per run: its report and its exports."""
        return self.root / "runs"

    @property
    def grids(self) -> Path:
        """One folder per grid: the comparison of its runs."""
        return self.root / "grids"

    @property
    def drift(self) -> Path:
        """What the monitor found: `records` per batch and stream, and Evidently's workspace."""
        return self.root / "drift"

    @property
    def loops(self) -> Path:
        """What each loop from drift to training saw and did: one journal per config."""
        return self.root / "loops"

    @property
    def mlflow_database(self) -> Path:
        """SQLite file of MLflow's tracking store and registry."""
        return self.root / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        """Files of MLflow runs."""
        return self.root / "mlflow"

    @property
    def ledgers(self) -> Path:
        """This machine's copies of the ledgers of registered models, one file per model and server."""
        return self.root / "ledgers"

    @property
    def zenml(self) -> Path:
        """ZenML's repository folder and state when the store is not the project's own."""
        return self.root / "zenml"
