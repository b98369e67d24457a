"""Which images a registered model has learned from: an artifact of its run, read when its successor is judged.

Covered: training images, and validation images too, which chose its epoch, temperature and thresholds. Not covered:
what the weights it started from had seen.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.registry.aliases import CHAMPION
from deploy.registry.models import list_versions
from deploy.registry.tracking import RegistryError, open_tracking
from inspection.data.index import ImageIndex
from inspection.store import Store

ARTIFACT = "training_images.json"
LEARNED_FROM = ("train", "val")


def learned_from(index: ImageIndex) -> tuple[str, ...]:
    """Image ids of the training and validation splits, each once, sorted."""
    frame = index.frame
    return tuple(sorted(set(frame.loc[frame["split"].isin(LEARNED_FROM), "image_id"].dropna())))


def record_training_images(store: Store, run_id: str, image_ids: Sequence[str]) -> None:
    """Keep the ids with the run; what an earlier enrolment of the same bundle wrote down stands."""
    client = open_tracking(store)
    if ARTIFACT not in {found.path for found in client.list_artifacts(run_id)}:
        client.log_dict(run_id, {"image_ids": list(image_ids)}, ARTIFACT)


def champion_training_images(store: Store, name: str) -> tuple[str, ...] | None:
    """What the champion of `name` has learned from; None without a champion, or for one that was enrolled without."""
    crowned = [row for row in list_versions(store, name) if CHAMPION in row.aliases]
    return _read(store, crowned[0].run_id) if crowned else None


def _read(store: Store, run_id: str) -> tuple[str, ...] | None:
    client = open_tracking(store)
    if ARTIFACT not in {found.path for found in client.list_artifacts(run_id)}:
        return None
    with tempfile.TemporaryDirectory(prefix="plumbline-") as scratch:
        text = Path(client.download_artifacts(run_id, ARTIFACT, scratch)).read_text()
    try:
        return tuple(str(image_id) for image_id in json.loads(text)["image_ids"])
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(
            f"'{ARTIFACT}' of run {run_id} cannot be read ({error}): enrol its bundle again"
        ) from error
