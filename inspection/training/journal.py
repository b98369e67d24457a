"""After each step and epoch: validate, remember the best, stop in time, and write it all down."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import numpy.typing as npt

from inspection.errors import ConfigError
from inspection.progress import Advance
from inspection.training.checkpoint import (
    Checkpoint,
    Tensors,
    load_checkpoint,
    named,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from inspection.training.epochs import PREDICT_BATCH, Epoch, Watch, predict, unwatched
from inspection.training.mishaps import Diverged, say
from inspection.training.module import Distillation
from inspection.training.pixels import PixelSource
from inspection.training.scores import Score, score


@dataclass
class Progress:
    """Where a run stands, besides its tensors."""

    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    """1-based; 0 before the first validation."""
    stopped: bool = False

    @property
    def best(self) -> Score | None:
        """The best validation so far."""
        return self.history[self.best_epoch - 1].validation if self.best_epoch else None

    @property
    def losses(self) -> tuple[float, ...]:
        """Of the validations."""
        return tuple(epoch.validation.loss for epoch in self.history)


@dataclass(frozen=True)
class Habits:
    """When to save and when to give up."""

    key: str
    folder: Path
    steps_per_epoch: int
    patience: int
    save_every_steps: int


class Journal(L.Callback):
    """Keeps the run's state in `habits.folder`, and puts a saved state back at the start."""

    def __init__(
        self,
        habits: Habits,
        validation: tuple[PixelSource, npt.NDArray[np.int64]],
        saved: Checkpoint | None,
    ) -> None:
        self.habits = habits
        self.validation = validation
        self.saved = saved
        self.advance: Advance = lambda _: None
        self.remarks: list[str] = list(saved.facts.get("remarks", [])) if saved else []
        """What went otherwise than asked, one sentence each."""
        self.watch: Watch = unwatched
        self._take_up(saved)

    def _take_up(self, saved: Checkpoint | None) -> None:
        self.saved = saved
        self.progress = _progress(saved.facts) if saved else Progress()
        self.best_weights: Tensors = saved.part("best") if saved else {}

    def remark(self, sentence: str) -> None:
        """Keep a sentence for the result and say it, once."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)
            say(sentence)

    def begin(self, module: Distillation) -> None:
        """Go on from what is saved, or remember the beginning: one of them is what `rewind` goes back to."""
        if self.saved is None:
            self.saved = self._checkpoint(module, {}, {})
        self.restore(module)
        if self.progress.history:  # killed between the checkpoint and what the watch said of it
            self.watch(self.progress.history, self.progress.stopped)

    def rewind(self, module: Distillation) -> None:
        """Back to the last checkpoint, or to the beginning."""
        self._take_up(load_checkpoint(self.habits.folder, self.habits.key) or self.saved)
        self.restore(module)

    def diverged(self, error: Diverged, learning_rate: float) -> None:
        """End with the best student so far; ConfigError when there is none."""
        advice = f"use a smaller student.learning_rate than {learning_rate:g}"
        if not self.progress.best_epoch:
            raise ConfigError(
                [f"student.learning_rate: {error}, before the first validation: {advice}"]
            ) from error
        self.progress.stopped = True
        kept = f"training stops, the student of epoch {self.progress.best_epoch} is kept"
        self.remark(f"{error}: {kept}; {advice}")

    def restore(self, module: Distillation) -> None:
        """Put the saved networks and counters back, if any."""
        if self.saved is None:
            return
        module.student.load_state_dict(self.saved.part("student"))
        module.average.load_state_dict(self.saved.part("average"))
        module.projection.load_state_dict(self.saved.part("projection"))
        module.step = int(self.saved.facts["step"])
        module.sums = list(self.saved.facts["sums"])
        module.validations = self.progress.losses

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Put back what exists only once Lightning has set up: optimizer and gradient scaler."""
        if self.saved is None:
            return
        restore_optimizer(trainer.optimizers[0], self.saved.part("optimizer"))
        if self.saved.facts["scaler"]:
            trainer.precision_plugin.load_state_dict(self.saved.facts["scaler"])

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Count the step; save inside an epoch when asked to."""
        module = _distillation(pl_module)
        module.finish_step()
        self.advance(self._note())
        every = self.habits.save_every_steps
        inside = module.step % self.habits.steps_per_epoch != 0
        if every and inside and module.step % every == 0:
            self.save(trainer, module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Validate the average, keep it if it is the best, stop when it has not been for long, save."""
        module = _distillation(pl_module)
        # One process looks; all hear the same, and so stop together.
        found = self._validated(module) if trainer.is_global_zero else None
        found = trainer.strategy.broadcast(found)
        if found is None:
            raise Diverged("the answers on validation images are not finite", module.step)
        self.progress.history.append(self._epoch(module, found))
        module.sums = [0.0, 0.0, 0.0, 0.0]
        module.validations = self.progress.losses
        now = len(self.progress.history)
        if self.progress.history[-1].validation.beats(self.progress.best):
            self.progress.best_epoch = now
            self.best_weights = {
                name: tensor.detach().cpu().clone()
                for name, tensor in module.average.state_dict().items()
            }
        if now - self.progress.best_epoch >= self.habits.patience:
            self.progress.stopped = trainer.should_stop = True
        self.save(trainer, module)
        self.watch(self.progress.history, self.progress.stopped)

    def _validated(self, module: Distillation) -> Score | None:
        """Of the average on the validation images; null when an answer is no number."""
        source, labels = self.validation
        at_once = min(PREDICT_BATCH, 2 * module.at_once)
        logits, _ = predict(module.average, source, len(labels), at_once=at_once)
        return score(logits, labels) if np.isfinite(logits).all() else None

    def save(self, trainer: L.Trainer, module: Distillation) -> None:
        """Write the checkpoint; of several processes, the first does."""
        if not trainer.is_global_zero:
            return
        optimizer = optimizer_tensors(trainer.optimizers[0])
        scaler = trainer.precision_plugin.state_dict()
        save_checkpoint(self.habits.folder, self._checkpoint(module, optimizer, scaler))

    def _checkpoint(
        self, module: Distillation, optimizer: Tensors, scaler: dict[str, Any]
    ) -> Checkpoint:
        tensors = {
            **named("student", module.student.state_dict()),
            **named("average", module.average.state_dict()),
            **named("projection", module.projection.state_dict()),
            **named("optimizer", optimizer),
            **named("best", self.best_weights),
        }
        facts = {
            "key": self.habits.key,
            "step": module.step,
            "sums": module.sums,
            "scaler": scaler,
            "remarks": self.remarks,
            "best_epoch": self.progress.best_epoch,
            "stopped": self.progress.stopped,
            "history": [json.loads(epoch.to_json()) for epoch in self.progress.history],
        }
        return Checkpoint(tensors, facts)

    def _epoch(self, module: Distillation, validation: Score) -> Epoch:
        means = [total / self.habits.steps_per_epoch for total in module.sums]
        rate = module.learning_rate(module.step - 1)
        return Epoch(
            epoch=len(self.progress.history) + 1,
            loss=means[0],
            loss_labels=means[1],
            loss_logits=means[2],
            loss_features=means[3],
            learning_rate=rate,
            validation=validation,
        )

    def _note(self) -> str:
        if not self.progress.history:
            return "epoch 1"
        last = self.progress.history[-1]
        return f"epoch {last.epoch + 1}, validation macro-F1 {last.validation.macro_f1:.3f}"


def _progress(facts: dict[str, Any]) -> Progress:
    history = [Epoch.from_json(json.dumps(epoch).encode()) for epoch in facts["history"]]
    return Progress(history, int(facts["best_epoch"]), bool(facts["stopped"]))


def _distillation(module: L.LightningModule) -> Distillation:
    if not isinstance(module, Distillation):
        raise TypeError(f"the journal keeps Distillation modules, got {type(module).__name__}")
    return module
