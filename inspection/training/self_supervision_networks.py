"""The two networks of self-distillation: a backbone with a projection head, once learning, once following.

Covered: any timm network at the sizes it can read; vision transformers read small crops by resampling their position
embedding. Not covered: windowed transformers (Swin) with small crops, whose sizes are fixed when they are built.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from lightly.models.modules.heads import DINOProjectionHead
from torch import nn

from inspection.errors import ConfigError
from inspection.features.backbone import embedding_size
from inspection.features.weights import Blueprint, Network, create_network
from inspection.learning_config import SelfSupervisionConfig, TeacherConfig
from inspection.models.stages import network_stages

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Seen(NamedTuple):
    """Embeddings (N, D), outputs (N, K), and outputs (M, K) at the patches asked for (none: an empty first axis)."""

    embedding: torch.Tensor
    outputs: torch.Tensor
    patches: torch.Tensor


class Branch(nn.Module):
    """A timm network without classifier, a projection head, and what stands in for a masked patch."""

    mask_token: torch.Tensor

    def __init__(self, network: nn.Module, config: SelfSupervisionConfig, embedding: int) -> None:
        super().__init__()
        self.network = network
        self.head = _head(config, embedding)
        self.mask_token = nn.Parameter(torch.zeros(embedding))
        self._hidden: torch.Tensor | None = None
        if config.method == "ibot":
            patches: Any = network.patch_embed
            patches.register_forward_hook(self._hide)

    def forward(
        self,
        images: torch.Tensor,
        masks: torch.Tensor | None = None,
        *,
        hide: bool = False,
    ) -> Seen:
        """Normalised float (N, 3, S, S); `masks` bool (N, rows, columns) asks for patches, `hide` masks them too."""
        network: Any = self.network
        self._hidden = masks if hide else None
        features = network.forward_features(images)
        self._hidden = None
        embedding = network.forward_head(features, pre_logits=True)
        outputs = self.head(embedding)
        if masks is None:
            return Seen(embedding, outputs, outputs[:0])
        tokens = features[:, network.num_prefix_tokens :][masks.flatten(1)]
        return Seen(embedding, outputs, self.head(tokens))

    def _hide(self, _: nn.Module, __: Any, tokens: torch.Tensor) -> torch.Tensor:
        """After the patch embedding: tokens (N, rows, columns, D) with the masked ones replaced."""
        if self._hidden is None:
            return tokens
        return torch.where(self._hidden[..., None], self.mask_token.to(tokens.dtype), tokens)


@dataclass(frozen=True, eq=False)
class Pair:
    """The student, the teacher that follows it, and what is known of the start."""

    student: Branch
    teacher: Branch
    start: Network
    resting: frozenset[str]
    """Norms of the backbone whose statistics stay as they are."""
    large: int
    small: int
    patch: int
    """Side of a patch in pixels; 1 for a network without patches."""

    def set_modes(self) -> None:
        """The student learns; the teacher only gathers statistics of norms, and has no dropout."""
        self.student.train()
        self.teacher.eval()
        for branch in (self.student, self.teacher):
            for name, module in branch.network.named_modules():
                if isinstance(module, NORMS):
                    module.train(name not in self.resting)


def open_pair(teacher: TeacherConfig, config: SelfSupervisionConfig, *, seed: int) -> Pair:
    """Both networks at the configured weights, heads drawn from `seed`; ConfigError or WeightsError in one line."""
    blueprint = Blueprint(teacher.backbone, teacher.image_size, teacher.pad_same)
    start = create_network(blueprint, teacher.weights, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _flexible(start.module, blueprint)
        patch = _patch_side(network, teacher.backbone, config)
        large, small = _sides(teacher, config, patch)
        width = _embedding(network, teacher.backbone, large, small if config.local_crops else large)
        student = Branch(copy.deepcopy(network), config, width)
        following = Branch(network, config, width)
    following.load_state_dict(student.state_dict())
    following.requires_grad_(False)
    freeze_blocks(student.network, config.freeze_blocks, teacher.backbone)
    resting = _resting(student.network, given=teacher.weights != "none")
    return Pair(student, following, start, resting, large, small, patch)


def freeze_blocks(network: nn.Module, blocks: int, name: str) -> None:
    """The stem and the first `blocks` stages behind it take no gradients from here on; 0 freezes nothing."""
    if blocks == 0:
        return
    stem, *stages = network_stages(network)
    if blocks >= len(stages):
        raise ConfigError(
            [
                f"teacher.tune.freeze_blocks={blocks} leaves nothing of '{name}' to learn: "
                f"it has {len(stages)} blocks, freeze at most {len(stages) - 1}"
            ]
        )
    parameters = dict(network.named_parameters())
    for each in (each for stage in (stem, *stages[:blocks]) for each in stage):
        parameters[each].requires_grad_(False)


def _head(config: SelfSupervisionConfig, embedding: int) -> DINOProjectionHead:
    with warnings.catch_warnings():  # lightly's weight norm is torch's older one
        warnings.simplefilter("ignore", FutureWarning)
        return DINOProjectionHead(
            embedding,
            config.hidden,
            config.bottleneck,
            config.outputs,
            freeze_last_layer=config.freeze_last_layer_epochs,
        )


def _flexible(module: nn.Module, blueprint: Blueprint) -> nn.Module:
    """The same weights in a network that reads other sizes too, where timm can build one."""
    if not hasattr(module, "dynamic_img_size"):
        return module
    network = blueprint.build(dynamic_img_size=True)
    network.load_state_dict(module.state_dict())
    return network


def _patch_side(network: Any, name: str, config: SelfSupervisionConfig) -> int:
    """Side of a patch in pixels; 1 for a network without patch tokens."""
    if hasattr(network, "dynamic_img_size"):
        return int(network.patch_embed.patch_size[0])
    if config.method == "ibot":
        raise ConfigError(
            [
                f"teacher.tune.method=ibot hides patches, and '{name}' has no patch tokens: "
                "set teacher.tune.method=dino, or take a vision transformer as teacher.backbone"
            ]
        )
    return 1


def _sides(teacher: TeacherConfig, config: SelfSupervisionConfig, patch: int) -> tuple[int, int]:
    large = config.global_size or teacher.image_size
    return large, config.local_size or max(16, patch, large // 2 // patch * patch)


def _embedding(network: nn.Module, name: str, large: int, small: int) -> int:
    """Length of the embedding; WeightsError when the network cannot read crops of both sides."""

    class Embedding(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            described: Any = network
            features = described.forward_features(images)
            return torch.as_tensor(described.forward_head(features, pre_logits=True))

    was_training = network.training
    network.eval()
    embedding_size(Embedding(), name, small, key="teacher.tune.local_size")
    width = embedding_size(Embedding(), name, large, key="teacher.tune.global_size")
    network.train(was_training)
    return width


def _resting(network: nn.Module, *, given: bool) -> frozenset[str]:
    """Norms with given statistics, which small batches would shake and folded files live by, and frozen ones."""
    return frozenset(
        name
        for name, module in network.named_modules()
        if isinstance(module, NORMS)
        and (given or not any(each.requires_grad for each in module.parameters()))
    )
