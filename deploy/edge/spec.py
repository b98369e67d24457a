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
        if not (8 <= self.height <= 4096 and 8 <= self.width <= 4096):
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
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise BundleError(f"decision.{name} must lie in 0..1, got {getattr(self, name)}")


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
        if self.schema_version != SCHEMA_VERSION:
            raise BundleError(
                f"bundle schema {self.schema_version}, this runtime reads {SCHEMA_VERSION}: "
                "export the bundle again or update plumbline on the device"
            )
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise BundleError(f"classes must be two or more distinct names, got {self.classes}")
        if self.decision.ok_class is not None and self.decision.ok_class not in self.classes:
            raise BundleError(f"ok_class '{self.decision.ok_class}' is not among {self.classes}")
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
        """Parse strictly: unknown or missing keys are errors."""
        try:
            raw = json.loads(data)
            return cls(
                **{
                    **raw,
                    "classes": tuple(raw["classes"]),
                    "preprocessing": Preprocessing(**raw["preprocessing"]),
                    "decision": Decision(**raw["decision"]),
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BundleError(f"manifest.json cannot be read ({error}): export again") from error
