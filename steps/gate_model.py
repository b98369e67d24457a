"""May this model follow the champion?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from deploy.export.release import Release
from deploy.registry.champion import evaluate_champion
from inspection.config import GateConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.gate import GateVerdict, gate
from inspection.store import Store


@step(enable_cache=False)
def gate_model(
    release: Release,
    index: ImageIndex,
    gate_config: GateConfig,
    name: str,
    max_megapixels: float,
    store: str,
) -> Annotated[GateVerdict, "gate_verdict"]:
    """The exported student against floors and champion, both run as the device runs them."""
    champion = evaluate_champion(
        Store(Path(store)),
        name,
        index,
        release.evaluation,
        release.digest,
        max_megapixels=max_megapixels,
    )
    verdict = gate(release.evaluation, champion, gate_config)
    log_metadata({"passed": verdict.passed, "sentence": verdict.sentence})
    return verdict
