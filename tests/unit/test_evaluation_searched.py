"""What a search chose and how it says so: ties stay with the config as given, few images are called few."""

from __future__ import annotations

from typing import Any

import pytest

from inspection.durations import seconds_of, spoken
from inspection.evaluation.searched import Searched, State, Trial, Validated, choose
from inspection.learning_config import StudentConfig

ASKED = StudentConfig(learning_rate=0.003)


def trial(number: int, macro_f1: float | None, state: State = "complete", **changes: Any) -> Trial:
    curve = () if macro_f1 is None else (Validated(macro_f1, macro_f1, changes.pop("loss", 0.5)),)
    rate = ASKED.learning_rate if number == 0 else 0.01 * number
    settings = {"learning_rate": rate, "mix": "none"}
    return Trial(number, settings, state, curve, 60.0, "a reason", f"key {number}")


def searched(*trials: Trial, images: int = 60, ended: str = "the time was up") -> Searched:
    return Searched(ASKED, choose(trials), trials, 1200.0, 1080.0, images, ended)


@pytest.mark.parametrize(
    ("trials", "chosen"),
    [
        ([trial(0, 0.9), trial(1, 0.95), trial(2, 0.93)], 1),
        ([trial(0, 0.9), trial(1, 0.9, loss=0.1)], 0),  # a tie, though with less surprise
        ([trial(0, 0.9), trial(1, 0.95, loss=0.5), trial(2, 0.95, loss=0.4)], 2),
        ([trial(0, 0.9), trial(1, 0.99, "pruned"), trial(2, 0.99, "out of time")], 0),
        ([trial(0, None, "failed"), trial(1, 0.2)], 1),
        ([trial(0, 0.5, "out of time")], 0),
        ([trial(0, None, "failed"), trial(1, None, "failed")], 0),
        ([], 0),
    ],
)
def test_the_best_finished_trial_is_taken_if_it_beats_the_config(
    trials: list[Trial], chosen: int
) -> None:
    assert choose(trials) == chosen


def test_a_record_comes_back_as_it_was() -> None:
    found = searched(trial(0, 0.9), trial(1, 0.95), trial(2, None, "failed"))
    back = Searched.from_json(found.to_json())
    assert back == found
    assert {type(v) for v in back.trials[1].settings.values()} == {float, str}
    assert back.recipe == ASKED.model_copy(update={"learning_rate": 0.01})


def test_overrides_are_what_differs_and_can_be_typed() -> None:
    found = searched(trial(0, 0.9), trial(1, 0.95))
    assert found.overrides == {"learning_rate": 0.01}  # mix is as it was
    assert found.changes == "student.learning_rate=0.01"
    assert searched(trial(0, 0.9)).overrides == {}


def test_a_gain_of_few_images_may_be_chance() -> None:
    few = searched(trial(0, 0.90), trial(1, 0.95)).sentence
    assert "validation macro-F1 0.950 against 0.900 as configured" in few
    assert few.endswith("(+3 of 60 validation images right: may be chance)")
    many = searched(trial(0, 0.80), trial(1, 0.95)).sentence
    assert many.endswith("0.950 against 0.800 as configured")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (searched(trial(0, 0.9), trial(1, 0.3, "pruned")), "2 trials (1 pruned) in 18 min: the config as given is"),
        (searched(trial(0, 0.9), trial(1, 0.3)), "kept (validation macro-F1 0.900), the other did not do better"),
        (searched(trial(0, 0.9), trial(1, 0.3), trial(2, 0.3)), "none of 2 others did better"),
        (searched(trial(0, 0.5, "out of time")), "1 trial in 18 min: none was finished (the time was up), the config"),
        (searched(trial(0, None, "failed"), trial(1, 0.4)), "the config as given failed: a reason"),
        (searched(trial(0, 1.0), ended="nothing can be better"), "is kept: nothing can be better"),
    ],
)  # fmt: skip
def test_every_end_is_a_sentence(found: Searched, said: str) -> None:
    assert said in found.sentence
    assert "\n" not in found.sentence


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("20m", 1200), ("1h30m", 5400), ("2h", 7200), ("1h1s", 3601)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0 s"), (119.4, "119 s"), (119.6, "2 min"), (1080, "18 min"), (3590, "1 h 00 min"), (5400, "1 h 30 min")],
)  # fmt: skip
def test_durations_are_told(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
