"""What a search may change about a student, and between which values: by default what pays most often, and no more.

Left alone: what is a fact about the parts or the device (mirror, turn, resize), and what only buys time (epochs,
patience). Architectures and image sizes change what the device pays, so they are tried only where they are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from inspection.evaluation.searched import Setting
from inspection.learning_config import SearchConfig, StudentConfig

Settings = dict[str, Setting]
DIGITS = 2
"""Of a proposed number that count: figures that people can copy; a third digit decides nothing."""


@dataclass(frozen=True)
class Choice:
    """One of `values`; asked for only where the setting `given[0]` has the value `given[1]`."""

    name: str
    values: tuple[Setting, ...]
    given: tuple[str, Setting] | None = None

    def holds(self, value: Setting) -> bool:
        """Whether it could have been proposed."""
        return value in self.values


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included; `log`: by orders of magnitude. The config's own may lie outside."""

    name: str
    low: float
    high: float
    log: bool = False

    def holds(self, value: Setting) -> bool:
        """Whether it could have been proposed."""
        return isinstance(value, int | float) and self.low <= value <= self.high

    def rounded(self, value: float) -> float:
        """Two digits, inside the range."""
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


Space = tuple[Choice | Range, ...]


def space_of(asked: StudentConfig, search: SearchConfig) -> Space:
    """What may vary, networks first."""
    parts: list[Choice | Range] = [*_networks(asked, search)]
    for name in dict.fromkeys(search.vary):
        parts += _part(name, asked, search)
    return tuple(parts)


def _part(name: str, asked: StudentConfig, search: SearchConfig) -> Iterator[Choice | Range]:
    if name == "learning_rate":
        yield Range(name, *search.learning_rate, log=True)
    elif name == "weight_decay" and asked.weight_decay > 0:
        yield Range(name, 1e-5, 1e-1, log=True)
    elif name == "schedule":
        yield _among(name, asked.schedule, "cosine", "plateau")
    elif name == "mix":
        yield _among(name, asked.mix, "none", "mixup", "cutmix")
    elif name == "label_smoothing":
        yield _among(name, asked.label_smoothing, 0.0, 0.05, 0.1)
    elif name == "distill_logits" and asked.listens:
        # A config without distillation says so on purpose.
        yield Range(name, 0.1, 0.9)
    elif name == "strategy" and asked.weights != "none":
        # Frozen layers with random weights would have nothing to say.
        yield _among(name, asked.strategy, *search.strategies)
        yield _among("last_stages", asked.last_stages, 1, 2, given=("strategy", "partial"))


def _networks(asked: StudentConfig, search: SearchConfig) -> Iterator[Choice]:
    if search.architectures:
        yield _among("architecture", asked.architecture, *search.architectures)
    if search.image_sizes:
        yield _among("image_size", asked.image_size, *search.image_sizes)


def _among(
    name: str, now: Setting, *values: Setting, given: tuple[str, Setting] | None = None
) -> Choice:
    return Choice(name, tuple(dict.fromkeys([now, *values])), given)


def start_of(asked: StudentConfig, space: Space) -> Settings:
    """The config as given, in the words of the space."""
    return {part.name: getattr(asked, part.name) for part in space if applies(part, vars(asked))}


def applies(part: Choice | Range, settings: Mapping[str, object]) -> bool:
    """Whether this part of the space is asked for, beside what is settled already."""
    if isinstance(part, Range) or part.given is None:
        return True
    name, value = part.given
    return settings.get(name) == value


def configured(asked: StudentConfig, settings: Mapping[str, Setting]) -> StudentConfig:
    """The config as given with `settings` in place of its own."""
    return StudentConfig.model_validate({**asked.model_dump(), **settings})


def networks_to_try(asked: StudentConfig, search: SearchConfig | None) -> tuple[StudentConfig, ...]:
    """The config as given with each other network and size that a search may build."""
    if search is None:
        return ()
    names = dict.fromkeys([asked.architecture, *search.architectures])
    sizes = dict.fromkeys([asked.image_size, *search.image_sizes])
    every = (
        configured(asked, {"architecture": a, "image_size": s}) for a, s in product(names, sizes)
    )
    return tuple(config for config in every if config != asked)
