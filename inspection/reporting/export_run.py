"""What an export's page is made from: the plan, the certificate, the gate, and where the certification set lies.

Rooms above hand in their own records; the protocols say which of their fields the page reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from inspection.evaluation.gate import GateVerdict
from inspection.reporting.run_report import CertificateLine, Conversion


class ClassMoved(Protocol):
    """One class before and after a conversion; the interval holds `recall_delta` with 95 % or more."""

    @property
    def label(self) -> str: ...
    @property
    def support(self) -> int: ...
    @property
    def hits_before(self) -> int: ...
    @property
    def hits_after(self) -> int: ...
    @property
    def recall_delta(self) -> float: ...
    @property
    def recall_delta_low(self) -> float: ...
    @property
    def recall_delta_high(self) -> float: ...


class Moved(Conversion, Protocol):
    """How far one conversion moved decisions, class by class too."""

    @property
    def mean_delta(self) -> float: ...
    @property
    def ece_before(self) -> float: ...
    @property
    def ece_after(self) -> float: ...
    @property
    def per_class(self) -> Sequence[ClassMoved]: ...


class ExportLine(CertificateLine, Protocol):
    """One precision on one runtime, on the frozen test set."""

    @property
    def measured(self) -> Moved | None: ...


class ExportCertificate(Protocol):
    """What conversion did to decisions, row by row."""

    @property
    def reference(self) -> str: ...
    @property
    def model_sha256(self) -> str: ...
    @property
    def test_digest(self) -> str: ...
    @property
    def hashes(self) -> Mapping[str, Any]: ...
    @property
    def rows(self) -> Sequence[ExportLine]: ...


class PlannedPrecision(Protocol):
    """One precision, its fate here and the sentence that says why; `made` is what its conversion noted."""

    @property
    def name(self) -> str: ...
    @property
    def fate(self) -> str: ...
    @property
    def sentence(self) -> str: ...
    @property
    def golden_tolerance(self) -> float: ...
    @property
    def made(self) -> Mapping[str, Any]: ...


class TimedWay(Protocol):
    """The best way of one precision on one runtime, held against FP32 on ONNX Runtime."""

    @property
    def engine(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def way(self) -> str: ...
    @property
    def median_ms(self) -> float: ...
    @property
    def p95_ms(self) -> float: ...
    @property
    def rounds(self) -> int: ...
    @property
    def times_fp32(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class EnginePlan(Protocol):
    """How one engine is to run the bundle."""

    @property
    def variant(self) -> str: ...
    @property
    def threads(self) -> int | None: ...


class ExportPlan(Protocol):
    """All precisions of one graph, what was timed, and how each engine is to run them."""

    @property
    def precisions(self) -> Sequence[PlannedPrecision]: ...
    @property
    def plans(self) -> Mapping[str, EnginePlan]: ...
    @property
    def calibration(self) -> Mapping[str, Any]: ...
    @property
    def machine(self) -> Mapping[str, Any]: ...
    @property
    def sentence(self) -> str: ...
    @property
    def margins(self) -> Mapping[str, float]: ...
    @property
    def timed(self) -> Sequence[TimedWay]: ...


@dataclass(frozen=True)
class ExportReport:
    """One export. `held`: the certification set beside the bundle; `compiled`: TensorRT's status here and the reason.

    `edge_options`: how a device names the bundle's origin, for the commands that are shown.
    """

    name: str
    created: datetime
    plan: ExportPlan
    certificate: ExportCertificate
    gate: GateVerdict
    bundle: str
    held: str
    edge_options: str
    compiled: tuple[str, str]
    command: str = ""
