"""Initial weights against torch's own, and their limits by fan-in and fan-out."""

import math

import pytest
import torch
from torch import nn

from convchoice.config.schema import Initialisation
from convchoice.networks.conv_arithmetic import Axes, Axis
from convchoice.networks.layers import Convolution, DenseMap, LocallyConnected
from convchoice.networks.network import Learned, draw_, fans

AXES = Axes(Axis(28, 3, 1), Axis(20, 5, 1))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(11)


@pytest.mark.parametrize(
    ("layer", "fan_in", "fan_out"),
    [
        (Convolution(4, 6, AXES), 4 * 15, 6 * 15),
        (Convolution(4, 4, AXES, depthwise=True), 15, 15),
        # the fans of a convolution of this size, not of the weight tensor
        (LocallyConnected(4, 6, AXES), 4 * 15, 6 * 15),
        (DenseMap((1, 28, 20), (6, 3, 2)), 560, 36),
        (nn.Linear(7, 3), 7, 3),
    ],
)
def test_fans_and_glorot_limits(layer: Learned, fan_in: int, fan_out: int) -> None:
    assert fans(layer) == (fan_in, fan_out)
    draw_(layer, Initialisation.glorot_uniform, generator())
    limit = math.sqrt(6 / (fan_in + fan_out))
    assert layer.weight.abs().max() <= limit * (1 + 1e-6)
    if layer.weight.numel() > 500:
        assert layer.weight.abs().max() > 0.98 * limit
        assert layer.weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.05)
    assert layer.bias is None or layer.bias.abs().max() == 0


@pytest.mark.parametrize("layer", [nn.Conv2d(5, 7, (3, 2)), nn.Linear(13, 6)])
def test_convolution_and_dense_weights_equal_torch_to_the_bit(layer: nn.Conv2d | nn.Linear) -> None:
    draw_(layer, Initialisation.glorot_uniform, generator())
    expected = nn.init.xavier_uniform_(torch.empty_like(layer.weight), generator=generator())
    assert torch.equal(layer.weight, expected)
    draw_(layer, Initialisation.pytorch, generator())
    source = generator()
    weight = nn.init.kaiming_uniform_(
        torch.empty_like(layer.weight), a=math.sqrt(5), generator=source
    )
    bound = 1 / math.sqrt(layer.weight[0].numel())
    assert layer.bias is not None
    bias = nn.init.uniform_(torch.empty_like(layer.bias), -bound, bound, generator=source)
    assert torch.equal(layer.weight, weight)
    assert torch.equal(layer.bias, bias)


def test_pytorch_initialisation_of_locally_connected_weights() -> None:
    layer = LocallyConnected(4, 6, AXES)
    draw_(layer, Initialisation.pytorch, generator())
    for drawn in (layer.weight, layer.bias):
        assert drawn.abs().max().item() == pytest.approx(1 / math.sqrt(60), rel=0.01)
