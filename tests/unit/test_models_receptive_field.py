"""The centre of a cell, by arithmetic, is where an impulse has its effect."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inspection.models.plumbnet import PlumbNet
from inspection.models.receptive_field import Axis, Trail

SIDE = 64


def conv(kernel: int, stride: int, padding: int | str) -> nn.Module:
    return nn.Conv2d(1, 1, kernel, stride, padding, bias=False)


NETWORKS = {
    "3x3 stride 2 padded, four times": nn.Sequential(*(conv(3, 2, 1) for _ in range(4))),
    "patches": nn.Sequential(conv(4, 4, 0), conv(2, 2, 0)),
    "unpadded": nn.Sequential(conv(7, 2, 0), nn.AvgPool2d(3, 2), conv(3, 1, 0)),
    "same": nn.Sequential(conv(5, 2, 2), conv(3, 1, "same"), conv(1, 2, 0)),
}


def measured(network: nn.Module) -> tuple[Axis, int]:
    """From the gradient of two neighbouring cells in the middle, all weights alike."""
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    image = torch.ones(1, 1, SIDE, SIDE, requires_grad=True)
    maps = network(image)
    cells = int(maps.shape[-1])
    middles = []
    for cell in (cells // 2 - 1, cells // 2):
        (slope,) = torch.autograd.grad(maps[0, 0, cells // 2, cell], image, retain_graph=True)
        weight = slope[0, 0].sum(0)
        middles.append(float((weight * torch.arange(SIDE)).sum() / weight.sum()))
    jump = middles[1] - middles[0]
    return Axis(middles[0] - (cells // 2 - 1) * jump, jump), cells


def followed(network: nn.Module, cells: int) -> Axis:
    trail = Trail()
    handles = [
        part.register_forward_hook(lambda part, given, made: trail.note(part, given[0], made))
        for part in network.modules()
    ]
    channels = next(part for part in network.modules() if isinstance(part, nn.Conv2d)).in_channels
    with torch.no_grad():
        network(torch.zeros(1, channels, SIDE, SIDE))
    for handle in handles:
        handle.remove()
    return trail.axis(trail.columns, SIDE, cells)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_arithmetic_agrees_with_an_impulse(name: str) -> None:
    axis, cells = measured(NETWORKS[name])
    assert followed(NETWORKS[name], cells) == pytest.approx(axis, abs=1e-3)


def test_plumbnet_looks_at_every_sixteenth_pixel() -> None:
    assert followed(PlumbNet((4, 4, 4, 4), (0, 1, 1)), 4) == Axis(0.0, 16.0)


def test_shrinking_by_no_known_rule_takes_tiles() -> None:
    assert Trail().axis([], 64, 4) == Axis(7.5, 16.0)


def test_weights_are_shares_and_peak_at_the_centres() -> None:
    weights = Axis(0.0, 16.0).weights(64, 4)
    assert weights.shape == (64, 4)
    assert torch.allclose(weights.sum(1), torch.ones(64))
    assert weights[[0, 16, 32, 48]].equal(torch.eye(4))
    assert weights[63].tolist() == [0, 0, 0, 1]
