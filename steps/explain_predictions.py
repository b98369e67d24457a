"""Look at what the student looked at: heat over right and wrong answers on the frozen test set."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from inspection.data.index import ImageIndex
from inspection.evaluation.explanations import Explanations
from inspection.training.explanations import explain
from inspection.training.student import StudentResult


@step
def explain_predictions(
    index: ImageIndex, student: StudentResult, mask_threshold: int, seed: int, device: str
) -> Annotated[Explanations, "explanations"]:
    """As trained, before export; a network that no map can be read from ends in a reason, not in an error."""
    test = index.split("test")
    found = explain(student.folder, test, seed=seed, device=device, mask_threshold=mask_threshold)
    log_metadata({"method": found.method, "shown": len(found.shown)})
    return found
