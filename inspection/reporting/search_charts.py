"""Pictures of a search: what each trial reached, and how each learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from inspection.evaluation.searched import Searched, State, Trial
from inspection.reporting.charts import colour, swatch
from inspection.reporting.markup import Html, tag
from inspection.reporting.svg import Plot, curve, mark
from inspection.reporting.wording import score

Point = tuple[float, float]
STATES: Mapping[State, int] = MappingProxyType({"complete": 0, "pruned": 1, "out of time": 2})
"""Place of each state's colour and shape; a trial that failed has no figure to draw."""


def by_trial(found: Searched) -> Html:
    """Each trial's best validation, and the best of the finished ones so far as a line."""
    shown = [trial for trial in found.trials if trial.best is not None]
    last = max(len(found.trials) - 1, 1)
    plot = Plot.of((0.0, last), _range(shown), ("trial", "best validation macro-F1"))
    groups = [
        tag(
            "g",
            *(_dot(plot, trial, place) for trial in shown if trial.state == state),
            class_=colour(place),
        )
        for state, place in STATES.items()
    ]
    line = tag("g", curve(plot, _best_so_far(found.trials), "curve"), class_=colour(0))
    ends = ", ".join(f"trial {t.number} {t.state} {score(_best(t))}" for t in shown)
    return plot.draw(f"Best validation macro-F1 by trial: {ends}", line, *groups)


def legend_of_trials() -> Html:
    """What the shapes of `by_trial` mean."""
    keys = [tag("span", swatch(place), state, class_="key") for state, place in STATES.items()]
    return tag(
        "p", *keys, tag("span", "Line: the best finished so far.", class_="key"), class_="legend"
    )


def by_epoch(found: Searched) -> Html:
    """Validation by epoch: the config as given and the chosen recipe in colour, all others in grey."""
    shown = [trial for trial in found.trials if trial.curve]
    longest = max((trial.epochs for trial in shown), default=1)
    plot = Plot.of((1.0, max(longest, 2)), _range(shown), ("epoch", "validation macro-F1"))
    grey = [_grey(plot, trial) for trial in shown if trial.number not in (0, found.chosen)]
    marked = [_learnt(plot, found.trials[n], k) for k, n in enumerate(marked_trials(found))]
    return plot.draw(f"Validation macro-F1 by epoch of {len(shown)} trials", *grey, *marked)


def legend_of_epochs(found: Searched) -> Html:
    """Who is in colour in `by_epoch`."""
    names = {0: "the config as given"} | (
        {found.chosen: f"trial {found.chosen}"} if found.chosen else {}
    )
    keys = [tag("span", swatch(k), name, class_="key") for k, name in enumerate(names.values())]
    return tag("p", *keys, class_="legend")


def marked_trials(found: Searched) -> list[int]:
    """Numbers of the config as given and of the chosen trial."""
    return list(dict.fromkeys([0, found.chosen]))


def _grey(plot: Plot, trial: Trial) -> Html:
    points = _points(trial)
    end = mark(0, plot.x(points[-1][0]), plot.y(points[-1][1]), 2.5)
    return tag("g", curve(plot, points, "curve"), end, class_="others")


def _learnt(plot: Plot, trial: Trial, place: int) -> Html:
    points = _points(trial)
    if not points:
        return tag("g")
    end = mark(place, plot.x(points[-1][0]), plot.y(points[-1][1]), 4.5)
    return tag("g", curve(plot, points, "curve"), end, class_=colour(place))


def _dot(plot: Plot, trial: Trial, place: int) -> Html:
    words = f"trial {trial.number}, {trial.state}: {score(_best(trial))}"
    return mark(place, plot.x(trial.number), plot.y(_best(trial)), 4.5, tag("title", words))


def _best_so_far(trials: Sequence[Trial]) -> list[Point]:
    points: list[Point] = []
    for trial in trials:
        if trial.state == "complete" and trial.best is not None:
            points.append((trial.number, max([_best(trial), *(y for _, y in points)])))
    return points


def _points(trial: Trial) -> list[Point]:
    return [(float(epoch), seen.macro_f1) for epoch, seen in enumerate(trial.curve, start=1)]


def _best(trial: Trial) -> float:
    return trial.best.macro_f1 if trial.best else 0.0


def _range(trials: Sequence[Trial]) -> Point:
    lowest = min((seen.macro_f1 for trial in trials for seen in trial.curve), default=0.0)
    return math.floor(lowest * 10) / 10, 1.0
