"""Which labels are wrong: one queue for people, the dearest mistakes first.

Covered: contradictions between copies, labels against boxes, boxes against masks, and, with embeddings, what models say
that never saw the label in question. The order is a cost model: contradictions first (facts, and the gate sets such
images aside until somebody decides), then by expected gain, the probability of a wrong label times the weight of its
class; a rare class weighs more, since each of its images does. The same images give the same queue in any order of
rows. Not covered: images without a label; anything about labels where there are no embeddings, which is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_checks.embeddings import EmbeddingTable, rows_for
from data_checks.label_consistency import CONTRADICTED, Finding, consistency
from data_checks.label_decisions import LABEL_SOURCE
from data_checks.label_probe import FEWEST_GROUPS, Ints, neighbours_of
from data_checks.label_suspicion import Suspicion, suspicion
from inspection.data.grouping import group_numbers
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.records import Record
from inspection.reporting.wording import count

MODEL_KINDS = ("probe", "neighbours", "confident_learning")
"""Evidence that needs embeddings; the other kinds are contradictions and consistency."""
DOUBTFUL = 0.5
"""Probability of a wrong label from which an image is shown even if cleanlab would pass it."""
WEIGHTS = (0.5, 2.0)
"""What an image of a common and of a rare class can weigh."""


@dataclass(frozen=True)
class Suspect(Record):
    """One image to look at. `score`: probability (0..1) that something is wrong with its label, boxes or mask.

    `kinds`: label_conflict, box_conflict, copy_conflict, box_class, box_mask, probe, neighbours, confident_learning.
    `gain`: `score` times the weight of the class. `suggested` is null where nothing better is known.
    """

    path: str
    given: str | None
    suggested: str | None
    kinds: tuple[str, ...]
    score: float
    gain: float
    sentence: str


@dataclass(frozen=True)
class LabelAudit(Record):
    """The queue, and how it came about: `images` usable ones, `judged` those whose label models could judge.

    `notes` say what could not be asked, and why.
    """

    images: int
    judged: int
    classes: tuple[str, ...]
    queue: tuple[Suspect, ...]
    notes: tuple[str, ...]
    seed: int

    @property
    def kinds(self) -> dict[str, int]:
        """How many entries each kind of evidence speaks in."""
        return dict(Counter(kind for one in self.queue for kind in one.kinds).most_common())

    @property
    def sentence(self) -> str:
        """The finding in one line."""
        share = f"{len(self.queue):,} of {count(self.images, 'image')} to look at"
        said = f"{share}, {count(self.judged, 'label')} judged by models"
        return f"{said}; {'; '.join(self.notes)}" if self.notes else said


def audit_labels(
    index: ImageIndex,
    embeddings: EmbeddingTable | Sequence[EmbeddingTable] | None,
    *,
    seed: int,
) -> LabelAudit:
    """Everything that speaks against a label of `index`, as one queue.

    `embeddings`: one table, or several views of the same images (other sizes, other networks); without them only
    consistency is checked. DataError when a table does not hold every usable, labelled image.
    """
    usable = index.usable()
    if len(usable) == 0:
        raise DataError("no image is usable, so there is nothing to audit: look at the quarantine")
    found = consistency(index)
    judged, notes = _judgeable(usable, embeddings is not None)
    if len(judged):
        found += _model_findings(judged, _tables(embeddings), seed)
    looked_at = set(usable.frame.loc[usable.frame["label_source"] == LABEL_SOURCE, "path"])
    if looked_at:
        notes.append(f"{count(len(looked_at), 'label')} decided by people before, not asked again")
        found = [one for one in found if one.kind in CONTRADICTED or one.path not in looked_at]
    return LabelAudit(
        images=len(usable),
        judged=len(judged),
        classes=usable.classes,
        queue=_queue(index, found),
        notes=tuple(notes),
        seed=seed,
    )


def judge(index: ImageIndex, tables: Sequence[EmbeddingTable], *, seed: int) -> Suspicion:
    """What models hold against each label of `index`, in its order of rows.

    All rows need a label, and each class `FEWEST_GROUPS` independent groups.
    """
    frame = index.frame
    order = np.argsort(frame["path"].to_numpy(dtype=str), kind="stable")
    ordered = index.where(order)
    labels: Ints = np.searchsorted(index.classes, ordered.frame["label"].to_numpy(dtype=str))
    views = [rows_for(table, ordered) for table in tables]
    groups = group_numbers(ordered.frame)
    found = suspicion(views, labels, len(index.classes), groups, seed=seed)
    back = np.argsort(order)
    return Suspicion(
        found.probe[back],
        found.votes[back],
        found.pooled[back],
        found.noise,
        found.wrong[back],
        found.issues[back],
    )


def _tables(
    embeddings: EmbeddingTable | Sequence[EmbeddingTable] | None,
) -> Sequence[EmbeddingTable]:
    if embeddings is None:
        return ()
    return embeddings if isinstance(embeddings, Sequence) else (embeddings,)


def _judgeable(usable: ImageIndex, embedded: bool) -> tuple[ImageIndex, list[str]]:
    """The images whose labels models can judge, and why others cannot be."""
    labelled = usable.where(usable.frame["label"].notna())
    nobody = usable.where([False] * len(usable))
    notes = []
    if without := len(usable) - len(labelled):
        notes.append(f"{count(without, 'image')} without a label")
    if not embedded:
        return nobody, [*notes, "no embeddings were given, so only consistency was checked"]
    groups = pd.Series(group_numbers(labelled.frame)).groupby(labelled.frame["label"]).nunique()
    few = [str(name) for name, several in groups.items() if several < FEWEST_GROUPS]
    if few:
        notes.append(
            f"classes with fewer than {FEWEST_GROUPS} independent images are not judged: {', '.join(few)}"
        )
    enough = labelled.where(~labelled.frame["label"].isin(few))
    if len(enough.classes) < 2:
        return nobody, [*notes, "models need two classes to choose from"]
    return enough, notes


def _model_findings(
    judged: ImageIndex, tables: Sequence[EmbeddingTable], seed: int
) -> list[Finding]:
    found = judge(judged, tables, seed=seed)
    names = judged.classes
    shown = np.flatnonzero(found.issues | (found.wrong >= DOUBTFUL))
    labels = np.searchsorted(names, judged.frame["label"].to_numpy(dtype=str))
    return [
        finding
        for row in shown
        for finding in _row_findings(
            str(judged.frame["path"].iloc[row]), int(labels[row]), int(row), names, found
        )
    ]


def _row_findings(
    path: str, given: int, row: int, names: Sequence[str], found: Suspicion
) -> list[Finding]:
    """One finding per kind of evidence; all carry the one score that the models came to together."""
    score = float(found.wrong[row])
    best = int(found.suggested[row])
    suggested = names[best] if best != given else None
    pooled, votes = found.pooled[row], found.votes[row]
    said = f"models that never saw this label say '{names[best]}' ({min(pooled[best], 0.99):.0%})"
    against = f", and '{names[given]}' with {pooled[given]:.0%}" if suggested else ""
    kinds = []
    if suggested:
        kinds.append(("probe", said + against))
    if int(votes.argmax()) != given:
        nearest = int(votes.argmax())
        words = f"{votes[nearest]:.0%} of the {neighbours_of(len(found.wrong))} nearest images are '{names[nearest]}'"
        kinds.append(("neighbours", words))
    if found.issues[row]:
        kinds.append(("confident_learning", "" if suggested else said))
    return [Finding(path, kind, score, suggested, words) for kind, words in kinds]


def _queue(index: ImageIndex, findings: Sequence[Finding]) -> tuple[Suspect, ...]:
    by_path: dict[str, list[Finding]] = {}
    for one in findings:
        by_path.setdefault(one.path, []).append(one)
    labels = dict(zip(index.frame["path"], index.frame["label"], strict=True))
    weights = _weights(index)
    found = [_suspect(path, labels[path], by_path[path], weights) for path in by_path]
    return tuple(sorted(found, key=_place))


def _place(one: Suspect) -> tuple[bool, float, str]:
    return not set(one.kinds) & set(CONTRADICTED), -one.gain, one.path


def _suspect(
    path: str, label: object, findings: Sequence[Finding], weights: dict[str, float]
) -> Suspect:
    given = label if isinstance(label, str) else None
    # The models speak with one voice, however many kinds of evidence they show; other kinds are independent of them.
    voices = {
        "models" if one.kind in MODEL_KINDS else one.kind: min(1.0, one.score) for one in findings
    }
    score = 1.0 - float(np.prod([1.0 - voice for voice in voices.values()]))
    suggested = next((one.suggested for one in findings if one.suggested is not None), None)
    words = "; ".join(one.sentence for one in findings if one.sentence)
    return Suspect(
        path=path,
        given=given,
        suggested=suggested,
        kinds=tuple(one.kind for one in findings),
        score=round(score, 4),
        gain=round(score * weights.get(given or "", 1.0), 4),
        sentence=words[:1].upper() + words[1:],
    )


def _weights(index: ImageIndex) -> dict[str, float]:
    """Root of mean class size over class size, within `WEIGHTS`."""
    counts = index.usable().frame["label"].value_counts()
    mean = float(counts.mean()) if len(counts) else 1.0
    return {
        str(name): float(np.clip(np.sqrt(mean / size), *WEIGHTS)) for name, size in counts.items()
    }
