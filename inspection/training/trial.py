"""One trial of a search: a student in training that is watched at each epoch's end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspection.data.index import ImageIndex
from inspection.errors import ConfigError, WeightsError
from inspection.evaluation.searched import State, Trial, Validated
from inspection.features.extract import Features
from inspection.learning_config import StudentConfig
from inspection.models.heads import Teacher
from inspection.store import Store
from inspection.training.epochs import Epoch
from inspection.training.mishaps import is_memory_full
from inspection.training.pixels import OpenPixels
from inspection.training.proposals import Proposal
from inspection.training.search_space import configured
from inspection.training.second_looks import Eyes
from inspection.training.student import StudentResult, student_key, train_student


@dataclass(frozen=True, eq=False)
class Material:
    """What every trial learns from; `code`, `weights`: hashes of the code and of the student's first weights."""

    index: ImageIndex
    features: Features | None
    teacher: Teacher | None
    seed: int
    device: str
    store: Store
    weights: str
    code: str
    eyes: Eyes | None = None

    def key(self, config: StudentConfig) -> str:
        """Of the training of `config`."""
        return student_key(self.index, self.teacher, config, seed=self.seed)

    def folder(self, key: str) -> Path:
        """Where that training takes place; the same for a run without a search."""
        return self.store.training(key, self.weights, self.code)


@dataclass(frozen=True, eq=False)
class TimeLeft:
    """`left`: seconds the trial may take from `began`, which is earlier than it was by what was spent on it before.

    `note` keeps how many seconds it has taken.
    """

    clock: Callable[[], float]
    began: float
    left: float
    note: Callable[[int, float], None]

    def seconds(self) -> float:
        """Taken so far."""
        return self.clock() - self.began


class _Ended(Exception):
    """The end of a trial before its last epoch; never leaves this module."""

    def __init__(self, state: State, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


def try_out(
    material: Material,
    asked: StudentConfig,
    proposal: Proposal,
    time: TimeLeft,
    pixels: OpenPixels,
) -> Trial:
    """The trial, however it ended; it stops at the first epoch's end after its time, or when it falls behind.

    DataError, and what else no recipe can help, goes on as it is.
    """
    config = configured(asked, proposal.settings)
    key = material.key(config)
    watched = _Watched(proposal, config, time)
    state: State = "failed"
    try:
        result = _trained(material, config, key, watched, pixels)
        state, reason = "complete", _course(result, config)
        watched.curve = _curve(result.history)
    except _Ended as end:
        state, reason = end.state, end.reason
    except (ConfigError, WeightsError) as error:
        reason = str(error).replace("\n", "; ")
    except (RuntimeError, MemoryError) as error:
        if not is_memory_full(error):
            raise
        reason = "memory is full: a smaller batch_size or image_size needs less"
    return Trial(
        number=proposal.number,
        settings=proposal.settings,
        state=state,
        curve=watched.curve,
        seconds=time.seconds(),
        reason=reason,
        key=key,
    )


def _trained(
    material: Material,
    config: StudentConfig,
    key: str,
    watched: _Watched,
    pixels: OpenPixels,
) -> StudentResult:
    return train_student(
        material.index,
        material.features,
        material.teacher,
        config,
        seed=material.seed,
        folder=material.folder(key),
        device=material.device,
        watch=watched,
        pixels=pixels,
        eyes=material.eyes,
    )


class _Watched:
    """Ends a training that falls behind or runs out of time, at an epoch's end; knows how it went until then."""

    def __init__(self, proposal: Proposal, config: StudentConfig, time: TimeLeft) -> None:
        self.proposal = proposal
        self.epochs = config.epochs
        self.time = time
        self.curve: tuple[Validated, ...] = ()

    def __call__(self, history: Sequence[Epoch], stopped: bool) -> None:
        self.curve = _curve(history)
        number, done = self.proposal.number, len(history)
        seconds = self.time.seconds()
        self.time.note(number, seconds)
        if stopped or done == self.epochs:
            return
        # The config as given is what others are held against: it is not given up.
        if number and self.proposal.behind(self.curve, self.epochs):
            best = max(seen.macro_f1 for seen in self.curve)
            words = f"macro-F1 {best:.3f} is below the median of the trials before"
            raise _Ended("pruned", f"after {done} of {self.epochs} epochs its {words}")
        if seconds >= self.time.left:
            raise _Ended("out of time", f"the time was up after {done} of {self.epochs} epochs")


def _course(result: StudentResult, config: StudentConfig) -> str:
    if result.remarks:
        return "; ".join(result.remarks)
    if result.epochs_run < config.epochs:
        done = f"{result.epochs_run} of {config.epochs} epochs"
        return f"{done}: validation no longer improved after epoch {result.best_epoch}"
    return f"all {config.epochs} epochs, the best was {result.best_epoch}"


def _curve(history: Sequence[Epoch]) -> tuple[Validated, ...]:
    every = (epoch.validation for epoch in history)
    return tuple(Validated(seen.macro_f1, seen.accuracy, seen.loss) for seen in every)
