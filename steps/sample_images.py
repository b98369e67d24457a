"""Leave out what is more of a class than was asked for."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from inspection.data.index import ImageIndex
from inspection.data.sample import at_most_per_class


@step
def sample_images(
    index: ImageIndex, per_class: int, seed: int
) -> Annotated[ImageIndex, "sampled_index"]:
    """Before duplicates are looked for: a copy of an image that was left out can leak nowhere."""
    sampled = at_most_per_class(index, per_class, seed=seed)
    log_metadata({"images": len(index.usable()), "kept": len(sampled.usable())})
    return sampled
