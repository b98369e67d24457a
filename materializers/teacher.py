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
OTHERS = "others"
_SCORES = TypeAdapter(tuple[HeadScore, ...])


class TeacherMaterializer(FolderMaterializer):
    """The heads' arrays; the backbone is named by its digest, not copied."""

    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (TeacherResult,)

    def write(self, data: TeacherResult, folder: Path) -> None:
        """The teacher's own files, `heads.json`, and the heads not chosen in a folder each."""
        data.teacher.save(folder)
        for number, other in enumerate(data.others):
            other.save(_made(folder / OTHERS / str(number)))
        write_bytes(folder / HEADS, _SCORES.dump_json(data.heads))

    def read(self, folder: Path, data_type: type[TeacherResult]) -> TeacherResult:
        """Teacher and scores as saved."""
        heads = _SCORES.validate_json((folder / HEADS).read_bytes())
        # Teachers from before there were others have no such folder.
        found = sorted((folder / OTHERS).glob("*"), key=lambda each: int(each.name))
        others = tuple(Teacher.load(each) for each in found)
        return data_type(Teacher.load(folder), heads, others)

    def extract_metadata(self, data: TeacherResult) -> dict[str, Any]:
        """Which head won."""
        return {"head": data.teacher.head.kind, "backbone": data.teacher.backbone.name}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
