"""The teacher: both heads fitted on cached features, the one that held-out images prefer kept.

Held out are the validation images, and each training image from a head fitted without its group: with a handful of
parts per defect class, the validation images alone would choose by luck.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from inspection.data.index import ImageIndex
from inspection.features.device import use_own_cores
from inspection.features.extract import Features
from inspection.learning_config import TeacherConfig
from inspection.models.heads import Head, HeadKind, Matrix, Teacher
from inspection.progress import bar
from inspection.records import Record
from inspection.training.heads import SETTINGS, Examples, head_path
from inspection.training.labels import Rows, learnable_classes, rows_of
from inspection.training.scores import Score, score

FOLDS = 4

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HeadScore(Record):
    """A kind of head at its best setting (L2 penalty, or steps), on validation images and on all held-out ones."""

    head: str
    setting: float
    validation: Score
    held_out: Score
    parameters: int
    chosen: bool


@dataclass(frozen=True, eq=False)
class TeacherResult:
    """The teacher, how each kind of head that was tried did, and those that were not chosen, at their best."""

    teacher: Teacher
    heads: tuple[HeadScore, ...]
    others: tuple[Teacher, ...] = ()

    def of_kind(self, kind: HeadKind) -> Teacher | None:
        """The teacher with this kind of head; None where it was not tried."""
        every = (self.teacher, *self.others)
        return next((each for each in every if each.head.kind == kind), None)


@dataclass(frozen=True, eq=False)
class _Candidate:
    head: Head
    setting: float
    validation: Score
    held_out: Score


def train_teacher(
    index: ImageIndex, features: Features, config: TeacherConfig, *, seed: int
) -> TeacherResult:
    """Fit the heads `config.head` allows on the train split, choose and calibrate on held-out images."""
    use_own_cores()
    classes = learnable_classes(index)
    train, val = rows_of(index, "train", classes), rows_of(index, "val", classes)
    kinds: tuple[HeadKind, ...] = ("linear", "mlp") if config.head == "auto" else (config.head,)
    folds = _folds(train, seed)
    tried = []
    with bar("teacher heads", len(kinds) * (len(folds) + 1)) as advance:
        for kind in kinds:
            bench = _Bench(kind, features, train, val, len(classes), seed)
            tried.append(bench.best(folds, lambda: advance("")))
    winner = tried[0]
    for candidate in tried[1:]:  # a tie goes to the simpler head
        winner = candidate if candidate.held_out.beats(winner.held_out) else winner
    made = {
        id(each): Teacher(features.backbone, each.head, classes, each.held_out.temperature)
        for each in tried
    }
    teacher = made.pop(id(winner))
    scores = tuple(_score_of(each, each is winner) for each in tried)
    return TeacherResult(teacher, scores, tuple(made.values()))


@dataclass(frozen=True, eq=False)
class _Bench:
    """One kind of head, and the images to try it on."""

    kind: HeadKind
    features: Features
    train: Rows
    val: Rows
    num_classes: int
    seed: int

    def best(self, folds: list[tuple[Labels, Labels]], advance: Callable[[], None]) -> _Candidate:
        """The setting that does best on held-out images, fitted on all training images."""
        matrix = self.features.rows(self.train.image_ids)
        seen_last = self.features.rows(self.val.image_ids)
        settings = SETTINGS[self.kind]
        shape = (len(settings), len(self.train), self.num_classes)
        out_of_fold = np.zeros(shape, dtype=np.float32)
        for inside, outside in folds:
            for place, head in enumerate(self._path(matrix, inside)):
                out_of_fold[place, outside] = head.logits(matrix[outside])
            advance()
        best: _Candidate | None = None
        everything = np.arange(len(self.train))
        for place, head in enumerate(self._path(matrix, everything)):
            candidate = self._candidate(head, settings[place], seen_last, out_of_fold[place])
            if best is None or candidate.held_out.beats(best.held_out):
                best = candidate
        advance()
        assert best is not None  # no path is empty
        return best

    def _path(self, matrix: Matrix, rows: Labels) -> Iterator[Head]:
        examples = Examples(matrix[rows], self.train.labels[rows], self.num_classes)
        return head_path(self.kind, examples, seed=self.seed)

    def _candidate(
        self, head: Head, setting: float, val_matrix: Matrix, out_of_fold: Matrix
    ) -> _Candidate:
        logits = head.logits(val_matrix)
        labels = np.concatenate([self.train.labels, self.val.labels])
        held_out = score(np.concatenate([out_of_fold, logits]), labels)
        return _Candidate(head, setting, score(logits, self.val.labels), held_out)


def _folds(train: Rows, seed: int) -> list[tuple[Labels, Labels]]:
    """Grouped, stratified (inside, outside) positions; as many folds as the rarest class has images, at most."""
    rarest = int(np.bincount(train.labels)[np.unique(train.labels)].min())
    count = max(2, min(FOLDS, rarest, len(set(train.groups))))
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class of one image has no second fold to be in; its head is then tried without it.
        warnings.filterwarnings("ignore", message="The least populated class")
        return list(splitter.split(train.labels, train.labels, groups=train.groups))


def _score_of(candidate: _Candidate, chosen: bool) -> HeadScore:
    head = candidate.head
    return HeadScore(
        head=head.kind,
        setting=candidate.setting,
        validation=candidate.validation,
        held_out=candidate.held_out,
        parameters=head.parameters,
        chosen=chosen,
    )
