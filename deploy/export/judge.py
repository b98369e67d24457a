"""What a precision does to decisions on validation images, and where INT8 hurts, which layers cause it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.edge.engines.registry import open_engine
from deploy.edge.spec import Decision, Preprocessing
from deploy.export.bars import bar_of, faults_of
from deploy.export.candidates import QUANTISERS, Candidate, Sources, make_candidate
from deploy.export.certificate import FP16, compare
from deploy.export.precision.sensitivity import layer_sensitivity
from deploy.export.speed import ONNXRUNTIME
from inspection.config import ExportConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.answers import Answers, answer

SENSITIVITY = "sensitivity"
"""Key of the layers' effects in what a conversion noted, worst first."""


@dataclass(frozen=True)
class Subject:
    """The graph in question: its FP32 file, how images come in, what its answers mean."""

    fp32: Path
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    decision: Decision


@dataclass(frozen=True)
class Judge:
    """Answers of the FP32 graph on validation images, and what a precision may do to them."""

    subject: Subject
    val: ImageIndex
    reference: Answers
    config: ExportConfig
    max_megapixels: float
    trained: bool = True
    """Random weights decide nothing: then only answers that are no numbers are a fault."""

    def examine(self, name: str, sources: Sources) -> Candidate:
        """Make it; where INT8 costs too much, leave its most sensitive layers in float and try again."""
        found = self.judged(make_candidate(name, sources))
        if not found.faults or found.file is None or name == FP16 or not self.config.float_layers:
            return found
        return self._repaired(found, sources)

    def _repaired(self, broken: Candidate, sources: Sources) -> Candidate:
        """With 1, 2, 4 … of the worst layers in float, until it holds or too many would be."""
        effects = layer_sensitivity(
            sources.prepared,
            sources.calibration,
            QUANTISERS[broken.name],
            max_seconds=self.config.max_seconds,
        )
        worst = [node for effect in effects if effect.measured for node in effect.nodes]
        told = [dataclasses.asdict(effect) for effect in effects if effect.measured]
        count, found = 1, broken
        while found.faults and count <= min(self.config.float_layers, len(worst)):
            again = make_candidate(broken.name, sources, exclude=tuple(worst[:count]))
            found = self.judged(again)
            count *= 2
        found = dataclasses.replace(found, made={**found.made, SENSITIVITY: told})
        if not found.faults:
            return found
        tried = f"{broken.faults[0]}; no better with {count // 2} layers left in float"
        return found.with_faults((tried, *broken.faults[1:]), found.max_delta)

    def judged(self, candidate: Candidate, engine: str = ONNXRUNTIME) -> Candidate:
        """With its faults on validation images, and the largest change of a probability."""
        if candidate.file is None:
            return candidate
        sizes = self.subject.preprocessing
        found = ask(candidate.file, self.val, sizes, self.max_megapixels, engine)
        if not np.isfinite(found.probabilities).all():
            return candidate.with_faults(("it answers NaN or infinity on validation images",), 1.0)
        if not self.trained:
            return candidate.with_faults(
                (), float(np.abs(self.reference.probabilities - found.probabilities).max())
            )
        measured = compare(self.reference, found, self.subject.classes, self.subject.decision)
        margins = {
            "max_loss": self.config.max_loss,
            "max_class_loss": self.config.max_class_loss,
        }
        said = faults_of(measured, bar_of(candidate.name, **margins))
        faults = tuple(text.replace("test images", "validation images") for text in said)
        return candidate.with_faults(faults, measured.max_delta)


def ask(
    file: Path,
    rows: ImageIndex,
    sizes: Preprocessing,
    max_megapixels: float,
    engine: str = ONNXRUNTIME,
) -> Answers:
    """What the graph `file` answers for every row."""
    asked = {"it": open_engine(engine, file)}
    return answer(rows, sizes, asked, max_megapixels=max_megapixels)["it"]
