"""What a search for a recipe tried and what it chose, as told in answers and reports.

Covered: the choice is made by validation images alone, and a tie stays with the config as given. Not covered: the best
of many tries is flattered by its validation score; only the test set, which no search sees, says what it is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from inspection.durations import spoken
from inspection.learning_config import StudentConfig
from inspection.records import Record

Setting = bool | int | float | str
"""A value of one key of `StudentConfig`."""
State = Literal["complete", "pruned", "failed", "out of time"]

FEW = 6
"""Answers by which two recipes must at least differ before McNemar's exact test can call it more than chance (5 %)."""


@dataclass(frozen=True)
class Validated(Record):
    """Validation after one epoch; `loss` in nats."""

    macro_f1: float
    accuracy: float
    loss: float

    @property
    def rank(self) -> tuple[float, float]:
        """What is better is greater; the same order by which epochs are chosen."""
        return self.macro_f1, -self.loss


@dataclass(frozen=True)
class Trial(Record):
    """One recipe that was tried; number 0 is the config as given. `curve`: validation, epoch by epoch."""

    number: int
    settings: Mapping[str, Setting]
    state: State
    curve: tuple[Validated, ...]
    seconds: float
    reason: str
    key: str
    """Of the training, as in `StudentResult`."""

    @property
    def epochs(self) -> int:
        """How far it came."""
        return len(self.curve)

    @property
    def best(self) -> Validated | None:
        """Its best epoch, the one that would ship; null before the first."""
        return max(self.curve, key=lambda seen: seen.rank, default=None)


@dataclass(frozen=True)
class Searched(Record):
    """A finished search. `chosen`: a trial's number, 0 for the config as given; `ended`: why there were no more."""

    asked: StudentConfig
    chosen: int
    trials: tuple[Trial, ...]
    budget_seconds: float
    seconds: float
    validation_images: int
    ended: str

    @property
    def overrides(self) -> dict[str, Setting]:
        """Keys of the student's config that the chosen recipe changes; empty for the config as given."""
        if self.chosen == 0:
            return {}
        settings = self.trials[self.chosen].settings
        return {k: v for k, v in settings.items() if getattr(self.asked, k) != v}

    @property
    def recipe(self) -> StudentConfig:
        """What the student is trained with."""
        return self.asked.model_copy(update=self.overrides)

    @property
    def changes(self) -> str:
        """The overrides as they are given on a command line, to train the same without a search."""
        return " ".join(
            f"student.{name}={written(value)}" for name, value in self.overrides.items()
        )

    @property
    def sentence(self) -> str:
        """How many trials in what time, what was chosen, and what speaks for it."""
        cut = sum(trial.state == "pruned" for trial in self.trials)
        many = "1 trial" if len(self.trials) == 1 else f"{len(self.trials)} trials"
        pruned = f" ({cut} pruned)" if cut else ""
        outcome = self._found() if self.chosen else self._as_given()
        return f"{many}{pruned} in {spoken(self.seconds)}: {outcome}"

    def _found(self) -> str:
        best, base = self.trials[self.chosen].best, self.trials[0].best
        assert best is not None  # only finished trials are chosen
        words = f"{in_words(self.overrides)}; validation macro-F1 {best.macro_f1:.3f}"
        if self.trials[0].state != "complete" or base is None:
            return f"{words}; the config as given {self.trials[0].state}: {self.trials[0].reason}"
        words += f" against {base.macro_f1:.3f} as configured"
        more = round((best.accuracy - base.accuracy) * self.validation_images)
        if more >= FEW:
            return words
        return f"{words} ({more:+d} of {self.validation_images} validation images right: may be chance)"

    def _as_given(self) -> str:
        finished = sum(trial.state == "complete" for trial in self.trials)
        if not self.trials:
            return f"the config as given is trained: {self.ended}"
        if not finished:
            advice = "; give a larger budget" if self.trials[-1].state == "out of time" else ""
            return f"none was finished ({self.ended}), the config as given is trained{advice}"
        others = len(self.trials) - 1
        if not others:
            return f"the config as given is kept: {self.ended}"
        best = self.trials[0].best
        score = f" (validation macro-F1 {best.macro_f1:.3f})" if best else ""
        did = "the other did not do" if others == 1 else f"none of {others} others did"
        return f"the config as given is kept{score}, {did} better"


def choose(trials: Sequence[Trial]) -> int:
    """The best finished trial; 0 unless its macro-F1 is higher than that of the config as given."""
    finished = [trial for trial in trials if trial.state == "complete" and trial.best is not None]
    if not finished:
        return 0
    best = max(finished, key=rank_of)
    first = trials[0]
    if first.state == "complete" and rank_of(best)[0] <= rank_of(first)[0]:
        return 0
    return best.number


def rank_of(trial: Trial) -> tuple[float, float]:
    """The rank of its best epoch; below all others where there is none."""
    return trial.best.rank if trial.best else (-1.0, 0.0)


def in_words(settings: Mapping[str, Setting]) -> str:
    """`learning rate 0.0012, strategy partial`."""
    return ", ".join(f"{name.replace('_', ' ')} {written(v)}" for name, v in settings.items())


def written(value: Setting) -> str:
    """As YAML reads it back."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
