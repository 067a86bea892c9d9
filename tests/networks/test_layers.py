"""The learned layers, against the lecture's way, naive loops and torch itself."""

import math
from itertools import product

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
from convchoice.networks.layers import Convolution, DenseMap, GlobalAverage, LocallyConnected

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


def patches_times_weights(maps: Tensor, layer: nn.Conv2d) -> Tensor:
    """The lecture's way: each 3D patch a 1D vector, a product, and back into a 3D map."""
    kernel = layer.kernel_size
    columns = functional.unfold(maps, kernel, stride=layer.stride)  # (N, C·f·f, positions)
    product_ = layer.weight.flatten(1) @ columns
    assert layer.bias is not None
    rows = (maps.shape[2] - kernel[0]) // layer.stride[0] + 1
    return (product_ + layer.bias[:, None]).unflatten(2, (rows, -1))


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_convolution_is_patches_weighted_and_summed(kernel: int, stride: int) -> None:
    maps = seeded(2, 3, 12, 10)
    layer = Convolution(3, 4, Axis(12, kernel, stride), Axis(10, kernel, stride)).double()
    torch.testing.assert_close(layer(maps), patches_times_weights(maps, layer))


@pytest.mark.parametrize("mode", list(PaddingMode))
@pytest.mark.parametrize("kernel", [2, 3, 4, 5, [2, 3], [5, 4], [1, 6]])
@pytest.mark.parametrize("stride", [1, 2, [1, 3]])
def test_same_padding_keeps_the_size_and_pads_as_numpy_does(
    mode: PaddingMode, kernel: int | list[int], stride: int | list[int]
) -> None:
    """⌈n/s⌉ outputs an axis, the odd pixel of the padding behind: Keras's "same"."""
    config = ConvConfig(kernel, Padding.same, mode, stride)
    axes = convolution_axes((9, 8), config)
    maps = seeded(1, 2, 9, 8)
    layer = Convolution(2, 3, *axes, mode).double()
    made = layer(maps)
    steps = stride if isinstance(stride, list) else [stride, stride]
    assert made.shape[2:] == (math.ceil(9 / steps[0]), math.ceil(8 / steps[1]))
    torch.testing.assert_close(made, patches_times_weights(padded(maps, axes, mode), layer))


@pytest.mark.parametrize("mode", list(PaddingMode))
@pytest.mark.parametrize("pixels", [1, [2, 1], [0, 3]])
def test_explicit_padding_adds_its_pixels_on_each_side(
    mode: PaddingMode, pixels: int | list[int]
) -> None:
    axes = convolution_axes((9, 8), ConvConfig([3, 4], pixels, mode, [2, 1]))
    before = pixels if isinstance(pixels, list) else [pixels, pixels]
    assert [(axis.before, axis.after) for axis in axes] == [(each, each) for each in before]
    maps = seeded(1, 2, 9, 8)
    layer = Convolution(2, 3, *axes, mode).double()
    torch.testing.assert_close(layer(maps), patches_times_weights(padded(maps, axes, mode), layer))


@pytest.mark.parametrize("sizes", [(26, 26), (13, 12), (12, 13), (11, 28)])
def test_a_strided_convolution_is_the_unstrided_one_at_each_windows_first_pixel(
    sizes: tuple[int, int],
) -> None:
    config, downsample = ConvConfig(), DownsampleConfig(Operator.strided)
    unstrided_axes = convolution_axes(sizes, config)
    maps = seeded(1, 2, *sizes)
    strided = Convolution(2, 3, *strided_axes(unstrided_axes, downsample)).double()
    unstrided = Convolution(2, 3, *unstrided_axes).double()
    unstrided.load_state_dict(strided.state_dict())
    rows, columns = (axis.output // 2 for axis in unstrided_axes)
    expected = unstrided(maps)[:, :, ::2, ::2][:, :, :rows, :columns]
    torch.testing.assert_close(strided(maps), expected)


@pytest.mark.parametrize(("window", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (4, 3, 2)])
def test_a_depthwise_convolution_weights_each_channels_window_by_its_own_filter(
    window: int, stride: int, padding: int
) -> None:
    maps = seeded(2, 3, 9, 8)
    axes = pooling_axes((9, 8), DownsampleConfig(Operator.depthwise, window, stride, padding))
    layer = Convolution(3, 3, *axes, depthwise=True).double()
    assert layer.bias is None
    made, framed = layer(maps), padded(maps, axes, PaddingMode.zeros)
    for channel, row, column in product(*(range(size) for size in made.shape[1:])):
        top, left = row * stride, column * stride
        patch = framed[:, channel, top : top + window, left : left + window]
        expected = (patch * layer.weight[channel, 0]).sum((1, 2))
        torch.testing.assert_close(made[:, channel, row, column], expected)


def test_a_depthwise_convolution_can_be_average_pooling() -> None:
    maps = seeded(2, 3, 9, 8)
    axes = pooling_axes((9, 8), DownsampleConfig(Operator.depthwise))
    layer = Convolution(3, 3, *axes, depthwise=True).double()
    nn.init.constant_(layer.weight, 0.25)
    torch.testing.assert_close(layer(maps), functional.avg_pool2d(maps, 2))


LOCAL = [
    ConvConfig(),
    ConvConfig([2, 3], Padding.same, PaddingMode.zeros, [2, 1]),
    ConvConfig(3, Padding.full, PaddingMode.reflect, 3),
    ConvConfig([3, 1], [1, 0], PaddingMode.circular, 2),
]


def locally_connected(config: ConvConfig) -> LocallyConnected:
    layer = LocallyConnected(2, 3, *convolution_axes((7, 6), config), config.padding_mode).double()
    with torch.no_grad():
        layer.weight.copy_(seeded(*layer.weight.shape, seed=1))
        layer.bias.copy_(seeded(*layer.bias.shape, seed=2))
    return layer


@pytest.mark.parametrize("config", LOCAL)
def test_a_locally_connected_layer_has_weights_of_its_own_at_every_position(
    config: ConvConfig,
) -> None:
    maps, layer = seeded(2, 2, 7, 6), locally_connected(config)
    made, framed = layer(maps), padded(maps, layer.axes, config.padding_mode)
    height, width = layer.axes
    assert made.shape == (2, 3, height.output, width.output)
    for row, column, filter_ in product(range(height.output), range(width.output), range(3)):
        position = row * width.output + column
        top, left = row * height.stride, column * width.stride
        patch = framed[:, :, top : top + height.kernel, left : left + width.kernel]
        weights = layer.weight[position, :, filter_].reshape(2, height.kernel, width.kernel)
        expected = (patch * weights).sum((1, 2, 3)) + layer.bias[position, filter_]
        torch.testing.assert_close(made[:, filter_, row, column], expected)


@pytest.mark.parametrize("config", LOCAL)
def test_a_locally_connected_layer_with_tied_weights_is_a_convolution(config: ConvConfig) -> None:
    maps, layer = seeded(2, 2, 7, 6), locally_connected(config)
    shared = Convolution(2, 3, *layer.axes, config.padding_mode).double()
    with torch.no_grad():
        layer.weight.copy_(shared.weight.flatten(1).T.expand_as(layer.weight))
        assert shared.bias is not None
        layer.bias.copy_(shared.bias.expand_as(layer.bias))
    torch.testing.assert_close(layer(maps), shared(maps))


def test_a_dense_map_is_a_product_laid_out_as_a_map() -> None:
    maps = seeded(2, 3, 4, 5)
    layer = DenseMap((3, 4, 5), (2, 3, 4)).double()
    made = layer(maps)
    assert made.shape == (2, 2, 3, 4)
    for filter_, row, column in product(range(2), range(3), range(4)):
        unit = (row * 4 + column) * 2 + filter_
        expected = (maps * layer.weight[unit].reshape(3, 4, 5)).sum((1, 2, 3)) + layer.bias[unit]
        torch.testing.assert_close(made[:, filter_, row, column], expected)
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_gradients_are_those_of_finite_differences() -> None:
    maps = seeded(2, 2, 7, 6).requires_grad_()
    for config in LOCAL:
        layer = locally_connected(config)
        assert torch.autograd.gradcheck(layer, (maps,))
        names = [name for name, _ in layer.named_parameters()]
        values = [value.detach().clone().requires_grad_() for value in layer.parameters()]

        def answered(*given: Tensor, layer: nn.Module = layer, names: list[str] = names) -> Tensor:
            return torch.func.functional_call(layer, dict(zip(names, given, strict=True)), maps)

        assert torch.autograd.gradcheck(answered, values)
    assert torch.autograd.gradcheck(DenseMap((2, 7, 6), (2, 2, 3)).double(), (maps,))
    axes = pooling_axes((7, 6), DownsampleConfig(Operator.depthwise, 3, 2, 1))
    assert torch.autograd.gradcheck(Convolution(2, 2, *axes, depthwise=True).double(), (maps,))


def test_the_global_average_is_the_mean_of_each_map() -> None:
    maps = seeded(2, 3, 5, 4)
    assert GlobalAverage()(maps).shape == (2, 3)
    torch.testing.assert_close(GlobalAverage()(maps), maps.mean(dim=(2, 3)))
