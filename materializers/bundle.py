"""A bundle as itself: the folder is copied and verified again when it is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType

from deploy.edge.bundle import Bundle, open_bundle
from materializers.folder import FolderMaterializer


class BundleMaterializer(FolderMaterializer):
    """The folder keeps its digest as name."""

    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Bundle,)

    def write(self, data: Bundle, folder: Path) -> None:
        """Copy every file."""
        shutil.copytree(data.folder, folder / data.manifest.digest)

    def read(self, folder: Path, data_type: type[Bundle]) -> Bundle:  # noqa: ARG002
        """Open it as the device does: every hash is checked."""
        return open_bundle(next(path for path in folder.iterdir() if path.is_dir()))

    def compute_content_hash(self, data: Bundle) -> str:
        """The manifest's digest is the content's."""
        return data.manifest.digest

    def extract_metadata(self, data: Bundle) -> dict[str, Any]:
        """What a person asks first."""
        return {"digest": data.manifest.digest, "classes": list(data.manifest.classes)}
