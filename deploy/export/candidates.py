"""A lower precision of an FP32 graph, made and checked; or why it could not be made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx

from deploy.edge.files import write_bytes
from deploy.export.certificate import FP16, INT8_CPU, INT8_TENSORRT
from deploy.export.errors import ExportError
from deploy.export.precision.calibration import Calibration
from deploy.export.precision.dialect import check_tensorrt_dialect
from deploy.export.precision.fp16 import to_fp16
from deploy.export.precision.int8 import Prepared, prepare, to_int8_cpu, to_int8_tensorrt

QUANTISERS = {INT8_CPU: to_int8_cpu, INT8_TENSORRT: to_int8_tensorrt}


@dataclass(frozen=True)
class Candidate:
    """`file` is None where it could not be made; `faults` say what is wrong, `max_delta` how far it moved."""

    name: str
    file: Path | None
    faults: tuple[str, ...]
    max_delta: float
    made: dict[str, Any]

    def with_faults(self, faults: tuple[str, ...], max_delta: float) -> Candidate:
        """The same file, judged."""
        return dataclasses.replace(self, faults=faults, max_delta=max_delta)


@dataclass(frozen=True)
class Sources:
    """What candidates are made from, and the folder they are written to."""

    fp32: Path
    calibration: Calibration
    folder: Path

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The FP32 graph."""
        return onnx.load(self.fp32)

    @cached_property
    def prepared(self) -> Prepared:
        """The same, optimised and measured once for both INT8 dialects."""
        return prepare(self.model, self.calibration)


def make_candidate(name: str, sources: Sources, *, exclude: tuple[str, ...] = ()) -> Candidate:
    """Write `<name>.onnx`; `exclude` names layers that INT8 leaves in float."""
    try:
        made, notes = _converted(name, sources, exclude)
        if name in (FP16, INT8_TENSORRT):
            check_tensorrt_dialect(made)
    except ExportError as error:
        return Candidate(name, None, (str(error),), 1.0, {})
    target = sources.folder / f"{name}.onnx"
    write_bytes(target, made.SerializeToString(deterministic=True))
    return Candidate(name, target, (), 0.0, notes)


def _converted(
    name: str, sources: Sources, exclude: tuple[str, ...]
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    if name == FP16:
        half, report = to_fp16(sources.model, sources.calibration)
        return half, dataclasses.asdict(report)
    made, quantised = QUANTISERS[name](sources.prepared, sources.calibration, exclude)
    return made, dataclasses.asdict(quantised)
