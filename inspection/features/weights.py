"""A timm network with the weights that were asked for, or one sentence about why not. No pickle is ever opened.

Covered: `none` (random, from the seed), a local .safetensors file (half precision is widened), the hub or its local
cache. A file's own metadata (`mean`, `std`, `pad_type`, `license`, `source`) is believed over timm's defaults.
Not covered: torch's pickled .pth and .bin files, which can run code when opened.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from inspection.errors import WeightsError
from inspection.features.hub import hub_config, hub_file
from inspection.features.names import PLAIN, TERMS, check_name, licence_of_release, timm_name

Triple = tuple[float, float, float]

FACTS = "facts"
INCEPTION: Triple = (0.5, 0.5, 0.5)
IMAGENET: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class WeightsFile:
    """Tensors of a .safetensors file, floats widened to float32, and what the file says of itself."""

    name: str
    tensors: Mapping[str, torch.Tensor]
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Network:
    """A timm network without classifier: `forward_head(..., pre_logits=True)` ends at the embedding."""

    module: nn.Module
    source: str
    """`none`, a hub id, or the file's name."""
    digest: str
    licence: str
    mean: Triple
    std: Triple
    pad_same: bool = False


@dataclass(frozen=True)
class Blueprint:
    """Which network (a plain name or timm's), for which input side in pixels, with which padding."""

    name: str
    image_size: int
    pad_same: bool = False

    @property
    def timm_name(self) -> str:
        """What timm calls the network."""
        return timm_name(self.name)

    def build(self, **options: Any) -> nn.Module:
        """The network without its classifier, in training mode, on the CPU."""
        import timm

        check_name(self.name)
        if self.pad_same:
            options["pad_type"] = "same"
        config: Any = timm.get_pretrained_cfg(self.timm_name, allow_unregistered=True)
        if config is not None and config.fixed_input_size:
            options["img_size"] = self.image_size
        try:
            module: nn.Module = timm.create_model(self.timm_name, num_classes=0, **options)
        except TypeError as error:
            if self.pad_same and "pad_type" in str(error):
                raise WeightsError(
                    f"network '{self.name}' knows no TensorFlow padding: set teacher.pad_same=false"
                ) from error
            raise
        return module


def create_network(blueprint: Blueprint, weights: str, *, seed: int) -> Network:
    """Any timm network with `hub`, `none` or a file's weights."""
    if weights == "none":
        return _random(blueprint, seed)
    if weights == "hub":
        return _from_hub(blueprint)
    return _from_file(blueprint, Path(weights))


def read_safetensors(path: Path) -> WeightsFile:
    """Open a weights file, whole, or say what is wrong with it."""
    if path.suffix != ".safetensors":
        raise WeightsError(
            f"weights must be 'hub', 'none' or a .safetensors file, got '{path}': "
            "convert it with safetensors.torch.save_file"
        )
    if not path.is_file():
        raise WeightsError(
            f"there is no weights file '{path}': mend the path, or use 'hub' or 'none'"
        )
    try:
        with safe_open(path, framework="pt") as stream:
            tensors = {name: _widened(stream.get_tensor(name)) for name in stream.keys()}  # noqa: SIM118
            return WeightsFile(path.name, tensors, _unpacked(stream.metadata() or {}))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise WeightsError(
            f"weights file '{path}' cannot be read ({error}): copy or download it again"
        ) from error


def packed(facts: Mapping[str, str]) -> dict[str, str]:
    """Metadata as one entry: safetensors writes several in random order, and equal weights must be equal bytes."""
    return {FACTS: json.dumps(facts, sort_keys=True)}


def _unpacked(metadata: Mapping[str, str]) -> dict[str, str]:
    facts = json.loads(metadata.get(FACTS, "{}"))
    return {**metadata, **facts} if isinstance(facts, dict) else dict(metadata)


def load_weights(module: nn.Module, weights: WeightsFile, what: str) -> None:
    """Put a file's tensors into `module`; tensors the module has no place for (a classifier) are left out."""
    wanted = module.state_dict()
    wrong = [
        f"{name} (file {tuple(weights.tensors[name].shape)}, {what} {tuple(tensor.shape)})"
        if name in weights.tensors
        else f"{name} (not in the file)"
        for name, tensor in wanted.items()
        if name not in weights.tensors or weights.tensors[name].shape != tensor.shape
    ]
    if wrong:
        raise WeightsError(
            f"weights '{weights.name}' are not of {what}: {len(wrong)} of {len(wanted)} tensors do not fit, "
            f"first {'; '.join(wrong[:3])}: name the architecture these weights were saved from"
        )
    module.load_state_dict({name: weights.tensors[name] for name in wanted})


def fit_positions(module: nn.Module, weights: WeightsFile) -> WeightsFile:
    """The same weights with a transformer's position embedding resampled to `module`'s grid of patches.

    Weights saved at one image size then serve at another; what is not a square grid is left for `load_weights` to
    refuse. Resampling is timm's (bicubic, antialiased), as for weights from the hub.
    """
    have, want = weights.tensors.get("pos_embed"), getattr(module, "pos_embed", None)
    grid = getattr(getattr(module, "patch_embed", None), "grid_size", None)
    if have is None or grid is None or not isinstance(want, torch.Tensor):
        return weights
    if have.ndim != 3 or have.shape == want.shape or have.shape[2] != want.shape[2]:
        return weights
    first_patch = want.shape[1] - math.prod(grid)
    patches = have.shape[1] - first_patch
    if patches < 1 or math.isqrt(patches) ** 2 != patches:
        return weights
    from timm.layers.pos_embed import resample_abs_pos_embed

    fitted = resample_abs_pos_embed(have, list(grid), num_prefix_tokens=first_patch)
    return replace(weights, tensors={**weights.tensors, "pos_embed": fitted})


def state_digest(module: nn.Module) -> str:
    """Hex SHA-256 of names, types, shapes and bytes of a module's state."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # As bytes through a view: numpy has no bfloat16.
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(raw.numpy().tobytes())
    return digest.hexdigest()


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _random(blueprint: Blueprint, seed: int) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = blueprint.build()
    mean, std = _defaults(module)
    licence = "none (random weights)"
    return Network(module, "none", state_digest(module), licence, mean, std, blueprint.pad_same)


def _from_file(blueprint: Blueprint, path: Path) -> Network:
    weights = read_safetensors(path)
    if weights.metadata.get("pad_type") == "same" and _takes_padding(blueprint):
        blueprint = replace(blueprint, pad_same=True)
    module = blueprint.build()
    load_weights(module, fit_positions(module, weights), blueprint.name)
    mean, std = _defaults(module)
    if blueprint.pad_same:  # TensorFlow's networks were trained on -1..1
        mean = std = INCEPTION
    return Network(
        module,
        path.name,
        state_digest(module),
        _licence(weights, blueprint.name),
        _triple(weights, "mean", mean),
        _triple(weights, "std", std),
        blueprint.pad_same,
    )


def _licence(weights: WeightsFile, name: str) -> str:
    """What the file says; of a well-known network also what its makers say, who may not have made this file."""
    stated = weights.metadata.get("license") or weights.metadata.get("source")
    if stated or name not in PLAIN:
        return stated or "not stated"
    return f"not stated; the makers' own weights of {name}: {licence_of_release(name)}"


def _takes_padding(blueprint: Blueprint) -> bool:
    try:
        replace(blueprint, pad_same=True).build()
    except WeightsError:
        return False
    return True


def _from_hub(blueprint: Blueprint) -> Network:
    config = hub_config(blueprint.timm_name)
    path = hub_file(str(config.hf_hub_id), blueprint.name)
    # timm loads the file, because it knows how older checkpoints of each architecture are renamed.
    module = blueprint.build(pretrained=True, pretrained_cfg_overlay={"file": str(path)})
    mean, std = _defaults(module)
    short = str(config.license or "not stated")
    licence = TERMS.get(short, short)
    source = str(config.hf_hub_id)
    return Network(module, source, state_digest(module), licence, mean, std, blueprint.pad_same)


def _defaults(module: nn.Module) -> tuple[Triple, Triple]:
    config: Any = getattr(module, "pretrained_cfg", None) or {}
    mean = config.get("mean") or INCEPTION
    std = config.get("std") or INCEPTION
    return _three(mean), _three(std)


def _triple(weights: WeightsFile, key: str, default: Triple) -> Triple:
    text = weights.metadata.get(key)
    if text is None:
        return default
    try:
        return _three([float(part) for part in text.split(",")])
    except ValueError as error:
        raise WeightsError(
            f"weights '{weights.name}' say {key}='{text}': three numbers are needed, '0.5,0.5,0.5'"
        ) from error


def _three(values: Any) -> Triple:
    first, second, third = (float(value) for value in values)
    return first, second, third
