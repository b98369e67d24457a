"""Feature vectors as safetensors, the network that made them as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from inspection.features.extract import Features
from materializers.folder import FolderMaterializer


class FeaturesMaterializer(FolderMaterializer):
    """One matrix and its image ids."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Features,)

    def write(self, data: Features, folder: Path) -> None:
        """`features.safetensors` and `features.json`."""
        data.save(folder)

    def read(self, folder: Path, data_type: type[Features]) -> Features:
        """The matrix as saved, bit for bit."""
        return data_type.load(folder)

    def extract_metadata(self, data: Features) -> dict[str, Any]:
        """How many vectors, how long, by which network."""
        images, size = data.matrix.shape
        return {"images": images, "size": size, "backbone": data.backbone.name}
