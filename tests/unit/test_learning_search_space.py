"""What may vary, and what Optuna makes of it: proposals that depend on what was tried and nothing else."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from inspection.errors import ConfigError
from inspection.evaluation.searched import State, Trial, Validated
from inspection.learning_config import SearchConfig, StudentConfig
from inspection.models.networks import check_networks
from inspection.training.proposals import Proposal, propose
from inspection.training.search_space import (
    Choice,
    Range,
    Settings,
    configured,
    networks_to_try,
    space_of,
    start_of,
)

PLAIN = StudentConfig()
WARM = StudentConfig(weights="hub", architecture="timm:resnet10t")
SPACE = space_of(WARM, SearchConfig())


def names(asked: StudentConfig, search: SearchConfig) -> list[str]:
    return [part.name for part in space_of(asked, search)]


def tried(number: int, settings: Settings, *scores: float, state: State = "complete") -> Trial:
    curve = tuple(Validated(score, score, 0.5) for score in scores)
    return Trial(number, settings, state, curve, 1.0, "", "")


def good(settings: Settings) -> float:
    """A landscape with one hill: a rate of 0.004, partial."""
    away = abs(math.log10(float(settings["learning_rate"])) - math.log10(4e-3))
    return max(0.0, 0.95 - 0.2 * away - 0.1 * (settings["strategy"] != "partial"))


def test_frozen_layers_are_tried_only_where_there_are_weights() -> None:
    assert "strategy" not in names(PLAIN, SearchConfig())
    assert {"strategy", "last_stages"} <= set(names(WARM, SearchConfig()))
    (part,) = (p for p in SPACE if p.name == "last_stages")
    assert isinstance(part, Choice)
    assert part.given == ("strategy", "partial")


def test_networks_and_sizes_are_tried_only_where_they_are_named() -> None:
    assert not {"architecture", "image_size"} & set(names(PLAIN, SearchConfig()))
    search = SearchConfig(architectures=("plumbnet_m",), image_sizes=(96, 128))
    architecture, size, *_ = space_of(PLAIN, search)
    assert architecture == Choice("architecture", ("plumbnet_s", "plumbnet_m"))
    assert size == Choice("image_size", (128, 96))
    others = networks_to_try(PLAIN, search)
    assert [(o.architecture, o.image_size) for o in others] == [
        ("plumbnet_s", 96),
        ("plumbnet_m", 128),
        ("plumbnet_m", 96),
    ]
    assert networks_to_try(PLAIN, None) == ()


def test_a_config_without_a_teacher_stays_without() -> None:
    alone = PLAIN.model_copy(update={"distill_logits": 0.0, "distill_features": 0.0})
    assert "distill_logits" not in names(alone, SearchConfig())
    assert "distill_logits" in names(PLAIN, SearchConfig())


def test_vary_names_all_there_is() -> None:
    assert names(WARM, SearchConfig(vary=("mix", "learning_rate", "mix"))) == [
        "mix",
        "learning_rate",
    ]
    assert names(WARM, SearchConfig(vary=())) == []


def test_every_proposal_passes_the_door_and_lies_in_the_space() -> None:
    past = [tried(0, start_of(WARM, SPACE), 0.5)]
    parts = {part.name: part for part in SPACE}
    for number in range(1, 40):
        settings = propose(SPACE, past, seed=1).settings
        assert configured(WARM, settings).model_dump() == {**WARM.model_dump(), **settings}
        assert all(parts[name].holds(value) for name, value in settings.items())
        assert ("last_stages" in settings) == (settings["strategy"] == "partial")
        past.append(tried(number, settings, good(settings)))
    assert {str(t.settings["strategy"]) for t in past} == {"full", "partial", "freeze"}


def test_rates_have_two_digits() -> None:
    rate = Range("learning_rate", 1e-4, 3e-2, log=True)
    assert rate.rounded(0.0012345) == 0.0012
    assert rate.rounded(0.02999) == 0.03
    assert Range("x", 0.111, 0.999).rounded(0.1111) == 0.111  # never outside


def test_results_draw_the_proposals_to_the_hill() -> None:
    past = [tried(0, start_of(WARM, SPACE), 0.2)]
    for number in range(1, 30):
        settings = propose(SPACE, past, seed=5).settings
        past.append(tried(number, settings, good(settings)))
    early, late = past[1:9], past[-8:]
    assert sum(good(dict(t.settings)) for t in late) > sum(good(dict(t.settings)) for t in early)
    assert max(good(dict(t.settings)) for t in past) > 0.9


def test_what_was_tried_decides_and_the_process_does_not() -> None:
    past = [tried(0, start_of(WARM, SPACE), 0.3, 0.4)]
    for number in range(1, 8):
        state: State = "pruned" if number % 3 == 0 else "failed" if number == 4 else "complete"
        settings = propose(SPACE, past, seed=2).settings
        past.append(tried(number, settings, 0.1 * number, state=state))
    here = propose(SPACE, past, seed=2).settings
    assert propose(SPACE, past, seed=2).settings == here
    assert propose(SPACE, past, seed=3).settings != here
    assert propose(SPACE, past, seed=2, attempt=1).settings != here
    code = """
import sys
from inspection.evaluation.searched import Trial
from inspection.training.proposals import propose
from tests.unit.test_learning_search_space import SPACE
past = [Trial.from_json(line.encode()) for line in sys.stdin.read().split(chr(30))]
print(propose(SPACE, past, seed=2).settings)
"""
    said = chr(30).join(trial.to_json().decode() for trial in past)
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=said,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.stdout.strip() == str(here)
    assert "study" not in done.stderr  # Optuna is quiet


def test_a_rate_outside_the_range_is_tried_first_and_proposed_never_again() -> None:
    odd = StudentConfig(learning_rate=1e-9)
    space = space_of(odd, SearchConfig(vary=("learning_rate",)))
    assert start_of(odd, space) == {"learning_rate": 1e-9}
    past = [tried(0, {"learning_rate": 1e-9}, 0.99)]
    for number in range(1, 12):
        settings = propose(space, past, seed=0).settings
        past.append(tried(number, settings, 0.1))
    assert all(float(t.settings["learning_rate"]) >= 3e-5 for t in past[1:])


def running(settings: Settings, past: list[Trial]) -> Proposal:
    return Proposal(len(past), settings, tuple(past), SPACE)


def test_who_stays_below_the_median_is_given_up_after_the_warm_up() -> None:
    start = start_of(WARM, SPACE)
    rising = [0.2, 0.4, 0.6, 0.7, 0.8, 0.8, 0.9, 0.9, 0.9, 0.9]
    past = [tried(n, {**start, "learning_rate": 0.001 * (n + 1)}, *rising) for n in range(3)]
    now = running({**start, "learning_rate": 0.02}, past)
    low = [Validated(0.1, 0.1, 1.0)] * 10
    assert not now.behind(low[:1], 10)  # warming up
    assert now.behind(low[:2], 10)
    assert not now.behind([Validated(0.6, 0.6, 0.5)] * 2, 10)
    assert not running({**start, "learning_rate": 0.02}, past[:2]).behind(low[:5], 10)


def test_failed_trials_are_no_yardstick() -> None:
    start = start_of(WARM, SPACE)
    past = [
        tried(n, {**start, "learning_rate": 0.001 * (n + 1)}, 0.9, 0.9, 0.9, state="failed")
        for n in range(5)
    ]
    now = running({**start, "learning_rate": 0.02}, past)
    assert not now.behind([Validated(0.1, 0.1, 1.0)] * 3, 4)


@pytest.mark.training
def test_a_misspelt_network_of_the_search_is_told_before_the_first_image() -> None:
    from inspection.learning_config import TeacherConfig

    search = SearchConfig(architectures=("plumnet_m",))
    small = PLAIN.model_copy(update={"image_size": 32})
    with pytest.raises(ConfigError, match="no student 'plumnet_m': use plumbnet_m"):
        check_networks(
            TeacherConfig(backbone="test_resnet", image_size=64),
            small,
            *networks_to_try(small, search),
            seed=0,
        )
