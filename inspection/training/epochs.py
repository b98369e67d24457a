"""What is kept of each epoch, and how a student answers: the part of training that needs no Lightning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from inspection.models.student import Student
from inspection.records import Record
from inspection.training.augment import to_network
from inspection.training.pixels import PixelSource
from inspection.training.scores import Score

PREDICT_BATCH = 128


@dataclass(frozen=True)
class Epoch(Record):
    """One pass over the training images: mean losses (total and its three parts), and how validation went."""

    epoch: int
    loss: float
    loss_labels: float
    loss_logits: float
    loss_features: float
    learning_rate: float
    validation: Score


Watch = Callable[[Sequence[Epoch], bool], None]
"""Called at each epoch's end, when all is saved, with the epochs so far and whether training stops by itself.

What it raises ends the training; the checkpoint stays, to go on from."""


def unwatched(history: Sequence[Epoch], stopped: bool) -> None:
    """A `Watch` that lets every training come to its own end."""


def predict(
    student: Student, source: PixelSource, count: int, *, at_once: int = PREDICT_BATCH
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Logits (N, C) and embeddings (N, E) of a student in evaluation mode on its device, `at_once` images a time."""
    device = next(student.parameters()).device
    logits, embeddings = [], []
    with torch.inference_mode():
        for positions in torch.split(torch.arange(count), at_once):
            pixels = source.take(positions).to(device).float()
            outputs = student(to_network(pixels, student.mean, student.std))
            logits.append(outputs[0].float().cpu())
            embeddings.append(outputs[1].float().cpu())
    return torch.cat(logits).numpy(), torch.cat(embeddings).numpy()
