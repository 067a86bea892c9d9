"""The learned layers, against unfold and matrix product, naive loops, numpy padding and torch."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convchoice.config.schema import ConvConfig, DownsampleConfig, Operator, Padding, PaddingMode
from convchoice.networks.conv_arithmetic import (
    Axes,
    Axis,
    convolution_axes,
    pooling_axes,
    strided_axes,
)
from convchoice.networks.layers import Convolution, DenseMap, LocallyConnected

NUMPY_MODES = {
    PaddingMode.zeros: "constant",
    PaddingMode.reflect: "reflect",
    PaddingMode.replicate: "edge",
    PaddingMode.circular: "wrap",
}


def seeded(*shape: int, seed: int = 7) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def padded(maps: Tensor, axes: Axes, mode: PaddingMode) -> Tensor:
    height, width = axes
    pads = ((0, 0), (0, 0), (height.before, height.after), (width.before, width.after))
    return torch.from_numpy(np.pad(maps.numpy(), pads, mode=NUMPY_MODES[mode]))  # type: ignore[call-overload]


def unfold_and_multiply(maps: Tensor, layer: nn.Conv2d) -> Tensor:
    """The lecture's convolution: 3D patches as vectors, a matrix product, back into a 3D map."""
    kernel = layer.kernel_size
    columns = functional.unfold(maps, kernel, stride=layer.stride)  # (N, C·f·f, positions)
    products = layer.weight.flatten(1) @ columns
    assert layer.bias is not None
    rows = (maps.shape[2] - kernel[0]) // layer.stride[0] + 1
    return (products + layer.bias[:, None]).unflatten(2, (rows, -1))


@pytest.mark.parametrize("kernel", [1, 2, 3, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_convolution_equals_unfold_and_multiply(kernel: int, stride: int) -> None:
    maps = seeded(2, 3, 12, 10)
    layer = Convolution(3, 4, Axes(Axis(12, kernel, stride), Axis(10, kernel, stride))).double()
    torch.testing.assert_close(layer(maps), unfold_and_multiply(maps, layer))


@pytest.mark.parametrize("mode", list(PaddingMode))
@pytest.mark.parametrize(
    ("kernel", "padding", "stride", "sizes"),
    [
        (3, Padding.same, 1, (9, 8)),
        (4, Padding.same, 2, (5, 4)),
        ([1, 6], Padding.same, [1, 3], (9, 3)),
        ([2, 3], Padding.full, 1, (10, 10)),
        ([3, 4], [1, 1], [2, 1], (5, 7)),
        ([3, 4], [0, 3], 1, (7, 11)),
    ],
)
def test_padded_convolution_equals_numpy_padding_and_unfold(
    mode: PaddingMode, kernel: Any, padding: Any, stride: Any, sizes: tuple[int, int]
) -> None:
    axes = convolution_axes((9, 8), ConvConfig(kernel, padding, mode, stride))
    maps = seeded(1, 2, 9, 8)
    layer = Convolution(2, 3, axes, mode).double()
    outputs = layer(maps)
    assert outputs.shape[2:] == sizes
    torch.testing.assert_close(outputs, unfold_and_multiply(padded(maps, axes, mode), layer))


@pytest.mark.parametrize("sizes", [(26, 26), (13, 12), (11, 28)])
def test_strided_convolution_is_the_unstrided_one_at_each_windows_first_pixel(
    sizes: tuple[int, int],
) -> None:
    unstrided_axes = convolution_axes(sizes, ConvConfig())
    maps = seeded(1, 2, *sizes)
    axes = strided_axes(unstrided_axes, DownsampleConfig(Operator.strided))
    strided = Convolution(2, 3, axes).double()
    unstrided = Convolution(2, 3, unstrided_axes).double()
    unstrided.load_state_dict(strided.state_dict())
    rows, columns = (axis.output // 2 for axis in unstrided_axes)
    expected = unstrided(maps)[:, :, ::2, ::2][:, :, :rows, :columns]
    torch.testing.assert_close(strided(maps), expected)


@pytest.mark.parametrize(("window", "stride", "padding"), [(2, 2, 0), (4, 3, 2)])
def test_depthwise_convolution_equals_the_naive_loop(
    window: int, stride: int, padding: int
) -> None:
    maps = seeded(2, 3, 9, 8)
    axes = pooling_axes((9, 8), DownsampleConfig(Operator.depthwise, window, stride, padding))
    layer = Convolution(3, 3, axes, depthwise=True).double()
    assert layer.bias is None
    outputs, inputs = layer(maps), padded(maps, axes, PaddingMode.zeros)
    for channel, row, column in product(*(range(size) for size in outputs.shape[1:])):
        top, left = row * stride, column * stride
        patch = inputs[:, channel, top : top + window, left : left + window]
        expected = (patch * layer.weight[channel, 0]).sum((1, 2))
        torch.testing.assert_close(outputs[:, channel, row, column], expected)


LOCAL = [
    ConvConfig(),
    ConvConfig([2, 3], Padding.same, PaddingMode.zeros, [2, 1]),
    ConvConfig(3, Padding.full, PaddingMode.reflect, 3),
]


def locally_connected(config: ConvConfig) -> LocallyConnected:
    layer = LocallyConnected(2, 3, convolution_axes((7, 6), config), config.padding_mode).double()
    with torch.no_grad():
        layer.weight.copy_(seeded(*layer.weight.shape, seed=1))
        layer.bias.copy_(seeded(*layer.bias.shape, seed=2))
    return layer


@pytest.mark.parametrize("config", LOCAL)
def test_locally_connected_layer_equals_the_naive_loop(config: ConvConfig) -> None:
    maps, layer = seeded(2, 2, 7, 6), locally_connected(config)
    outputs, inputs = layer(maps), padded(maps, layer.axes, config.padding_mode)
    height, width = layer.axes
    assert outputs.shape == (2, 3, height.output, width.output)
    for row, column, filter_ in product(range(height.output), range(width.output), range(3)):
        position = row * width.output + column
        top, left = row * height.stride, column * width.stride
        patch = inputs[:, :, top : top + height.kernel, left : left + width.kernel]
        weights = layer.weight[position, :, filter_].reshape(2, height.kernel, width.kernel)
        expected = (patch * weights).sum((1, 2, 3)) + layer.bias[position, filter_]
        torch.testing.assert_close(outputs[:, filter_, row, column], expected)


def test_locally_connected_layer_with_tied_weights_is_a_convolution() -> None:
    maps, layer = seeded(2, 2, 7, 6), locally_connected(LOCAL[1])
    shared = Convolution(2, 3, layer.axes).double()
    with torch.no_grad():
        layer.weight.copy_(shared.weight.flatten(1).T.expand_as(layer.weight))
        assert shared.bias is not None
        layer.bias.copy_(shared.bias.expand_as(layer.bias))
    torch.testing.assert_close(layer(maps), shared(maps))


def test_dense_map_equals_the_naive_loop() -> None:
    maps = seeded(2, 3, 4, 5)
    layer = DenseMap((3, 4, 5), (2, 3, 4)).double()
    outputs = layer(maps)
    assert outputs.shape == (2, 2, 3, 4)
    for filter_, row, column in product(range(2), range(3), range(4)):
        unit = (row * 4 + column) * 2 + filter_
        expected = (maps * layer.weight[unit].reshape(3, 4, 5)).sum((1, 2, 3)) + layer.bias[unit]
        torch.testing.assert_close(outputs[:, filter_, row, column], expected)
    assert outputs.is_contiguous(memory_format=torch.channels_last)
