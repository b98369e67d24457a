"""An index of the patches that a config asks for, cut once and kept in the store."""

from __future__ import annotations

from deploy.edge.files import canonical_json, sha256_bytes
from inspection.config import DataConfig
from inspection.data.index import ImageIndex
from inspection.data.patch_options import PatchOptions
from inspection.data.patches import INDEX, cut_patches
from inspection.errors import DataError
from inspection.store import Store


def patched_index(index: ImageIndex, config: DataConfig, *, store: Store, seed: int) -> ImageIndex:
    """Patches around the drawn defects of `index`; DataError when there is nothing to cut."""
    if config.patches is None:
        raise DataError("data.patches is not set: say how patches are to be cut")
    asked = config.patches.model_dump(mode="json")
    options = PatchOptions(
        **{key: value for key, value in asked.items() if key != "per_image"},
        max_per_image=config.patches.per_image,
        ok_class=config.ok_class,
        mask_threshold=config.mask_threshold,
    )
    paths = [str(path) for path in index.frame["path"]]
    named = [index.digest(), paths, asked, config.ok_class, config.mask_threshold, seed]
    folder = store.patches / sha256_bytes(canonical_json(named))[:16]
    if not (folder / INDEX).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        cut_patches(index, options, folder, seed=seed)
    return ImageIndex.load(folder / INDEX)
