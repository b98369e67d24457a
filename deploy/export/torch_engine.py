"""The trained graph behind the same door as every device runtime: the reference for every conversion."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from deploy.edge.engines.base import Outputs


class TorchEngine:
    """Runs a DeployGraph (uint8 NHWC -> probabilities, embedding) on the CPU in float32."""

    name = "torch"

    def __init__(self, graph: nn.Module) -> None:
        self._graph = copy.deepcopy(graph).cpu().float().eval()

    def run(self, images: npt.NDArray[np.uint8]) -> Outputs:
        """Outputs for `images` (N, H, W, 3)."""
        with torch.inference_mode():
            probabilities, embedding = self._graph(torch.from_numpy(np.ascontiguousarray(images)))
        return Outputs(
            probabilities=probabilities.numpy().astype(np.float32),
            embedding=embedding.numpy().astype(np.float32),
        )

    def describe(self) -> dict[str, Any]:
        """Runtime, its version and the threads it uses."""
        return {
            "engine": self.name,
            "version": str(torch.__version__),
            "threads": torch.get_num_threads(),
        }
