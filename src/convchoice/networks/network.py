"""The network of a configuration: blocks of convolution → detector → downsampling, then the head.

Built from the plan, layer by layer, so its sizes are the planned ones.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from convchoice.config.schema import Config
from convchoice.networks.conv_arithmetic import Axes
from convchoice.networks.initialisation import Learned, derived_seed, draw_
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
    """Images (N, C, H, W) to logits (N, classes).

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
