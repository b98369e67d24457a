"""Lightning's loop around the module, quiet, without its own files."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from inspection.errors import ConfigError
from inspection.progress import bar
from inspection.training.crew import Crew, Seat, joined
from inspection.training.journal import Journal
from inspection.training.mishaps import Diverged, is_memory_full
from inspection.training.module import Distillation
from inspection.training.pixels import ReadAhead
from inspection.training.strategy import leaves_some_out
from inspection.training.stream import EpochStream, Plan

CLIP = 1.0
"""Norm of the gradient, at most: a rare class with a large weight must not throw the student off."""


def fit(
    module: Distillation,
    plan: Plan,
    journal: Journal,
    device: torch.device,
    crew: Crew | None = None,
) -> None:
    """Train from where the journal stands to the end; the process's random state is left as it was.

    Where memory is full, the epoch starts again with half as many images at a time, in batches of the same size. Where
    the loss is no longer a number, the best student so far is what is left. With a `crew`, other processes take their
    shares of each batch.
    """
    journal.begin(module)
    _last_channels(module)
    try:
        while not _went_through(module, plan, journal, device, crew):
            _halve(module, journal)
            journal.rewind(module)
    except Diverged as error:
        journal.diverged(error, module.config.learning_rate)


def take_part(
    module: Distillation, plan: Plan, journal: Journal, device: torch.device, seat: Seat
) -> None:
    """What another process of a crew does: the same from the same checkpoint on its own share, writing nothing."""
    journal.begin(module)
    _last_channels(module)
    _train(module, plan, journal, device, seat)


def _last_channels(module: Distillation) -> None:
    module.student.to(memory_format=torch.channels_last)
    module.average.to(memory_format=torch.channels_last)


def _halve(module: Distillation, journal: Journal) -> None:
    """Half as many images at a time; ConfigError when that would be one."""
    now, batch = module.at_once, module.config.batch_size
    if now < 4:
        raise ConfigError(
            [
                f"student.batch_size: memory is full even with {now} images of "
                f"{module.config.image_size} px at a time: use a smaller image_size or architecture"
            ]
        )
    module.at_once = now // 2
    journal.remark(
        f"memory is full with {now} images at a time: going on with {module.at_once}, in batches of {batch} as before"
    )
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _went_through(
    module: Distillation,
    plan: Plan,
    journal: Journal,
    device: torch.device,
    crew: Crew | None,
) -> bool:
    """Train to the end; false when memory was full on the way, here or in a process of the crew."""
    if journal.progress.stopped or module.step == module.lesson.total_steps:
        return True
    try:
        if crew is None:
            _train(module, plan, journal, device, None)
        else:
            with crew.at_work(module.at_once) as seat:
                _train(module, plan, journal, device, seat)
    except (RuntimeError, MemoryError) as error:
        if not is_memory_full(error):
            raise
        return False
    return True


def _train(
    module: Distillation, plan: Plan, journal: Journal, device: torch.device, seat: Seat | None
) -> None:
    module.sit_at(*(seat.rank, seat.world) if seat else (0, 1))
    epochs_left = module.config.epochs - module.step // plan.steps_per_epoch
    pixels = module.lesson.pixels
    announce = pixels.announce if isinstance(pixels, ReadAhead) else None
    stream = EpochStream(plan, lambda: module.step, announce)
    steps_left = module.lesson.total_steps - module.step
    with _quiet_lightning(), torch.random.fork_rng(), bar("student", steps_left) as advance:
        journal.advance = advance
        trainer = _trainer(module, journal, epochs_left, device, seat)
        module.train()  # Lightning leaves the modes as it finds them
        try:
            trainer.fit(module, DataLoader(stream, batch_size=None))
        except SystemExit as ended:  # so Lightning answers Ctrl-C
            raise KeyboardInterrupt from ended


def _trainer(
    module: Distillation, journal: Journal, epochs: int, device: torch.device, seat: Seat | None
) -> L.Trainer:
    gpu = device.type == "cuda"
    strategy: DDPStrategy | Literal["auto"] = "auto"
    if seat is not None:
        left_out = leaves_some_out(module.student, module.config.image_size)
        strategy = joined(seat, device, some_left_out=left_out)
    return L.Trainer(
        accelerator="gpu" if gpu else "cpu",
        devices=seat.devices if seat else 1,
        num_nodes=seat.nodes if seat else 1,
        strategy=strategy,
        # Batch norm over the whole batch; torch has it for GPUs only.
        sync_batchnorm=gpu and seat is not None,
        use_distributed_sampler=False,
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
