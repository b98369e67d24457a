"""A batch of predictions as plain arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from data_checks.drift_reference import DriftReference
from materializers.folder import FolderMaterializer


class DriftReferenceMaterializer(FolderMaterializer):
    """One .npy per array; object arrays, which would be pickles, are refused by numpy."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (DriftReference,)

    def write(self, data: DriftReference, folder: Path) -> None:
        """`statistics.npy`, `probabilities.npy`, `embedding.npy`; `groups.npy`, `streams.npy` where there are any."""
        for name, array in data.to_arrays().items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)

    def read(self, folder: Path, data_type: type[DriftReference]) -> DriftReference:
        """The arrays as saved."""
        files = sorted(folder.glob("*.npy"))
        return data_type.from_arrays({f.stem: np.load(f, allow_pickle=False) for f in files})

    def extract_metadata(self, data: DriftReference) -> dict[str, Any]:
        """How many predictions, of how many classes."""
        return {"images": len(data), "classes": int(data.probabilities.shape[1])}
