"""A backbone fine-tuned on the training images without labels, killed and resumed at will, written as a weights file.

Covered: only files of the train split teach; validation files are read for the curve of nearest neighbours (and, with
`keep: best`, choose the epoch); test files are never opened. SIGKILL at any moment; the same call goes on from the
last epoch's end and ends with the same numbers. Not covered: several GPUs; going on with another config.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file

from deploy.edge.files import canonical_json, sha256_bytes, sha256_file, written_aside
from deploy.edge.spec import Preprocessing
from inspection.data.index import ImageIndex
from inspection.errors import DataError, Refused
from inspection.features.device import resolve_device, use_own_cores
from inspection.features.weights import Network, packed
from inspection.learning_config import SelfSupervisionConfig, TeacherConfig
from inspection.records import Record
from inspection.training.checkpoint import CHECKPOINT, Tensors, load_checkpoint
from inspection.training.pixels import open_pixels
from inspection.training.self_supervision_health import TuningEpoch
from inspection.training.stream import Plan

if TYPE_CHECKING:
    from inspection.training.self_supervision_check import Labelled
    from inspection.training.self_supervision_loop import Loop, Material

RECIPE = "self-supervision v1"
"""Part of every run's key: change it when a saved run must not be continued by newer code."""
WEIGHTS = "backbone.safetensors"
LAST_GOOD = "last_good.safetensors"
RESULT = "tuned.json"
STOPPED = "stopped.json"


@dataclass(frozen=True)
class TunedBackbone(Record):
    """A finished tuning: `teacher.weights` may name `weights` from here on."""

    weights: Path
    key: str
    backbone: str
    method: str
    started_from: str
    """`none`, a hub id, or the file's name."""
    licence: str
    """Of the weights as written."""
    images: int
    parameters: int
    """Of the backbone; `learned` of them were trained."""
    learned: int
    history: tuple[TuningEpoch, ...]
    """From epoch 0, the start."""
    kept_epoch: int
    resumed_from: int | None
    """The step of the checkpoint that the last process began with; null if it began at the start."""


@dataclass(frozen=True)
class StoppedTuning(Record):
    """A tuning that collapsed: said again at once when it is asked for again."""

    key: str
    reason: str


@dataclass(frozen=True, eq=False)
class _Rows:
    """Images of one split, sorted by content: ids, files, class numbers (-1: none)."""

    image_ids: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: npt.NDArray[np.int64]


def tuning_key(
    index: ImageIndex, teacher: TeacherConfig, config: SelfSupervisionConfig, *, seed: int
) -> str:
    """Content address of a tuning: equal keys mean equal weights and an equal curve."""
    parts = [
        [*zip(rows.image_ids, rows.labels.tolist(), strict=True)]
        for rows in (_rows(index, "train"), _rows(index, "val"))
    ]
    path = Path(teacher.weights)
    weights = sha256_file(path) if path.is_file() else teacher.weights
    start = [teacher.backbone, weights, teacher.pad_same, teacher.image_size]
    document = [RECIPE, config.model_dump(mode="json"), start, list(index.classes), parts, seed]
    return sha256_bytes(canonical_json(document))


def tune_backbone(
    index: ImageIndex,
    teacher: TeacherConfig,
    config: SelfSupervisionConfig,
    *,
    seed: int,
    folder: Path,
    device: str = "auto",
) -> TunedBackbone:
    """Tune into `folder`, going on from what a killed call left there; Refused when the representation collapses."""
    use_own_cores()
    key = tuning_key(index, teacher, config, seed=seed)
    if (finished := _finished(folder, key)) is not None:
        return finished
    # timm and lightly take seconds to import: only a backbone that has to learn pays them.
    from inspection.training.self_supervision_loop import Loop
    from inspection.training.self_supervision_networks import open_pair

    pair = open_pair(teacher, config, seed=seed)
    material = _material(index, teacher, config, seed)
    where = resolve_device(device)
    loop = Loop(pair, material, config, seed=seed, folder=folder, key=key, device=where)
    saved = load_checkpoint(folder, key)
    if saved is not None:
        loop.restore(saved)
    try:
        loop.run()
    except Refused as stopped:
        raise _stopped(folder, key, loop, str(stopped)) from stopped
    return _write(folder, key, teacher, loop, int(saved.facts["step"]) if saved else None)


def _finished(folder: Path, key: str) -> TunedBackbone | None:
    """The result of an earlier call, if it was the same one; Refused again if that one collapsed."""
    if (folder / STOPPED).is_file():
        stopped = StoppedTuning.load(folder / STOPPED)
        if stopped.key == key:
            raise Refused(stopped.reason)
    if not (folder / RESULT).is_file():
        return None
    result = TunedBackbone.load(folder / RESULT)
    weights = folder / WEIGHTS
    return replace(result, weights=weights) if result.key == key and weights.is_file() else None


def _stopped(folder: Path, key: str, loop: Loop, fault: str) -> Refused:
    """Keep the last good weights, and the sentence for the next time."""
    _write_weights(folder / LAST_GOOD, loop.good, loop)
    reason = f"{fault} (the last good weights are in '{folder / LAST_GOOD}')"
    StoppedTuning(key, reason).save(folder / STOPPED)
    return Refused(reason)


def _write(
    folder: Path, key: str, teacher: TeacherConfig, loop: Loop, resumed_from: int | None
) -> TunedBackbone:
    """Weights first, then the result that vouches for them, then the checkpoint may go."""
    best = loop.config.keep == "best" and bool(loop.best)
    kept = loop.best if best else loop.final()
    licence = _write_weights(folder / WEIGHTS, kept, loop)
    student = loop.pair.student.network
    result = TunedBackbone(
        weights=folder / WEIGHTS,
        key=key,
        backbone=teacher.backbone,
        method=loop.config.method,
        started_from=loop.pair.start.source,
        licence=licence,
        images=loop.material.plan.images,
        parameters=sum(each.numel() for each in student.parameters()),
        learned=sum(each.numel() for each in student.parameters() if each.requires_grad),
        history=tuple(loop.history),
        kept_epoch=loop.best_epoch if best else loop.config.epochs,
        resumed_from=resumed_from,
    )
    result.save(folder / RESULT)
    for old in (
        CHECKPOINT,
        STOPPED,
        LAST_GOOD,
    ):  # of this run, or of an earlier one with another key
        (folder / old).unlink(missing_ok=True)
    return result


def _write_weights(path: Path, tensors: Tensors, loop: Loop) -> str:
    """A file that `features/weights.py` reads back as it reads any; the licence it carries."""
    facts = _facts(loop.pair.start, loop.config.method)
    with written_aside(path) as aside:
        save_file(tensors, aside, metadata=packed(facts))
    return facts["license"]


def _facts(start: Network, method: str) -> dict[str, str]:
    """What the file says of itself: how it pads and normalises, where it came from, under which licence."""
    facts = {
        "license": f"{start.licence}; tuned on own images by self-supervision ({method})",
        "source": f"{start.source}, tuned",
        "mean": ",".join(str(value) for value in start.mean),
        "std": ",".join(str(value) for value in start.std),
    }
    return {**facts, "pad_type": "same"} if start.pad_same else facts


def _rows(index: ImageIndex, split: str) -> _Rows:
    """The usable rows of `split`, labelled or not; few or none is for the caller to judge."""
    frame = index.split(split).frame.sort_values(["image_id", "path"])
    number = {name: place for place, name in enumerate(index.classes)}
    return _Rows(
        image_ids=tuple(str(name) for name in frame["image_id"]),
        paths=tuple(index.root / str(path) for path in frame["path"]),
        labels=np.array([number.get(label, -1) for label in frame["label"]], dtype=np.int64),
    )


def _material(
    index: ImageIndex, teacher: TeacherConfig, config: SelfSupervisionConfig, seed: int
) -> Material:
    from inspection.training.self_supervision_check import Checks
    from inspection.training.self_supervision_loop import Material

    train, val = _rows(index, "train"), _rows(index, "val")
    if not train.paths:
        raise DataError(
            "the train split holds no images: split the index first, or add images (split.train)"
        )
    plan = Plan(len(train.paths), config.batch_size, seed)
    gallery = _labelled(train, teacher, "training")
    asked = bool((train.labels >= 0).any() and (val.labels >= 0).any())
    queries = _labelled(val, teacher, "validation") if asked else None
    return Material(gallery.pixels, plan, Checks(len(train.paths), gallery, queries))


def _labelled(rows: _Rows, teacher: TeacherConfig, what: str) -> Labelled:
    from inspection.training.self_supervision_check import Labelled

    side = teacher.image_size
    pixels = open_pixels(rows.paths, Preprocessing(side, side, "stretch"), what=what)
    known = np.flatnonzero(rows.labels >= 0)
    return Labelled(pixels, torch.from_numpy(known), rows.labels[known])
