"""What a report is made from: everything one run found out, gathered in one value.

Rooms above this one (data checks, export, monitoring) hand in their own records; the protocols say which of their
fields the report reads. What a run did not reach stays `None`, and the top of the page says how far it came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from inspection.config import RunConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.classifiers import Classifiers
from inspection.evaluation.explanations import Explanations
from inspection.evaluation.gate import GateVerdict
from inspection.evaluation.latency import Latency
from inspection.evaluation.metrics import Evaluation
from inspection.evaluation.representation import SelfSupervisionGain
from inspection.evaluation.representation_maps import FeatureMaps
from inspection.evaluation.searched import Searched
from inspection.learning_config import StudentConfig
from inspection.reporting.certified import CertificateTable
from inspection.reporting.watched import Drift


class Check(Protocol):
    """One question asked of the data: `count` offenders, some in `rows`; `error` when it could not be asked."""

    @property
    def name(self) -> str: ...
    @property
    def passed(self) -> bool: ...
    @property
    def observed(self) -> str: ...
    @property
    def limit(self) -> str: ...
    @property
    def advice(self) -> str: ...
    @property
    def rows(self) -> Sequence[str]: ...
    @property
    def severity(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def error(self) -> str | None: ...


class DataGate(Protocol):
    """The answer of the gate on the data."""

    @property
    def passed(self) -> bool: ...
    @property
    def results(self) -> Sequence[Check]: ...


class Pair(Protocol):
    """Two images found to show the same thing, and how surely (1 = the same pixels)."""

    @property
    def path_a(self) -> str: ...
    @property
    def path_b(self) -> str: ...
    @property
    def score(self) -> float: ...


class Duplicates(Protocol):
    """Exact copies, near-copies, and the groups that both make; `groups` come largest first, none of them single."""

    @property
    def images(self) -> int: ...
    @property
    def exact_groups(self) -> Sequence[Sequence[str]]: ...
    @property
    def pairs(self) -> Sequence[Pair]: ...
    @property
    def groups(self) -> Sequence[Sequence[str]]: ...


class Leak(Protocol):
    """A test image and the image in train that gives it away."""

    @property
    def test_path(self) -> str: ...
    @property
    def train_path(self) -> str: ...


class Leaks(Protocol):
    """Share of test images with a near-duplicate in train: this split, and a random one; 0..1."""

    @property
    def rate(self) -> float: ...
    @property
    def random_rate(self) -> float: ...
    @property
    def examples(self) -> Sequence[Leak]: ...


class FeatureTable(Protocol):
    """The backbone's features, one row per image id; float32 (N, D)."""

    @property
    def image_ids(self) -> Sequence[str]: ...
    @property
    def matrix(self) -> npt.NDArray[np.floating[Any]]: ...


class Scores(Protocol):
    """How validation images were answered; `loss` in nats."""

    @property
    def accuracy(self) -> float: ...
    @property
    def macro_f1(self) -> float: ...
    @property
    def balanced_accuracy(self) -> float: ...
    @property
    def loss(self) -> float: ...


class Head(Protocol):
    """One teacher head that was tried."""

    @property
    def head(self) -> str: ...
    @property
    def held_out(self) -> Scores: ...
    @property
    def chosen(self) -> bool: ...


class Epoch(Protocol):
    """One pass over the training images: the loss learned from, its three parts, and how validation went."""

    @property
    def epoch(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def loss_labels(self) -> float: ...
    @property
    def loss_logits(self) -> float: ...
    @property
    def loss_features(self) -> float: ...
    @property
    def validation(self) -> Scores: ...


class Training(Protocol):
    """How the student learned; `resumed_from` is the step an interrupted run went on from.

    `remarks`: sentences on what went otherwise than asked for, such as halved batches.
    """

    @property
    def history(self) -> Sequence[Epoch]: ...
    @property
    def best_epoch(self) -> int: ...
    @property
    def resumed_from(self) -> int | None: ...
    @property
    def remarks(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class RunReport:
    """One run, from files to verdict. Only the first four fields are needed; a run that stopped early has no more.

    `index`: all rows, quarantined ones included. `latencies`: by ``teacher`` and ``student``. `heads`: teacher heads
    tried. `provenance`: hashes, versions, licences; may be nested. `stopped`: the sentence of the error that ended the
    run early. `command`, `next_command`: what made this, and what to type next.
    """

    name: str
    created: datetime
    config: RunConfig
    index: ImageIndex
    checks: DataGate | None = None
    duplicates: Duplicates | None = None
    leaks: Leaks | None = None
    features: FeatureTable | None = None
    gain: SelfSupervisionGain | None = None
    """What fine-tuning the backbone without labels gained; None where it was not done. `maps` shows it."""
    maps: FeatureMaps | None = None
    heads: Sequence[Head] = ()
    searched: Searched | None = None
    training: Training | None = None
    teacher: Evaluation | None = None
    student: Evaluation | None = None
    classifiers: Classifiers | None = None
    explanations: Explanations | None = None
    latencies: Mapping[str, Latency] = field(default_factory=dict)
    certificate: CertificateTable | None = None
    gate: GateVerdict | None = None
    drift: Drift | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    next_command: str = ""
    stopped: str = ""

    @property
    def recipe(self) -> StudentConfig:
        """What the student was trained with: the config's, or what a search found."""
        return self.searched.recipe if self.searched else self.config.student
