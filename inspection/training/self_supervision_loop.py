"""The loop of self-distillation: draws are functions of the seed and the step; an epoch's end can be resumed."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightly.models.utils import update_momentum
from lightly.utils.scheduler import cosine_schedule
from torch import nn

from inspection.errors import Refused
from inspection.learning_config import SelfSupervisionConfig
from inspection.losses.self_supervision import PatchOutputs, SelfDistillationLoss
from inspection.progress import Advance, bar
from inspection.training.augment import generator_for
from inspection.training.checkpoint import (
    Checkpoint,
    Tensors,
    named,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from inspection.training.pixels import PixelSource
from inspection.training.self_supervision_check import Checks, check
from inspection.training.self_supervision_crops import Views, mask_blocks, show
from inspection.training.self_supervision_health import (
    Pulse,
    TuningEpoch,
    Watch,
    entropy,
    information,
    mean_pulse,
    spread,
)
from inspection.training.self_supervision_networks import Pair
from inspection.training.stream import Plan

FINAL_RATE = 0.01
"""Share of the learning rate at the last step."""


@dataclass(frozen=True, eq=False)
class Material:
    """What is learned from: pixels, and which make up which batch; and what it is checked with."""

    pixels: PixelSource
    plan: Plan
    checks: Checks


class Schedule(NamedTuple):
    """Settings of one step."""

    learning_rate: float
    momentum: float
    temperature: float


class Loop:
    """Trains `pair.student`; `pair.teacher` follows it and is what is kept."""

    def __init__(
        self,
        pair: Pair,
        material: Material,
        config: SelfSupervisionConfig,
        *,
        seed: int,
        folder: Path,
        key: str,
        device: torch.device,
    ) -> None:
        self.pair = pair
        self.material = material
        self.config = config
        self.seed = seed
        self.folder = folder
        self.key = key
        self.device = device
        self.views = Views.of(config, pair.large, pair.small)
        self.loss = SelfDistillationLoss(
            config.outputs,
            student_temperature=config.student_temperature,
            centre_momentum=config.centre_momentum,
            patch_weight=config.patch_weight,
        ).to(device)
        for branch in (pair.student, pair.teacher):
            branch.to(device).to(memory_format=torch.channels_last)
        self.optimizer = _optimizer(pair.student, config)
        self.total_steps = material.plan.steps_per_epoch * config.epochs
        grace = max(round(config.warm_up * self.total_steps), material.plan.steps_per_epoch)
        self.watch = Watch(config, first_step=grace)
        self.step = 0
        self.history: list[TuningEpoch] = []
        self.good = self.final()
        """The teacher's backbone at the last epoch end without a warning."""
        self.best: Tensors = {}
        self.best_epoch = 0

    def restore(self, saved: Checkpoint) -> None:
        """Put a saved state back."""
        self.pair.student.load_state_dict(saved.part("student"))
        self.pair.teacher.load_state_dict(saved.part("teacher"))
        self.loss.load_state_dict(saved.part("loss"))
        restore_optimizer(self.optimizer, saved.part("optimizer"))
        self.good = saved.part("good")
        self.best = saved.part("best")
        self.best_epoch = int(saved.facts["best_epoch"])
        self.step = int(saved.facts["step"])
        self.watch.streak = int(saved.facts["streak"])
        self.history = [
            TuningEpoch.from_json(json.dumps(epoch).encode()) for epoch in saved.facts["history"]
        ]

    def run(self) -> None:
        """Train to the end; Refused, with `good` as it last was, when the representation collapses."""
        if not self.history:
            self.history.append(self._noted(0, None))
        steps = self.total_steps - self.step
        with torch.random.fork_rng(), bar("self-supervision", max(1, steps)) as advance:
            for epoch in range(len(self.history), self.config.epochs + 1):
                pulse = self._epoch(epoch, advance)
                self.history.append(self._noted(epoch, pulse))
                self._save()

    def schedule(self, step: int) -> Schedule:
        """Rates: linear climb, then half a cosine. Momentum: half a cosine to 1. Temperature: linear climb."""
        share = step / max(1, self.total_steps)
        config = self.config
        warm = round(config.warm_up * self.total_steps)
        if step < warm:
            rate = config.learning_rate * (step + 1) / warm
        else:
            peak = config.learning_rate
            rate = cosine_schedule(step - warm, self.total_steps - warm, peak, FINAL_RATE * peak)
        climb = min(1.0, share / config.teacher_warm_up) if config.teacher_warm_up else 1.0
        cold, hot = config.teacher_temperature_start, config.teacher_temperature
        return Schedule(
            learning_rate=rate,
            momentum=cosine_schedule(step, self.total_steps, config.momentum, 1.0),
            temperature=cold + (hot - cold) * climb,
        )

    def _epoch(self, epoch: int, advance: Advance) -> Pulse:
        self.pair.set_modes()
        pulses = []
        for _, positions in self.material.plan.rest_of_epoch(self.step):
            pulse = self._learn(epoch, positions)
            if (fault := self.watch.fault(self.step, pulse)) is not None:
                raise Refused(fault)
            self.step += 1
            pulses.append(pulse)
            advance(f"epoch {epoch}, loss {pulse.loss:.3f}")
        return mean_pulse(pulses)

    def _learn(self, epoch: int, positions: torch.Tensor) -> Pulse:
        """One step of the student, and one of the teacher after it."""
        now = self.schedule(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = now.learning_rate
        total, pulse = self._compared(positions, now.temperature)
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.pair.student.parameters(), self.config.clip)
        self.pair.student.head.cancel_last_layer_gradients(epoch - 1)
        self.optimizer.step()
        update_momentum(self.pair.student, self.pair.teacher, now.momentum)
        return pulse

    def _compared(self, positions: torch.Tensor, temperature: float) -> tuple[torch.Tensor, Pulse]:
        """The loss of a batch, and how both networks are."""
        large, small, masks = self._views(positions)
        with self._precision():
            with torch.no_grad():
                teacher = self.pair.teacher(large, masks)
            student = self.pair.student(large, masks, hide=True)
            outputs = [*student.outputs.float().chunk(self.views.large.count)]
            if small is not None:
                local = self.pair.student(small).outputs.float()
                outputs += local.chunk(self.views.small.count)
        patches = None
        if masks is not None:
            patches = PatchOutputs(student.patches.float(), teacher.patches.float(), masks)
        told = teacher.outputs.float()
        beliefs = self.loss.beliefs(told, temperature)
        losses = self.loss(outputs, told.chunk(self.views.large.count), patches, temperature)
        said = torch.softmax(student.outputs.detach().float() / self.config.student_temperature, 1)
        pulse = Pulse(
            loss=float(losses.total.detach()),
            loss_patches=float(losses.patches.detach()),
            teacher_entropy=float(entropy(beliefs).mean()),
            student_entropy=float(entropy(said).mean()),
            information=information(beliefs),
            spread=spread(teacher.embedding),
        )
        return losses.total, pulse

    def _views(
        self, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Large crops, small ones if there are any, and masks of the large ones' patches if they are hidden."""
        generator = generator_for(self.seed, 3, self.step)
        images = self.material.pixels.take(positions).to(self.device)
        facts = (self.pair.start.mean, self.pair.start.std)
        views = self.views
        large = show(images, views.large, views.light, generator, facts)
        small = (
            show(images, views.small, views.light, generator, facts) if views.small.count else None
        )
        masks = None
        if self.config.method == "ibot":
            grid = views.large.side // self.pair.patch
            masks = mask_blocks(len(large), (grid, grid), self.config, generator).to(self.device)
        torch.manual_seed(int(generator.initial_seed() % 2**31))  # dropout draws globally
        return large, small, masks

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        """bfloat16 where a GPU has it; a CPU learns in float32, the same everywhere."""
        if self.device.type == "cuda" and torch.cuda.is_bf16_supported():
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def _noted(self, epoch: int, pulse: Pulse | None) -> TuningEpoch:
        """Check if it is time to, and keep what is worth keeping."""
        config = self.config
        now = self.schedule(max(0, self.step - 1))
        rank = knn = None
        if epoch in (0, config.epochs) or epoch % config.check_every_epochs == 0:
            rank, knn = check(self.pair.teacher.network, self.material.checks, self.pair.start)
        before = [each.knn for each in self.history if each.knn is not None]
        if knn is not None and (not before or knn > max(before)):
            self.best, self.best_epoch = self.final(), epoch
        if self.watch.streak == 0:
            self.good = self.final()
        return TuningEpoch(
            epoch=epoch,
            pulse=pulse,
            learning_rate=now.learning_rate,
            momentum=now.momentum,
            teacher_temperature=now.temperature,
            rank=rank,
            knn=knn,
        )

    def final(self) -> Tensors:
        """The teacher's backbone as it is now, in memory of its own."""
        state = self.pair.teacher.network.state_dict()
        return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}

    def _save(self) -> None:
        tensors = {
            **named("student", self.pair.student.state_dict()),
            **named("teacher", self.pair.teacher.state_dict()),
            **named("loss", self.loss.state_dict()),
            **named("optimizer", optimizer_tensors(self.optimizer)),
            **named("good", self.good),
            **named("best", self.best),
        }
        facts = {
            "key": self.key,
            "step": self.step,
            "streak": self.watch.streak,
            "best_epoch": self.best_epoch,
            "history": [json.loads(epoch.to_json()) for epoch in self.history],
        }
        save_checkpoint(self.folder, Checkpoint(tensors, facts))


def _optimizer(student: nn.Module, config: SelfSupervisionConfig) -> torch.optim.AdamW:
    """AdamW; biases and norms are not decayed, frozen blocks are not touched."""
    learned = [each for each in student.parameters() if each.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [each for each in learned if each.ndim > 1]},
        {"params": [each for each in learned if each.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
