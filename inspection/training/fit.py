"""Lightning's loop around the module, quiet, without its own files."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import lightning as L
import torch
from torch.utils.data import DataLoader

from inspection.progress import bar
from inspection.training.journal import Journal
from inspection.training.module import Distillation
from inspection.training.stream import EpochStream, Plan

CLIP = 1.0
"""Norm of the gradient, at most: a rare class with a large weight must not throw the student off."""


def fit(module: Distillation, plan: Plan, journal: Journal, device: torch.device) -> None:
    """Train from where the journal stands to the end; the process's random state is left as it was."""
    journal.restore(module)
    epochs_left = module.config.epochs - module.step // plan.steps_per_epoch
    if journal.progress.stopped or epochs_left == 0:
        return
    module.student.to(memory_format=torch.channels_last)
    module.average.to(memory_format=torch.channels_last)
    stream = EpochStream(plan, lambda: module.step)
    steps_left = module.lesson.total_steps - module.step
    with _quiet_lightning(), torch.random.fork_rng(), bar("student", steps_left) as advance:
        journal.advance = advance
        trainer = _trainer(journal, epochs_left, device)
        module.train()  # Lightning leaves the modes as it finds them
        try:
            trainer.fit(module, DataLoader(stream, batch_size=None))
        except SystemExit as ended:  # so Lightning answers Ctrl-C
            raise KeyboardInterrupt from ended


def _trainer(journal: Journal, epochs: int, device: torch.device) -> L.Trainer:
    gpu = device.type == "cuda"
    return L.Trainer(
        accelerator="gpu" if gpu else "cpu",
        devices=1,
        precision=_precision(device),
        max_epochs=epochs,
        callbacks=[journal],
        logger=False,
        enable_checkpointing=False,  # Lightning's own are pickles
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        gradient_clip_val=CLIP,
        deterministic="warn" if gpu else None,
        default_root_dir=str(journal.habits.folder),
    )


def _precision(device: torch.device) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
    """Half precision where the GPU has it in hardware; a CPU trains in float32, the same everywhere."""
    if device.type != "cuda":
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """No banners and no advice about workers and loggers: the progress bar is ours."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
