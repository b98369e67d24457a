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

from data_checks.results import CheckResult
from data_checks.two_samples import Labels
from deploy.edge.statistics import FIRST, STATISTICS
from inspection.errors import DataError

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DriftReference:
    """What the student saw and said on the validation split, and later on a batch in service.

    float32: `statistics` (N, K) in the order of `STATISTICS`, the first three of older versions; `probabilities`
    (N, C); `embedding` (N, D). `groups` (N,), whole numbers: which rows show one part. Batches are taken to come in
    groups of the same kind. `streams` (N,), text: which line and camera a row comes from.
    """

    statistics: Array
    probabilities: Array
    embedding: Array
    groups: Labels | None = None
    streams: npt.NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        for name, array in self.vectors().items():
            if array.ndim != 2 or len(array) != len(self.statistics):
                raise DataError(
                    f"{name} must have one row per image ({len(self.statistics)}), "
                    f"its shape is {array.shape}: export the bundle again"
                )
            if not np.isfinite(array).all():
                raise DataError(f"{name} holds values that are not finite: look for a broken model")
        if self.statistics.shape[1] not in (FIRST, len(STATISTICS)):
            raise DataError(
                f"statistics must be {', '.join(STATISTICS)}, or the first {FIRST} of them: export the bundle again"
            )
        for name, column in (("groups", self.groups), ("streams", self.streams)):
            if column is not None and column.shape != (len(self.statistics),):
                raise DataError(f"{name} must be one per image, not {column.shape}: export again")

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
        streams = arrays.get("streams")
        origin = None if streams is None else np.asarray(streams, np.str_)
        return cls(statistics, probabilities, embedding, codes, origin)

    @classmethod
    def from_predictions(
        cls, predictions: pd.DataFrame, streams: npt.NDArray[np.str_] | None = None
    ) -> DriftReference:
        """From a prediction log's table; DataError when its vectors differ in length (two models in one log)."""
        known = [name for name in STATISTICS if name in predictions]
        statistics = predictions[known].to_numpy(np.float32)
        if np.isnan(statistics[:, FIRST:]).any():  # in part from a device that knew fewer
            statistics = statistics[:, :FIRST]
        probabilities = _stacked(predictions, "probabilities")
        embedding = _stacked(predictions, "embedding")
        return cls(statistics, probabilities, embedding, streams=streams)

    def of_stream(self, name: str) -> DriftReference:
        """The rows of one stream."""
        if self.streams is None:
            return self
        mine = self.streams == name
        groups = None if self.groups is None else self.groups[mine]
        return DriftReference(
            self.statistics[mine], self.probabilities[mine], self.embedding[mine], groups
        )

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """What `from_arrays` reads."""
        extra = {"groups": self.groups, "streams": self.streams}
        return {**self.vectors(), **{k: v for k, v in extra.items() if v is not None}}

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
