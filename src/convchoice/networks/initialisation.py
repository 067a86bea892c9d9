"""Initial weights: Keras's default or PyTorch's, by the fan-in and fan-out of each unit."""

import hashlib
import math

import torch
from torch import Tensor, nn

from convchoice.config.schema import Initialisation
from convchoice.networks.layers import LocallyConnected

Learned = nn.Conv2d | nn.Linear | LocallyConnected
"""The layers that have weights."""


def fans(layer: Learned) -> tuple[int, int]:
    """Fan-in and fan-out: inputs of one output, and outputs of one input.

    Borders and strides are disregarded, as in torch and Keras. A locally connected layer has the
    fans of the convolution of the same size; a depthwise convolution has those of its window.
    """
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    if isinstance(layer, LocallyConnected):
        area = math.prod(layer.axes.kernel)
        return layer.channels * area, layer.filters * area
    area = math.prod(layer.kernel_size)
    return layer.in_channels // layer.groups * area, layer.out_channels // layer.groups * area


def draw_(layer: Learned, initialisation: Initialisation, generator: torch.Generator) -> None:
    """Draw a layer's weights and biases, in place.

    `glorot_uniform` is Keras's default: weights uniform on ±√(6 / (fan_in + fan_out)) (Glorot &
    Bengio 2010), biases 0. `pytorch` is PyTorch's `reset_parameters`: weights and biases uniform on
    ±1/√fan_in. For convolutions and dense layers the values equal those of `torch.nn.init`, to the
    bit.
    """
    fan_in, fan_out = fans(layer)
    bias: Tensor | None = layer.bias
    if initialisation is Initialisation.glorot_uniform:
        limit, bound = math.sqrt(3.0) * math.sqrt(2.0 / float(fan_in + fan_out)), 0.0
    else:
        # √3 · gain / √fan_in with the gain of a leaky ReLU of slope √5 is 1/√fan_in; computed as
        # torch does, for the same rounding.
        gain = math.sqrt(2.0 / (1 + math.sqrt(5) ** 2))
        limit, bound = math.sqrt(3.0) * (gain / math.sqrt(fan_in)), 1 / math.sqrt(fan_in)
    nn.init.uniform_(layer.weight, -limit, limit, generator)
    if bias is not None:
        nn.init.uniform_(bias, -bound, bound, generator) if bound else nn.init.zeros_(bias)


def derived_seed(seed: int, *names: str) -> int:
    """A 63-bit seed that depends only on the run's seed and on what it is used for.

    The same run seed therefore gives two arms the same initial weights in every layer with the same
    name and shape, however many layers the arms have.
    """
    text = "/".join([str(seed), *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
