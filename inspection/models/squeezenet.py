"""SqueezeNet 1.1 up to its last feature maps: 0.72 million parameters, and public weights to start from.

Only convolutions, ReLU and pooling, like PlumbNet: it folds and quantises everywhere. Source: torchvision.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from inspection.models.plumbnet import SurfacePool

CHANNELS = 512


def squeezenet() -> nn.Sequential:
    """Normalised float (N, 3, H, W) to embeddings (N, 1024); its tensors have torchvision's names (`features.…`)."""
    from torchvision.models import squeezenet1_1

    return nn.Sequential(
        OrderedDict(features=squeezenet1_1(weights=None).features, pool=SurfacePool())
    )
