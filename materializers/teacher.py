"""A teacher and the scores of the heads that were tried; arrays as safetensors, the rest as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import TypeAdapter
from zenml.enums import ArtifactType

from deploy.edge.files import write_bytes
from inspection.models.heads import Teacher
from inspection.training.teacher import HeadScore, TeacherResult
from materializers.folder import FolderMaterializer

HEADS = "heads.json"
_SCORES = TypeAdapter(tuple[HeadScore, ...])


class TeacherMaterializer(FolderMaterializer):
    """The head's arrays; the backbone is named by its digest, not copied."""

    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (TeacherResult,)

    def write(self, data: TeacherResult, folder: Path) -> None:
        """The teacher's own files and `heads.json`."""
        data.teacher.save(folder)
        write_bytes(folder / HEADS, _SCORES.dump_json(data.heads))

    def read(self, folder: Path, data_type: type[TeacherResult]) -> TeacherResult:
        """Teacher and scores as saved."""
        heads = _SCORES.validate_json((folder / HEADS).read_bytes())
        return data_type(Teacher.load(folder), heads)

    def extract_metadata(self, data: TeacherResult) -> dict[str, Any]:
        """Which head won."""
        return {"head": data.teacher.head.kind, "backbone": data.teacher.backbone.name}
