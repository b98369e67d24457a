"""How much arithmetic one image costs a network, whatever machine it runs on."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def multiply_accumulates(network: nn.Module, image_size: int) -> int:
    """Of convolutions, matrix products and attention for one image of `image_size` x `image_size`; the rest is small.

    Counted while `network` runs once in evaluation mode, on the device where it lies.
    """
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, image_size, image_size, device=device))
    network.train(was_training)
    # The counter takes a multiplication and its addition for two operations.
    return int(counter.get_total_flops()) // 2
