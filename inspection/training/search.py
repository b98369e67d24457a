"""The best recipe for a student in the time given: trials on train and validation, the config as given first.

Covered: rows of other splits are taken out before anything else, so no trial can see them. A search killed anywhere
goes on with the same trials, and the time already spent counts (but for the epoch it was killed in); so does a later
call with a larger budget. A trial that diverges or needs too much memory is a line in the list. The budget holds for
the search and for training what it finds: a finished trial is the finished student. Not covered: trials side by side;
two searches of the same inputs at once do each other's work twice.
"""

from __future__ import annotations

import gc
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from deploy.edge.files import canonical_json, sha256_bytes, write_json
from inspection.data.index import ImageIndex
from inspection.durations import seconds_of, spoken
from inspection.evaluation.searched import Searched, Trial, choose, in_words, rank_of
from inspection.features.extract import Features
from inspection.learning_config import SearchConfig, StudentConfig
from inspection.models.heads import Teacher
from inspection.store import Store
from inspection.training.pixels import SharedPixels
from inspection.training.preparation import targets_of
from inspection.training.proposals import Proposal, propose
from inspection.training.search_space import Space, space_of, start_of
from inspection.training.second_looks import Eyes
from inspection.training.trial import Material, TimeLeft, try_out

RECIPE = "search v1"
"""Part of every search's key: change it when kept trials must not be continued by newer code."""
UNDER_WAY = "under_way.json"
LEARNABLE = ("train", "val")
DRAWS = 20
"""Proposals that were all tried before, in a row, after which the space counts as exhausted."""


def learnable_rows(index: ImageIndex) -> ImageIndex:
    """The rows a search may see: usable ones of train and validation."""
    usable = index.usable()
    return usable.where(usable.frame["split"].isin(LEARNABLE))


def search_recipe(
    index: ImageIndex,
    features: Features | None,
    teacher: Teacher | None,
    asked: StudentConfig,
    search: SearchConfig,
    *,
    seed: int,
    store: Store,
    weights: str,
    code: str,
    device: str = "auto",
    clock: Callable[[], float],
    eyes: Eyes | None = None,
) -> Searched:
    """Try recipes until the time, the number of trials or the space is used up; `clock` gives seconds.

    ConfigError and DataError for what would stop any student; `weights`, `code` as in `Material`, `eyes` as in
    `train_student`.
    """
    rows = learnable_rows(index)
    budget, images = float(seconds_of(search.budget)), len(rows.split("val"))
    if missing := sorted(set(index.classes) - set(rows.classes)):
        why = f"'{missing[0]}' is seen in the test split alone, so no trial could learn what the student has to"
        return Searched(asked, 0, (), budget, 0.0, images, why)
    if asked.consistent and asked.listens:
        # Looking again is done once for all trials, and is no part of any one's time.
        targets_of(rows, features, teacher, asked, seed=seed, eyes=eyes)
    material = Material(rows, features, teacher, seed, device, store, weights, code, eyes)
    return _Search(material, asked, search, clock).run(budget, images)


class _Search:
    """One search under way: its trials so far are files in `folder`, one each."""

    def __init__(
        self,
        material: Material,
        asked: StudentConfig,
        search: SearchConfig,
        clock: Callable[[], float],
    ) -> None:
        self.material = material
        self.asked = asked
        self.most = search.trials
        self.clock = clock
        self.space: Space = space_of(asked, search)
        self.pixels = SharedPixels()
        document = [RECIPE, material.key(asked), [repr(part) for part in self.space]]
        key = sha256_bytes(canonical_json(document))
        self.folder = material.store.searches / material.folder(key).name
        self.trials: list[Trial] = self._kept()

    def run(self, budget: float, images: int) -> Searched:
        """Every trial, and the choice among them."""
        self.budget = budget
        while not (ended := self._end()):
            before = self._take_up_last()
            began = self.clock() - before
            proposal = self._next()
            if proposal is None:
                ended = "every recipe of the space was tried"
                break
            time = TimeLeft(self.clock, began, self.budget - self.spent(), self._note)
            self._finish(try_out(self.material, self.asked, proposal, time, self.pixels))
        chosen = choose(self.trials)
        found = Searched(
            self.asked, chosen, tuple(self.trials), budget, self.spent(), images, ended
        )
        say(found.sentence)
        return found

    def spent(self) -> float:
        """Seconds of all trials, those of earlier processes included."""
        return sum(trial.seconds for trial in self.trials)

    def _kept(self) -> list[Trial]:
        """What earlier processes left, from the first trial on without a gap."""
        kept: list[Trial] = []
        while (path := self._file(len(kept))).is_file() and len(kept) != self.most:
            kept.append(Trial.load(path))
        return kept

    def _file(self, number: int) -> Path:
        return self.folder / f"trial_{number:04d}.json"

    def _end(self) -> str:
        """Why there is no further trial; empty while there is one."""
        left = self.budget - self.spent()
        if left <= 0:
            return "the time was up"
        if not self.trials or self.trials[-1].state == "out of time":
            return ""
        if len(self.trials) == self.most:
            return "no more trials were asked for"
        if rank_of(self.trials[0])[0] == 1.0 and self.trials[0].state == "complete":
            return "it has every validation image right, so validation can prefer nothing to it"
        shortest = min((t.seconds for t in self.trials if t.state == "complete"), default=0.0)
        if left < shortest:
            return f"in the {spoken(left)} left no trial could be finished"
        return ""

    def _take_up_last(self) -> float:
        """Seconds already spent on the trial that is next: the time ended it, or the process was killed in it."""
        if self.trials and self.trials[-1].state == "out of time":
            return self.trials.pop().seconds
        path = self.folder / UNDER_WAY
        if not path.is_file():
            return 0.0
        said = json.loads(path.read_bytes())
        return float(said["seconds"]) if said["trial"] == len(self.trials) else 0.0

    def _next(self) -> Proposal | None:
        """The config as given, then proposals that were not tried yet."""
        if not self.trials:
            return Proposal(0, start_of(self.asked, self.space), (), self.space)
        tried = [trial.settings for trial in self.trials]
        for attempt in range(DRAWS):
            proposal = propose(self.space, self.trials, seed=self.material.seed, attempt=attempt)
            if proposal.settings not in tried:
                return proposal
        return None

    def _note(self, number: int, seconds: float) -> None:
        """Keep how long the trial under way has taken, should the process be killed."""
        write_json(self.folder / UNDER_WAY, {"trial": number, "seconds": seconds})

    def _finish(self, trial: Trial) -> None:
        """Keep the trial and, of the students, the one to beat and the config's own."""
        trial.save(self._file(trial.number))
        self.trials.append(trial)
        best = choose(self.trials)
        for other in self.trials:
            if other.number not in (0, best) and other.state != "out of time":
                shutil.rmtree(self.material.folder(other.key), ignore_errors=True)
        gc.collect()  # Lightning's loops hold each other, and with them a network's memory
        say(_line(trial, self.budget - self.spent()))


def _line(trial: Trial, left: float) -> str:
    score = f", macro-F1 {trial.best.macro_f1:.3f}" if trial.best else ""
    how = in_words(trial.settings) if trial.number else "the config as given"
    ahead = f"{spoken(left)} left" if left >= 0 else f"{spoken(-left)} over the budget"
    return f"trial {trial.number} {trial.state}{score} ({how}); {ahead}"


def say(sentence: str) -> None:
    """One line on stderr."""
    print(f"search: {sentence}", file=sys.stderr, flush=True)
