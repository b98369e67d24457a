"""Which recipe to try next, and when to give one up: Optuna's TPE and median pruner, as functions of what was tried.

Covered: the same trials before give the same proposal, in whichever process; nothing of Optuna's is stored.
Not covered: several trials at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspection.evaluation.searched import Setting, Trial, Validated
from inspection.training.search_space import Choice, Range, Settings, Space, applies

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.pruners import MedianPruner
    from optuna.trial import FrozenTrial

RANDOM = 5
"""Trials before proposals learn from results; a budget of minutes allows no more."""
FINISHED = 3
"""Trials that must be complete before one is given up: the median of fewer says little."""
WARM_UP = 0.2
"""Share of the epochs in which none is given up."""
TIES = 1e-4
"""Weight of the loss (nats) beside macro-F1: it settles ties and no more, because only ranks count here."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A recipe to try, as the trial `number`."""

    number: int
    settings: Settings
    past: tuple[Trial, ...]
    space: Space

    def behind(self, curve: Sequence[Validated], epochs: int) -> bool:
        """Whether its best so far is below the median of the finished ones at this epoch; `epochs`: all there are."""
        from optuna.trial import TrialState, create_trial

        pruner = _pruner(epochs)
        study = _study(self.past, self.space, seed=0)
        running = create_trial(
            params=self.settings,
            distributions=_distributions(self.space, self.settings),
            state=TrialState.RUNNING,
            intermediate_values=_values(curve),
        )
        return bool(pruner.prune(study, running))


def propose(space: Space, past: Sequence[Trial], *, seed: int, attempt: int = 0) -> Proposal:
    """The next recipe; `attempt` tells apart the draws when the first ones were tried before."""
    number = len(past)
    asked = _study(past, space, seed=_drawn(seed, number, attempt)).ask()
    settings: Settings = {}
    for part in space:
        if not applies(part, settings):
            continue
        if isinstance(part, Range):
            value = asked.suggest_float(part.name, part.low, part.high, log=part.log)
            settings[part.name] = part.rounded(value)
        else:
            settings[part.name] = _one_of(part, asked.suggest_categorical(part.name, part.values))
    return Proposal(number, settings, tuple(past), space)


def _one_of(part: Choice, found: object) -> Setting:
    return part.values[part.values.index(found)]


def _drawn(seed: int, number: int, attempt: int) -> int:
    """A seed for each draw of its own: what an earlier process drew does not matter."""
    digest = hashlib.sha256(f"{seed} {number} {attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _study(past: Sequence[Trial], space: Space, *, seed: int) -> Study:
    import optuna

    with _quiet_optuna():
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM)
        study = optuna.create_study(study_name="search", direction="maximize", sampler=sampler)
        for trial in past:
            study.add_trial(_told(trial, space))
    return study


def _pruner(epochs: int) -> MedianPruner:
    from optuna.pruners import MedianPruner

    return MedianPruner(FINISHED, n_warmup_steps=max(1, round(WARM_UP * epochs)))


def _told(trial: Trial, space: Space) -> FrozenTrial:
    """A trial as Optuna keeps it; one that failed counts as given up before its first epoch, the worst of ends."""
    from optuna.trial import TrialState, create_trial

    failed, complete = trial.state == "failed", trial.state == "complete" and trial.best is not None
    # The config's own rate may lie where none is proposed: nothing is learnt from it then.
    known = {part.name: part for part in space if part.name in trial.settings}
    params = {n: v for n, v in trial.settings.items() if known[n].holds(v)}
    return create_trial(
        params=params,
        distributions=_distributions(space, params),
        state=TrialState.COMPLETE if complete else TrialState.PRUNED,
        value=_value(trial.best) if complete and trial.best else None,
        intermediate_values={} if failed else _values(trial.curve),
    )


def _distributions(space: Space, settings: Settings) -> dict[str, BaseDistribution]:
    return {part.name: _distribution(part) for part in space if part.name in settings}


def _distribution(part: Choice | Range) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(part, Range):
        return FloatDistribution(part.low, part.high, log=part.log)
    return CategoricalDistribution(part.values)


def _values(curve: Sequence[Validated]) -> dict[int, float]:
    """By epoch, from 1."""
    return {epoch: _value(seen) for epoch, seen in enumerate(curve, start=1)}


def _value(seen: Validated) -> float:
    return seen.macro_f1 - TIES * seen.loss


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """No line per study and trial: the search says its own."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
