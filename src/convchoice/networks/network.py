"""The network of a configuration: blocks of convolution → detector → downsampling, then the head.

Built from the plan, layer by layer, so its sizes are the planned ones. Initial weights are Keras's
default or PyTorch's, by the fan-in and fan-out of each unit.
"""

import hashlib
import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from convchoice.config.schema import Config, Initialisation
from convchoice.networks.conv_arithmetic import Axes
from convchoice.networks.layers import (
    DETECTORS,
    Convolution,
    DenseMap,
    GlobalAverage,
    LocallyConnected,
    MaxOverFilters,
    WeightedMean,
    binomial_weights,
    pooling,
)
from convchoice.networks.plan import Kind, PlannedLayer, plan

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


def _window_module(layer: PlannedLayer, axes: Axes, config: Config) -> nn.Module:
    channels, filters = layer.input_shape[0], layer.output_shape[0]
    if layer.kind is Kind.locally_connected:
        return LocallyConnected(channels, filters, axes, layer.padding_mode)
    if layer.kind is Kind.blur:
        return WeightedMean(binomial_weights(*axes.kernel), axes)
    if layer.kind is Kind.pooling and layer.operator:
        return pooling(layer.operator, axes, config.downsample.sigma)
    depthwise = layer.kind is Kind.depthwise
    return Convolution(channels, filters, axes, layer.padding_mode, depthwise=depthwise)


def _module(layer: PlannedLayer, config: Config) -> nn.Module:
    if layer.axes is not None:
        return _window_module(layer, layer.axes, config)
    if layer.kind is Kind.detector:
        return DETECTORS[config.model.activation]()
    if layer.kind is Kind.maxout:
        return MaxOverFilters(config.downsample.pieces)
    if layer.kind is Kind.dense_map:
        return DenseMap(layer.input_shape, layer.output_shape)
    if layer.kind is Kind.dense:
        return nn.Linear(layer.input_shape[0], layer.output_shape[0])
    return nn.Flatten() if layer.kind is Kind.flatten else GlobalAverage()


class Network(nn.Sequential):
    """Images (N, C, H, W) to logits (N, 10).

    The children have the planned layers' names with ``_`` for ``.``: ``block1_convolution``,
    ``head_output``.

    Args:
        config: a validated configuration.
        input_shape: (C, H, W) of an image; None takes the shape of the configuration's data.

    Raises:
        GeometryError: if the layers do not fit the images.
    """

    def __init__(self, config: Config, input_shape: tuple[int, int, int] | None = None) -> None:
        """Plan, build, draw the initial weights."""
        super().__init__()
        self.plan = plan(config, input_shape)
        for layer in self.plan.layers:
            self.add_module(layer.name.replace(".", "_"), _module(layer, config))
        self._order = _execution_order(list(self))
        own = config.model.weights_seed
        weights_seed = config.seed if own is None else own
        for name, module in self.named_children():
            if isinstance(module, Learned):
                seed = derived_seed(weights_seed, "weights", name)
                generator = torch.Generator().manual_seed(seed)
                draw_(module, config.model.initialisation, generator)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Run the layers, a max pooling before the ReLU that precedes it.

        The two commute exactly, forward and backward: the maximum of a window stays the maximum,
        and where no value is positive both orders give 0 and no gradient. After a 2×2 pooling the
        ReLU has a quarter of the work.
        """
        layers = list(self)
        for place in self._order:
            input = layers[place](input)  # noqa: A001
        return input


def _execution_order(layers: Sequence[nn.Module]) -> list[int]:
    """Indices of the layers in the order in which `Network.forward` runs them."""
    order = list(range(len(layers)))
    for place, (layer, following) in enumerate(pairwise(layers)):
        if isinstance(layer, nn.ReLU) and isinstance(following, nn.MaxPool2d):
            order[place], order[place + 1] = order[place + 1], order[place]
    return order
