"""May this model follow the champion?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from deploy.export.release import Release
from deploy.registry.contest import hold_contest
from inspection.config import EconomicsConfig, GateConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.gate import GateVerdict, gate
from inspection.store import Store


@step(enable_cache=False)
def gate_model(
    release: Release,
    index: ImageIndex,
    gate_config: GateConfig,
    economics: EconomicsConfig,
    name: str,
    max_megapixels: float,
    store: str,
) -> Annotated[GateVerdict, "gate_verdict"]:
    """The exported student against floors and champion, both run as the device runs them."""
    contest = hold_contest(
        Store(Path(store)),
        name,
        release.folder,
        release.evaluation,
        index,
        gate_config,
        economics,
        max_megapixels=max_megapixels,
    )
    verdict = gate(release.evaluation, contest.champion, gate_config, contest.evidence)
    log_metadata({"passed": verdict.passed, "way": verdict.way, "sentence": verdict.sentence})
    return verdict
