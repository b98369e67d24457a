"""A finished student on disk: weights as safetensors, everything else about it as one JSON card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file

from deploy.edge.files import sha256_file, written_aside
from deploy.edge.spec import Preprocessing
from inspection.errors import WeightsError
from inspection.features.weights import Triple, load_weights, packed, read_safetensors
from inspection.models.graph import DeployGraph
from inspection.models.registry import build_student
from inspection.models.student import Student
from inspection.records import Record

WEIGHTS = "student.safetensors"
CARD = "student.json"


@dataclass(frozen=True)
class StudentCard(Record):
    """What must be known to run a student and to say where it comes from."""

    architecture: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    mean: Triple
    std: Triple
    embedding_size: int
    parameters: int
    temperature: float
    started_from: str
    """Weights before training: `none`, a hub id, or a file's name."""
    licence: str
    weights_sha256: str


def save_weights(folder: Path, student: Student) -> str:
    """Write the student's weights; their SHA-256, for the card."""
    state = {name: tensor.cpu().contiguous() for name, tensor in student.state_dict().items()}
    with written_aside(folder / WEIGHTS) as aside:
        save_file(
            state, aside, metadata=packed({"mean": _text(student.mean), "std": _text(student.std)})
        )
    return sha256_file(folder / WEIGHTS)


def load_student(folder: Path) -> tuple[Student, StudentCard]:
    """A finished student in evaluation mode on the CPU, and its card."""
    if not (folder / CARD).is_file():
        raise WeightsError(f"there is no finished student in '{folder}': train one first")
    card = StudentCard.load(folder / CARD)
    if sha256_file(folder / WEIGHTS) != card.weights_sha256:
        raise WeightsError(f"'{folder / WEIGHTS}' is not what its card promises: train it again")
    student = build_student(
        card.architecture, len(card.classes), image_size=card.preprocessing.height
    )
    load_weights(student, read_safetensors(folder / WEIGHTS), card.architecture)
    student.mean, student.std = card.mean, card.std
    return student.eval(), card


def load_deploy_graph(folder: Path) -> tuple[DeployGraph, StudentCard]:
    """The graph that ships, with the student's own normalisation and calibration."""
    student, card = load_student(folder)
    return DeployGraph(student, card.mean, card.std, card.temperature), card


def _text(values: Triple) -> str:
    return ",".join(str(value) for value in values)
