"""A finished student as itself: its weights, its card and its history travel; the checkpoint it came from does not."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType

from inspection.models.student_files import CARD, WEIGHTS
from inspection.training.student import RESULT, StudentResult
from materializers.folder import FolderMaterializer


class StudentMaterializer(FolderMaterializer):
    """The folder of `StudentResult`; after loading, it is the artifact's own folder."""

    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (StudentResult,)

    def write(self, data: StudentResult, folder: Path) -> None:
        """Weights, card, and the result without the place where it was made."""
        for name in (WEIGHTS, CARD):
            shutil.copyfile(data.folder / name, folder / name)
        dataclasses.replace(data, folder=Path()).save(folder / RESULT)

    def read(self, folder: Path, data_type: type[StudentResult]) -> StudentResult:
        """The result, pointing at `folder`."""
        return dataclasses.replace(data_type.load(folder / RESULT), folder=folder)

    def extract_metadata(self, data: StudentResult) -> dict[str, Any]:
        """How long it took and how far it came."""
        return {
            "epochs": data.epochs_run,
            "best_epoch": data.best_epoch,
            "val_macro_f1": data.validation.macro_f1,
        }
