"""A budgeted search with real trainings: what it finds, what it never sees, when it stops, and where it goes on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.evaluation.searched import Searched
from inspection.features.extract import Features
from inspection.models.heads import Teacher
from inspection.store import Store
from inspection.training import module
from inspection.training import search as search_module
from inspection.training.search import learnable_rows
from inspection.training.student import student_key, train_student
from tests.unit.learning_material import CONFIG, taught
from tests.unit.search_material import (
    EPOCHS,
    HASHES,
    RATES,
    SLOW,
    STEPS,
    Clock,
    Killed,
    searched,
    timeless,
)

pytestmark = [pytest.mark.training, pytest.mark.slow]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught(tmp_path_factory.mktemp("home"), 48)


@pytest.fixture(scope="module")
def straight(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Searched]:
    store = tmp_path_factory.mktemp("store")
    return store, searched(home, store)


def test_it_mends_a_learning_rate_with_which_nothing_is_learnt(
    straight: tuple[Path, Searched],
) -> None:
    _, found = straight
    first, best = found.trials[0], found.trials[found.chosen]
    assert len(found.trials) == 5
    assert first.settings == {"learning_rate": 1e-7}
    assert first.state == "complete"
    assert found.chosen > 0
    assert found.recipe.learning_rate == best.settings["learning_rate"] >= 1e-2
    assert best.best is not None
    assert first.best is not None
    assert best.best.macro_f1 > first.best.macro_f1
    assert found.changes == f"student.learning_rate={best.settings['learning_rate']:.6g}"
    assert found.sentence.startswith("5 trials")
    assert f"against {first.best.macro_f1:.3f} as configured" in found.sentence
    assert found.ended == "no more trials were asked for"


def test_what_it_found_is_trained_already_and_losers_leave_no_weights(
    home: Path, straight: tuple[Path, Searched], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, found = straight
    index, teacher = ImageIndex.load(home / "index.parquet"), Teacher.load(home)
    key = student_key(index, teacher, found.recipe, seed=3)
    assert key == found.trials[found.chosen].key  # of the whole index, test rows and all
    folder = Store(store).training(key, **HASHES)

    def train(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(module.Distillation, "training_step", train)
    result = train_student(
        index, Features.load(home), teacher, found.recipe, seed=3, folder=folder, device="cpu"
    )
    assert result.validation.macro_f1 == found.trials[found.chosen].best.macro_f1
    kept = {Store(store).training(found.trials[n].key, **HASHES) for n in (0, found.chosen)}
    assert set(Store(store).checkpoints.iterdir()) == kept


def test_the_same_seed_gives_the_same_trials(
    home: Path, straight: tuple[Path, Searched], tmp_path: Path
) -> None:
    assert timeless(searched(home, tmp_path)) == timeless(straight[1])


def test_test_rows_change_nothing(
    home: Path, straight: tuple[Path, Searched], tmp_path: Path
) -> None:
    index = ImageIndex.load(home / "index.parquet")
    frame = index.frame.copy()
    tested = (frame["split"] == "test").to_numpy()
    frame.loc[tested, "label"] = np.roll(frame.loc[tested, "label"].to_numpy(), 1)
    assert (frame["label"] != index.frame["label"]).any()
    permuted = ImageIndex(index.root, frame)
    absent = index.where(~tested)
    for name, other in (("permuted", permuted), ("absent", absent)):
        three = RATES.model_copy(update={"trials": 3})
        found = searched(home, tmp_path / name, three, index=other)
        assert timeless(found) == timeless(straight[1])[:3]


def test_test_files_are_not_even_opened(home: Path, tmp_path: Path) -> None:
    index = ImageIndex.load(home / "index.parquet")
    frame = index.frame.copy()
    gone = frame["split"] == "test"
    frame.loc[gone, "path"] = "gone_" + frame.loc[gone, "path"]
    one = RATES.model_copy(update={"trials": 1})
    found = searched(home, tmp_path, one, index=ImageIndex(index.root, frame))
    assert found.trials[0].state == "complete"
    assert set(learnable_rows(index).frame["split"]) == {"train", "val"}


def test_a_class_of_the_test_split_alone_is_not_searched_for(home: Path, tmp_path: Path) -> None:
    index = ImageIndex.load(home / "index.parquet")
    frame = index.frame.copy()
    frame.loc[frame.index[frame["split"] == "test"][0], "label"] = "rare"
    found = searched(home, tmp_path, index=ImageIndex(index.root, frame))
    assert found.trials == ()
    assert found.recipe == SLOW
    assert "'rare' is seen in the test split alone" in found.sentence


def test_killed_after_three_trials_and_in_the_fourth_it_goes_on_with_the_same(
    home: Path,
    straight: tuple[Path, Searched],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finish = module.Distillation.finish_step
    trained: list[int] = []

    def dies(self: module.Distillation) -> None:
        finish(self)
        trained.append(self.step)
        if trained.count(1) == 4 and self.step == STEPS + 1:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module.Distillation, "finish_step", dies)
        with pytest.raises(Killed):
            searched(home, tmp_path)
    folder = next(Store(tmp_path).searches.iterdir())
    assert len(list(folder.glob("trial_*.json"))) == 3
    again: list[int] = []

    def counts(self: module.Distillation) -> None:
        finish(self)
        again.append(self.step)

    monkeypatch.setattr(module.Distillation, "finish_step", counts)
    found = searched(home, tmp_path)
    assert timeless(found) == timeless(straight[1])
    assert again[0] == STEPS + 1  # the fourth goes on after its first epoch


def test_the_time_of_a_killed_trial_counts(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = module.Distillation.finish_step

    def dies(self: module.Distillation) -> None:
        finish(self)
        if self.step == 2 * STEPS + 1:
            raise Killed

    one = RATES.model_copy(update={"trials": 1})
    with monkeypatch.context() as patch:
        patch.setattr(module.Distillation, "finish_step", dies)
        with pytest.raises(Killed):
            searched(home, tmp_path, one, clock=Clock(100.0))
    found = searched(home, tmp_path, one, clock=Clock(1.0))
    assert found.trials[0].epochs == EPOCHS
    assert 200 < found.seconds < 400  # two epochs of 100 s and more before, seconds after


def test_the_budget_is_kept_to_an_epoch_and_more_of_it_goes_on(home: Path, tmp_path: Path) -> None:
    """A trial takes about 20 s by this clock, and five times as long after a minute."""
    few = RATES.model_copy(update={"budget": "90s", "trials": None})
    found = searched(home, tmp_path, few, clock=Clock(2.0, later=10.0))
    last = found.trials[-1]
    assert last.number >= 2
    assert last.state == "out of time"
    assert 0 < last.epochs < EPOCHS
    assert 90 <= found.seconds <= 90 + 20  # an epoch is one question, the end another
    assert found.chosen != last.number
    assert last.reason == f"the time was up after {last.epochs} of {EPOCHS} epochs"
    assert searched(home, tmp_path, few) == found  # no time is left: nothing is tried
    longer = few.model_copy(update={"budget": "10m", "trials": last.number + 2})
    more = searched(home, tmp_path, longer, clock=Clock(2.0))
    assert more.trials[: last.number] == found.trials[: last.number]
    taken_up = more.trials[last.number]
    assert taken_up.settings == last.settings
    assert taken_up.state in ("complete", "pruned")
    assert taken_up.seconds > last.seconds
    assert taken_up.curve[: last.epochs] == last.curve
    assert len(more.trials) > len(found.trials)


def test_what_cannot_be_finished_is_not_begun(home: Path, tmp_path: Path) -> None:
    few = RATES.model_copy(update={"budget": "70s", "trials": None})
    found = searched(home, tmp_path, few, clock=Clock(4.0))
    assert {trial.state for trial in found.trials} == {"complete"}
    assert found.seconds <= 70
    assert re.fullmatch(r"in the \d+ s left no trial could be finished", found.ended)


def test_no_trial_finished_leaves_the_config_as_given_and_says_so(
    home: Path, tmp_path: Path
) -> None:
    found = searched(home, tmp_path, RATES.model_copy(update={"budget": "5s"}), clock=Clock(6.0))
    assert [trial.state for trial in found.trials] == ["out of time"]
    assert found.trials[0].epochs == 1
    assert found.recipe == SLOW
    assert "none was finished (the time was up), the config as given is trained" in found.sentence


def test_a_trial_that_diverges_or_needs_too_much_memory_is_a_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = module.Distillation._losses
    diverging, hungry = 1, 2

    def _losses(self: module.Distillation, images: torch.Tensor, *rest: Any) -> Any:
        number = len([*Store(tmp_path).searches.glob("*/trial_*")])
        if number == hungry:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        found = losses(self, images, *rest)
        return found._replace(total=found.total * np.nan) if number == diverging else found

    monkeypatch.setattr(module.Distillation, "_losses", _losses)
    found = searched(home, tmp_path, RATES.model_copy(update={"trials": 4}))
    states = [trial.state for trial in found.trials]
    assert states[:3] == ["complete", "failed", "failed"]
    assert states[3] in ("complete", "pruned")
    assert "the loss became nan" in found.trials[diverging].reason
    assert "memory is full" in found.trials[hungry].reason
    assert "\n" not in found.trials[hungry].reason


def test_a_fault_of_the_data_is_no_trials_fault(home: Path, tmp_path: Path) -> None:
    index = ImageIndex.load(home / "index.parquet")
    frame = index.frame.copy()
    frame.loc[frame["split"] == "train", "label"] = frame["label"].replace("spot", "stain")
    with pytest.raises(DataError, match="teacher knows other classes"):
        searched(home, tmp_path, index=ImageIndex(index.root, frame))


def test_a_config_that_validation_cannot_fault_ends_the_search_at_once(
    home: Path, tmp_path: Path
) -> None:
    good = CONFIG.model_copy(update={"epochs": 16, "patience": 16})
    found = searched(home, tmp_path, asked=good)
    assert found.trials[0].best.macro_f1 == 1.0
    assert len(found.trials) == 1
    assert found.recipe == good
    assert "every validation image right" in found.sentence


def test_trials_share_their_pixels(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = search_module.SharedPixels.__call__.__globals__["open_pixels"]

    def counted(paths: Any, preprocessing: Any, *, what: str) -> Any:
        opened.append(what)
        return real(paths, preprocessing, what=what)

    monkeypatch.setattr("inspection.training.pixels.open_pixels", counted)
    searched(home, tmp_path, RATES.model_copy(update={"trials": 3}))
    assert opened == ["training", "validation"]
