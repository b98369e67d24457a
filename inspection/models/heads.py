"""The teacher: a frozen backbone's features and a small head that reads the classes off them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from deploy.edge.files import canonical_json, sha256_bytes, write_json, written_aside
from inspection.features.backbone import BackboneInfo

Matrix = npt.NDArray[np.float32]
HeadKind = Literal["linear", "mlp"]


@dataclass(frozen=True, eq=False)
class Head:
    """A head as plain arrays: standardise, then one layer (`linear`) or two with ReLU between (`mlp`).

    `arrays`: mean (D,), scale (D,), weight_0, bias_0 and for `mlp` weight_1, bias_1; weights are (outputs, inputs).
    """

    kind: HeadKind
    arrays: Mapping[str, Matrix]

    def logits(self, matrix: Matrix) -> Matrix:
        """Features (N, D) to logits (N, C)."""
        rows = self.standardised(matrix) @ self.arrays["weight_0"].T + self.arrays["bias_0"]
        if self.kind == "mlp":
            rows = np.maximum(rows, 0.0) @ self.arrays["weight_1"].T + self.arrays["bias_1"]
        return rows

    def standardised(self, matrix: Matrix) -> Matrix:
        """Features (N, D) with the training images' mean and spread taken out; squared norm about 1."""
        return (matrix - self.arrays["mean"]) * self.arrays["scale"]

    @property
    def parameters(self) -> int:
        """Trained numbers in the head."""
        return sum(array.size for name, array in self.arrays.items() if name[-1].isdigit())


@dataclass(frozen=True, eq=False)
class Teacher:
    """Backbone, head, classes and the calibration temperature fitted on validation images."""

    backbone: BackboneInfo
    head: Head
    classes: tuple[str, ...]
    temperature: float = 1.0

    def logits(self, matrix: Matrix) -> Matrix:
        """Features (N, D) to uncalibrated logits (N, C)."""
        return self.head.logits(matrix)

    def probabilities(self, matrix: Matrix) -> Matrix:
        """Features (N, D) to calibrated probabilities (N, C)."""
        scores = self.logits(matrix) / np.float32(self.temperature)
        exponent = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(exponent / exponent.sum(axis=1, keepdims=True), dtype=np.float32)

    def digest(self) -> str:
        """Content address of everything that decides."""
        arrays = {
            name: sha256_bytes(np.ascontiguousarray(array).tobytes())
            for name, array in self.head.arrays.items()
        }
        return sha256_bytes(canonical_json([self._document(), arrays]))

    def save(self, folder: Path) -> None:
        """Write `teacher.safetensors` and `teacher.json` into `folder`."""
        with written_aside(folder / "teacher.safetensors") as aside:
            arrays = {name: np.ascontiguousarray(a) for name, a in self.head.arrays.items()}
            save_file(arrays, aside)
        write_json(folder / "teacher.json", self._document())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        document = json.loads((folder / "teacher.json").read_bytes())
        return cls(
            backbone=BackboneInfo.from_json(json.dumps(document["backbone"]).encode()),
            head=Head(document["head"], load_file(folder / "teacher.safetensors")),
            classes=tuple(document["classes"]),
            temperature=float(document["temperature"]),
        )

    def _document(self) -> dict[str, object]:
        return {
            "backbone": json.loads(self.backbone.to_json()),
            "head": self.head.kind,
            "classes": list(self.classes),
            "temperature": self.temperature,
        }
