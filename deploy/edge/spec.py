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

FP32 = "fp32"
MOST_THREADS = 256
"""Asked for more, ONNX Runtime starts them one by one for minutes before it answers."""

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

    With `ok_class`: rejected when 1 - P(ok) >= `reject_at`; with `accept_below` too, accepted only when it is smaller
    than that, and shown to a person in between. Without `ok_class`: the label alone is the answer.
    Any image whose top probability is below `review_below` goes to review.
    """

    ok_class: str | None = None
    reject_at: float = 0.5
    review_below: float = 0.0
    accept_below: float | None = None

    def __post_init__(self) -> None:
        for name in ("reject_at", "review_below", "accept_below"):
            value = getattr(self, name)
            if name == "accept_below" and value is None:
                continue
            if not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
                raise BundleError(f"decision.{name} must lie in 0..1, got {value}")
        if self.accept_below is not None and self.accept_below > self.reject_at:
            raise BundleError(
                f"decision.accept_below {self.accept_below} lies above reject_at {self.reject_at}: "
                "nothing can be accepted and rejected"
            )


@dataclass(frozen=True)
class Variant:
    """One precision of the graph, in a file of its own.

    `golden_tolerance` is the largest change of a probability that it may show on the golden images, whose promised
    outputs are those of the FP32 graph.
    """

    file: str
    golden_tolerance: float

    def __post_init__(self) -> None:
        number = isinstance(self.golden_tolerance, int | float)
        if not isinstance(self.file, str) or not number or not 0 <= self.golden_tolerance <= 0.5:
            raise BundleError(
                f"a variant needs a file and a golden_tolerance in 0..0.5, got {self}: export again"
            )


@dataclass(frozen=True)
class Plan:
    """How one runtime runs the bundle, chosen by measurement: which variant, with which session options."""

    variant: str
    threads: int | None = None
    spinning: bool = False

    def __post_init__(self) -> None:
        threads = self.threads
        fits = threads is None or (type(threads) is int and 1 <= threads <= MOST_THREADS)
        if not isinstance(self.variant, str) or not fits or type(self.spinning) is not bool:
            raise BundleError(
                f"a plan needs a variant, 1 to {MOST_THREADS} threads and spinning true or false, "
                f"got {self}: export again"
            )


@dataclass(frozen=True)
class Manifest:
    """The bundle's contract with the device.

    `files` maps every file of the bundle (but the manifest) to its SHA-256; `provenance` holds hashes of data, weights
    and code, licences of weights, and tool versions. `variants` are the precisions beside `model` (which is FP32) by
    name, `plans` the chosen way by engine; both are absent from a bundle that was exported in FP32 alone.
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
    variants: Mapping[str, Variant] = field(default_factory=dict)
    plans: Mapping[str, Plan] = field(default_factory=dict)
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
        _check_variants(self)

    def to_json(self) -> bytes:
        """The canonical bytes that are written, hashed and signed."""
        document = dataclasses.asdict(self)
        # Written only where they say something: a bundle of FP32 alone, without a band, keeps its digest.
        if self.decision.accept_below is None:
            del document["decision"]["accept_below"]
        return canonical_json({k: v for k, v in document.items() if v or k not in _OPTIONAL})

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the canonical manifest: the bundle's name."""
        return sha256_bytes(self.to_json())

    @property
    def promises(self) -> tuple[str, ...]:
        """What the thresholds promise, or cannot, a sentence each; empty where nobody asked for a promise."""
        said = self.provenance.get("thresholds")
        texts = said if isinstance(said, list | tuple) else ()
        # From outside, and on its way to a terminal.
        return tuple(text for text in texts if isinstance(text, str) and text.isprintable())

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
                    "variants": {k: Variant(**v) for k, v in raw.get("variants", {}).items()},
                    "plans": {k: Plan(**v) for k, v in raw.get("plans", {}).items()},
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BundleError(f"manifest.json cannot be read ({error}): export again") from error

    def variant(self, name: str) -> Variant:
        """A precision by name; BundleError names those there are."""
        if name == FP32:
            return Variant(self.model, self.golden_tolerance)
        if name not in self.variants:
            has = ", ".join([FP32, *sorted(self.variants)])
            raise BundleError(f"the bundle has no variant '{name}', it has {has}")
        return self.variants[name]

    def plan(self, engine: str) -> Plan:
        """How `engine` is to run it; FP32 with the engine's own defaults where nothing was measured."""
        return self.plans.get(engine, Plan(FP32))


_OPTIONAL = ("variants", "plans")
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
    "variants": Mapping,
    "plans": Mapping,
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


def _check_variants(manifest: Manifest) -> None:
    """Each file that can be run has a hash, and each plan a file."""
    for file in (manifest.model, *(variant.file for variant in manifest.variants.values())):
        if file not in manifest.files:
            raise BundleError(f"the manifest lists no hash for its model '{file}'")
    if FP32 in manifest.variants:
        raise BundleError(f"'{FP32}' is the model itself and no variant: export the bundle again")
    for plan in manifest.plans.values():
        manifest.variant(plan.variant)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
