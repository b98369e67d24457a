"""The frame of every materializer here: a value becomes files in a folder, and comes back from them exactly.

Works on any artifact store, because the folder is local and travels whole; the content hash is that of the
files, so equal values keep later steps cached.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType
from zenml.materializers.base_materializer import BaseMaterializer

from deploy.edge.files import sha256_file


class FolderMaterializer(BaseMaterializer):
    """Implement `write` and `read`; equal values must give equal bytes."""

    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    SKIP_REGISTRATION: ClassVar[bool] = True

    @abstractmethod
    def write(self, data: Any, folder: Path) -> None:
        """Put `data` into the empty `folder`."""

    @abstractmethod
    def read(self, folder: Path, data_type: type[Any]) -> Any:
        """The value that `write` put into `folder`."""

    def save(self, data: Any) -> None:
        """Write aside, then carry every file to the artifact's place."""
        with tempfile.TemporaryDirectory(prefix="plumbline-") as scratch:
            folder = Path(scratch)
            self.write(data, folder)
            for path in _files(folder):
                self._carry(path, path.relative_to(folder))

    def load(self, data_type: type[Any]) -> Any:
        """Read in place when the store is local, else from a copy that lives as long as the step."""
        local = Path(self.uri)
        if local.is_dir():
            return self.read(local, data_type)
        with self.get_temporary_directory(delete_at_exit=False) as scratch:
            self._fetch(self.uri, Path(scratch))
            return self.read(Path(scratch), data_type)

    def compute_content_hash(self, data: Any) -> str:
        """Hex SHA-256 over names and contents of the files."""
        with tempfile.TemporaryDirectory(prefix="plumbline-") as scratch:
            folder = Path(scratch)
            self.write(data, folder)
            lines = [f"{path.relative_to(folder)} {sha256_file(path)}" for path in _files(folder)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _carry(self, path: Path, name: Path) -> None:
        target = f"{self.uri}/{name.as_posix()}"
        if len(name.parts) > 1:
            self.artifact_store.makedirs(target.rpartition("/")[0])
        with self.artifact_store.open(target, "wb") as stream:
            stream.write(path.read_bytes())

    def _fetch(self, uri: str, folder: Path) -> None:
        for name in map(os.fsdecode, self.artifact_store.listdir(uri)):
            source = f"{uri}/{name}"
            if self.artifact_store.isdir(source):
                (folder / name).mkdir()
                self._fetch(source, folder / name)
            else:
                with self.artifact_store.open(source, "rb") as stream:
                    (folder / name).write_bytes(stream.read())


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
