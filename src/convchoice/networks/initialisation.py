"""How weights begin: Keras's default or PyTorch's, by what each unit really sees."""

import math

import torch
from torch import Tensor, nn

from convchoice.config.schema import Initialisation
from convchoice.networks.layers import LocallyConnected

Learned = nn.Conv2d | nn.Linear | LocallyConnected
"""The layers that have weights."""


def fans(layer: Learned) -> tuple[int, int]:
    """Numbers that one output is made of, and outputs that one input has a part in.

    Borders and strides are disregarded, as everywhere. A locally connected layer's are those of
    the convolution that it unshares, for each of its units sees as much; a depthwise convolution's
    are its window's, for a channel goes into its own filter alone.
    """
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    if isinstance(layer, LocallyConnected):
        area = layer.axes[0].kernel * layer.axes[1].kernel
        return layer.channels * area, layer.filters * area
    area = math.prod(layer.kernel_size)
    return layer.in_channels // layer.groups * area, layer.out_channels // layer.groups * area


def draw_(layer: Learned, initialisation: Initialisation, generator: torch.Generator) -> None:
    """Fill a layer's weights and biases, in place, from a generator.

    `glorot_uniform` is Keras's default: weights uniform on ±√(6 / (fan_in + fan_out)) (Glorot &
    Bengio 2010), biases 0. `pytorch` is what PyTorch's `reset_parameters` does: weights and biases
    uniform on ±1/√fan_in. For convolutions and dense layers the numbers are those of
    `torch.nn.init` to the last bit.
    """
    fan_in, fan_out = fans(layer)
    bias: Tensor | None = layer.bias
    with torch.no_grad():
        if initialisation is Initialisation.glorot_uniform:
            limit = math.sqrt(3.0) * math.sqrt(2.0 / float(fan_in + fan_out))
            layer.weight.uniform_(-limit, limit, generator=generator)
            if bias is not None:
                bias.zero_()
            return
        # √3 · gain / √fan_in with the gain of a leaky ReLU of slope √5, which is 1/√fan_in, written
        # as torch writes it.
        gain = math.sqrt(2.0 / (1 + math.sqrt(5) ** 2))
        limit = math.sqrt(3.0) * (gain / math.sqrt(fan_in))
        layer.weight.uniform_(-limit, limit, generator=generator)
        if bias is not None:
            bound = 1 / math.sqrt(fan_in)
            bias.uniform_(-bound, bound, generator=generator)
