"""The same vectors from the machines of a Ray cluster (the `ray` extra).

Every machine needs Plumbline, the weights and the images under the same paths as this one, and makes vectors only with
the very tensors this machine would use. `RAY_ADDRESS` names the cluster; without it Ray uses this machine's cores.
Covered: CPUs (an actor per core) and GPUs (an actor per GPU, when this machine has one too). Not covered: images in
object stores, and machines of other kinds for random weights (their random numbers may differ; that is refused).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inspection.errors import MissingExtra, WeightsError
from inspection.features.backbone import BackboneInfo, load_backbone
from inspection.features.forward import Matrix, embed_files
from inspection.features.orientation import UPRIGHT
from inspection.learning_config import TeacherConfig

ROWS = 256
"""Vectors per block that comes back, and paths per block that goes out."""


def embed_on_ray(
    files: Mapping[str, Path],
    config: TeacherConfig,
    info: BackboneInfo,
    *,
    seed: int,
    device: str,
    view: int = UPRIGHT,
) -> Iterator[tuple[list[str], Matrix]]:
    """Image ids and their vectors in blocks, in any order; MissingExtra without Ray."""
    ray = _ray()
    actors = Actors.on(ray, device)
    rows = [{"image_id": name, "path": str(path.absolute())} for name, path in files.items()]
    made = ray.data.from_items(rows).map_batches(
        RayBackbone,
        fn_constructor_kwargs=_told(config, info, seed, device, view),
        batch_size=ROWS,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors.most),
        num_cpus=actors.cpus,
        num_gpus=actors.gpus,
    )
    for block in made.iter_batches(batch_size=ROWS, batch_format="numpy"):
        names = [str(name) for name in block["image_id"]]
        yield names, np.ascontiguousarray(block["vector"], dtype=np.float32)


class Actors:
    """How many backbones work at once, and what each is given."""

    def __init__(self, most: int, cpus: float | None, gpus: float | None) -> None:
        self.most = most
        self.cpus = cpus
        self.gpus = gpus

    @classmethod
    def on(cls, ray: Any, device: str) -> Actors:
        """One per core, or one per GPU."""
        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        there = ray.cluster_resources()
        if device.startswith("cuda"):
            return cls(max(1, int(there.get("GPU", 0))), None, 1)
        return cls(max(1, int(there.get("CPU", 1))), 1, None)


class RayBackbone:
    """A backbone in an actor: built once, then fed with batches of paths."""

    def __init__(self, config: str, info: str, seed: int, device: str, view: int = UPRIGHT) -> None:
        self.view = view
        self.config = TeacherConfig.model_validate_json(config)
        self.backbone = load_backbone(self.config, seed=seed, device=device)
        expected = BackboneInfo.from_json(info.encode())
        if self.backbone.info != expected:
            raise WeightsError(
                f"a machine of the Ray cluster has other weights of '{expected.name}' "
                f"({self.backbone.weights_digest[:12]} instead of {expected.weights_digest[:12]}): give all "
                "machines the same weights file, the same torch and the same timm"
            )

    def __call__(self, batch: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """The batch's image ids with their vectors."""
        paths = [Path(str(path)) for path in batch["path"]]
        blocks = embed_files(self.backbone, paths, self.config.batch_size, self.view)
        return {"image_id": batch["image_id"], "vector": np.concatenate(list(blocks))}


def _told(
    config: TeacherConfig, info: BackboneInfo, seed: int, device: str, view: int = UPRIGHT
) -> dict[str, Any]:
    """An actor's arguments, as text: nothing of ours is pickled."""
    if config.weights not in ("none", "hub"):
        absolute = str(Path(config.weights).absolute())
        config = config.model_copy(update={"weights": absolute})
    return {
        "config": config.model_dump_json(),
        "info": info.to_json().decode(),
        "seed": seed,
        "device": device,
        "view": view,
    }


def _ray() -> Any:
    try:
        importlib.import_module("ray.data")
    except ImportError as error:
        raise MissingExtra("ray", "teacher.features_engine=ray") from error
    return importlib.import_module("ray")
