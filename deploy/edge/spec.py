"""What a bundle says about itself: the manifest, as guarded frozen values.

The manifest holds no time and no machine, so equal inputs give an equal digest.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from deploy.edge.errors import BundleError
from deploy.edge.files import canonical_json, sha256_bytes

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
CERTIFICATE = "certificate.json"
DRIFT_REFERENCE = "drift_reference.npz"
GOLDEN_FOLDER = "golden"
GOLDEN_OUTPUTS = "golden/outputs.npz"

Resize = Literal["stretch", "pad", "crop"]


@dataclass(frozen=True)
class Preprocessing:
    """How any decoded image becomes the graph's input: uint8 RGB, `height` x `width`."""

    height: int
    width: int
    resize: Resize = "stretch"

    def __post_init__(self) -> None:
        sides = (self.height, self.width)
        if not all(type(side) is int and 8 <= side <= 4096 for side in sides):
            raise BundleError(
                f"model input must be 8 to 4096 px a side, got {self.height} x {self.width}"
            )
        if self.resize not in get_args(Resize):
            raise BundleError(f"resize must be one of {get_args(Resize)}, got '{self.resize}'")


@dataclass(frozen=True)
class Decision:
    """When a part is accepted, rejected or shown to a person.

    With `ok_class`: rejected when 1 - P(ok) >= `reject_at`. Without: the label alone is the answer.
    Any image whose top probability is below `review_below` goes to review.
    """

    ok_class: str | None = None
    reject_at: float = 0.5
    review_below: float = 0.0

    def __post_init__(self) -> None:
        for name in ("reject_at", "review_below"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
                raise BundleError(f"decision.{name} must lie in 0..1, got {value}")


@dataclass(frozen=True)
class Manifest:
    """The bundle's contract with the device.

    `files` maps every file of the bundle (but the manifest) to its SHA-256; `provenance` holds hashes of data, weights
    and code, licences of weights, and tool versions.
    """

    name: str
    model: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    decision: Decision
    temperature: float
    embedding_size: int
    golden_tolerance: float
    files: Mapping[str, str]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        _check_types(self)
        if self.schema_version != SCHEMA_VERSION:
            raise BundleError(
                f"bundle schema {self.schema_version}, this runtime reads {SCHEMA_VERSION}: "
                "export the bundle again or update plumbline on the device"
            )
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise BundleError(f"classes must be two or more distinct names, got {self.classes}")
        if self.decision.ok_class is not None and self.decision.ok_class not in self.classes:
            raise BundleError(f"ok_class '{self.decision.ok_class}' is not among {self.classes}")
        for name, low, high in (("temperature", 0.0, 1e6), ("golden_tolerance", 0.0, 0.1)):
            if not low <= getattr(self, name) <= high:
                raise BundleError(f"{name} must lie in {low}..{high}, got {getattr(self, name)}")
        if self.embedding_size < 1:
            raise BundleError(f"embedding_size must be 1 or more, got {self.embedding_size}")
        if self.model not in self.files:
            raise BundleError(f"the manifest lists no hash for its model '{self.model}'")

    def to_json(self) -> bytes:
        """The canonical bytes that are written, hashed and (later) signed."""
        return canonical_json(dataclasses.asdict(self))

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the canonical manifest: the bundle's name."""
        return sha256_bytes(self.to_json())

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Parse strictly: unknown or missing keys, wrong types and NaN are errors."""
        try:
            raw = json.loads(data, parse_constant=_no_constant)
            return cls(
                **{
                    **raw,
                    "classes": tuple(raw["classes"]),
                    "preprocessing": Preprocessing(**raw["preprocessing"]),
                    "decision": Decision(**raw["decision"]),
                }
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BundleError(f"manifest.json cannot be read ({error}): export again") from error


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "model": str,
    "classes": tuple,
    "preprocessing": Preprocessing,
    "decision": Decision,
    "temperature": (int, float),
    "embedding_size": int,
    "golden_tolerance": (int, float),
    "files": Mapping,
    "provenance": Mapping,
    "schema_version": int,
}


def _check_types(manifest: Manifest) -> None:
    """A manifest comes from outside: nothing in it is believed, least of all its types."""
    wrong = [name for name, kind in _TYPES.items() if not isinstance(getattr(manifest, name), kind)]
    if wrong:
        raise BundleError(f"manifest: wrong type of {', '.join(wrong)}: export the bundle again")
    texts = (*manifest.classes, *manifest.files, *manifest.files.values())
    if not all(isinstance(text, str) for text in texts):
        raise BundleError("manifest: classes, file names and hashes must be text: export it again")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
