"""What an export's page is made from: the plan, the certificate, the gate, and where the certification set lies.

Rooms above hand in their own records; the protocols say which of their fields the page reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from inspection.evaluation.gate import GateVerdict
from inspection.reporting.certified import CertificateTable


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
    certificate: CertificateTable
    gate: GateVerdict
    bundle: str
    held: str
    edge_options: str
    compiled: tuple[str, str]
    command: str = ""
