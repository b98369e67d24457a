"""The frozen test set: which images, by content, so that next month's run is measured on the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from deploy.edge.files import canonical_json, sha256_bytes
from inspection.config import RunConfig, SplitConfig
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.records import Record
from inspection.store import Store

LATER = ("symmetries", "keep_together", "part_pattern", "keep")
"""Keys that came after the first sets were frozen: left alone, they must not part a run from its set."""


@dataclass(frozen=True)
class TestSet(Record):
    """Images by content hash with their labels; `digest` is the content address of both."""

    __test__ = False  # its name is the field's; pytest need not look inside

    name: str
    digest: str
    image_ids: tuple[str, ...]


def freeze(index: ImageIndex, *, name: str) -> TestSet:
    """The test split of `index`; DataError when it is empty."""
    frame = index.split("test").frame
    if not len(frame):
        raise DataError(f"'{name}' has no test images: raise split.test or add images")
    labelled = sorted(zip(frame["image_id"], frame["label"], strict=True))
    return TestSet(
        name=name,
        digest=sha256_bytes(canonical_json(labelled)),
        image_ids=tuple(sorted({image_id for image_id, _ in labelled})),
    )


def test_set_path(store: Store, config: RunConfig) -> Path:
    """Where the frozen set of this run's data lies: another root, split or seed is another set."""
    split = config.split.model_dump(mode="json")
    plain = SplitConfig().model_dump(mode="json")
    del split["seed"]
    kept = {key: split[key] for key in split if key not in LATER or split[key] != plain[key]}
    # Corrected labels are no other images, and unlabelled ones are never tested on.
    data = config.data.model_dump(mode="json", exclude={"edits", "unlabelled"})
    for later in ("patches", "per_class"):
        if data[later] is None:
            del data[later]
    asked = [data, kept, config.images_seed]
    return store.test_sets / f"{config.name}-{sha256_bytes(canonical_json(asked))[:12]}.json"


test_set_path.__test__ = False  # type: ignore[attr-defined] # not a test


def frozen_ids(path: Path) -> frozenset[str]:
    """Image ids of the set that an earlier run froze there; empty when none has. DataError for a damaged file."""
    if not path.exists():
        return frozenset()
    try:
        return frozenset(TestSet.load(path).image_ids)
    except ValidationError as error:
        raise DataError(
            f"'{path}' is no frozen test set any more: restore it, or delete it to freeze a new one"
        ) from error
