"""What a model saw and said on a set of images, as arrays: the reference in a bundle, or a batch in service.

Covered: arrays that do not fit together, or are not finite, are refused with a reason. Not covered: whether two such
sets come from one model; `drift.as_batch` compares their shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_checks.predictions import STATISTICS
from data_checks.results import CheckResult
from data_checks.two_samples import Labels
from inspection.errors import DataError

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DriftReference:
    """What the student saw and said on the validation split, and later on a batch in service.

    float32: `statistics` (N, 3) as brightness, contrast, sharpness; `probabilities` (N, C); `embedding` (N, D).
    `groups` (N,), whole numbers: which rows show one part. Batches are taken to come in groups of the same kind.
    """

    statistics: Array
    probabilities: Array
    embedding: Array
    groups: Labels | None = None

    def __post_init__(self) -> None:
        for name, array in self.vectors().items():
            if array.ndim != 2 or len(array) != len(self.statistics):
                raise DataError(
                    f"{name} must have one row per image ({len(self.statistics)}), "
                    f"its shape is {array.shape}: export the bundle again"
                )
            if not np.isfinite(array).all():
                raise DataError(f"{name} holds values that are not finite: look for a broken model")
        if self.statistics.shape[1] != len(STATISTICS):
            raise DataError(f"statistics must be {', '.join(STATISTICS)}: export the bundle again")
        if self.groups is not None and self.groups.shape != (len(self.statistics),):
            raise DataError(f"groups must be one per image, not {self.groups.shape}: export again")

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> DriftReference:
        """From the arrays of a bundle's `drift_reference.npz`."""
        names = ("statistics", "probabilities", "embedding")
        if missing := [name for name in names if name not in arrays]:
            raise DataError(f"the drift reference lacks {', '.join(missing)}: export again")
        groups = arrays.get("groups")
        statistics, probabilities, embedding = (
            np.asarray(arrays[name], np.float32) for name in names
        )
        codes = None if groups is None else np.asarray(groups, np.int64)
        return cls(statistics, probabilities, embedding, codes)

    @classmethod
    def from_predictions(cls, predictions: pd.DataFrame) -> DriftReference:
        """From a prediction log's table; DataError when its vectors differ in length (two models in one log)."""
        statistics = predictions[list(STATISTICS)].to_numpy(np.float32)
        probabilities = _stacked(predictions, "probabilities")
        return cls(statistics, probabilities, _stacked(predictions, "embedding"))

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """What `from_arrays` reads."""
        extra = {} if self.groups is None else {"groups": self.groups}
        return {**self.vectors(), **extra}

    def vectors(self) -> dict[str, Array]:
        """The three arrays with a row per image, by name."""
        return {
            "statistics": self.statistics,
            "probabilities": self.probabilities,
            "embedding": self.embedding,
        }

    def __len__(self) -> int:
        return len(self.statistics)


def check_reference_size(images: int, minimum: int) -> CheckResult:
    """Warn when the validation split, which becomes the reference, is too small for the monitor ever to speak."""
    return CheckResult(
        name="drift_reference_size",
        passed=images >= minimum,
        observed=f"{images} validation images",
        limit=f"at least {minimum}, or `plumbline monitor` refuses every batch of this bundle",
        advice="add images, raise split.val, or lower monitor.min_images",
        severity="warning",
    )


def _stacked(predictions: pd.DataFrame, name: str) -> Array:
    values = list(predictions[name])
    if len({len(value) for value in values}) != 1:
        raise DataError(f"{name} of different lengths in one log: pick one model's rows")
    return np.asarray(np.stack(values), np.float32)
