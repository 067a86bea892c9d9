"""Learned layers and pooling against one naive loop and hand-computed examples."""

import math
from collections.abc import Callable
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
    blur_axes,
    convolution_axes,
    pooling_axes,
    strided_axes,
)
from convchoice.networks.layers import (
    Convolution,
    DenseMap,
    LocallyConnected,
    MaxOverFilters,
    WeightedMean,
    binomial_weights,
    gaussian_weights,
    pooling,
)

NUMPY_MODES = {
    PaddingMode.zeros: "constant",
    PaddingMode.reflect: "reflect",
    PaddingMode.replicate: "edge",
    PaddingMode.circular: "wrap",
}
# The lecture's 4×4 example, slide "Pooling".
EXAMPLE = torch.tensor(
    [[2.0, 3.0, 1.0, 9.0], [4.0, 7.0, 3.0, 5.0], [8.0, 2.0, 2.0, 2.0], [1.0, 3.0, 4.0, 5.0]]
)[None, None]
LAYOUTS = [(2, 2, 0), (3, 2, 1), (4, 2, 2), (5, 3, 2), (3, 1, 1), (1, 2, 0)]
"""Window, stride, padding."""


def seeded(*shape: int, seed: int = 7) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def axes_on(maps: Tensor, window: int, stride: int, padding: int = 0) -> Axes:
    return Axes(*(Axis(size, window, stride, padding, padding) for size in maps.shape[2:]))


def naive(
    maps: Tensor,
    axes: Axes,
    compute: Callable[[Tensor, int], Tensor],
    mode: PaddingMode | None = None,
) -> Tensor:
    """Position by position: `compute` of a window (N, C, f_h, f_w) and its number is (N, F).

    numpy pads; without a mode, pixels beyond the border are NaN.
    """
    height, width = axes
    pads = [(0, 0), (0, 0), *((axis.before, axis.after) for axis in axes)]
    options: Any = {"mode": NUMPY_MODES[mode]} if mode else {"constant_values": math.nan}
    inputs = torch.from_numpy(np.pad(maps.numpy(), pads, **options))
    outputs = []
    for row, column in product(range(height.output), range(width.output)):
        top, left = row * height.stride, column * width.stride
        window = inputs[:, :, top : top + height.kernel, left : left + width.kernel]
        outputs.append(compute(window, len(outputs)))
    return torch.stack(outputs, -1).unflatten(-1, axes.output)


def weighted_mean(weights: Tensor) -> Callable[[Tensor, int], Tensor]:
    """The mean of the pixels that exist."""

    def mean(window: Tensor, _: int) -> Tensor:
        total = (weights * ~window.isnan()).sum((2, 3))
        return (weights * window).nansum((2, 3)) / total

    return mean


def largest(window: Tensor, _: int) -> Tensor:
    return window.nan_to_num(-math.inf).amax((2, 3))


@pytest.mark.parametrize("mode", list(PaddingMode))
@pytest.mark.parametrize(
    ("kernel", "padding", "stride", "sizes"),
    [
        (1, Padding.valid, 3, (3, 3)),
        (7, Padding.valid, 2, (2, 1)),
        (3, Padding.same, 1, (9, 8)),
        (4, Padding.same, 2, (5, 4)),
        ([1, 6], Padding.same, [1, 3], (9, 3)),
        ([2, 3], Padding.full, 1, (10, 10)),
        ([3, 4], [1, 1], [2, 1], (5, 7)),
        ([3, 4], [0, 3], 1, (7, 11)),
    ],
)
@pytest.mark.parametrize("shared", [True, False])
def test_convolution_with_shared_and_with_local_weights_equals_the_naive_loop(
    mode, kernel, padding, stride, sizes, shared
):
    axes, maps = (
        convolution_axes((9, 8), ConvConfig(kernel, padding, mode, stride)),
        seeded(2, 2, 9, 8),
    )
    layer = (Convolution if shared else LocallyConnected)(2, 3, axes, mode).double()
    with torch.no_grad():
        layer.weight.copy_(seeded(*layer.weight.shape, seed=1))
        layer.bias.copy_(seeded(*layer.bias.shape, seed=2))
        outputs = layer(maps)

    def compute(window: Tensor, position: int) -> Tensor:
        weight = layer.weight.flatten(1).T if shared else layer.weight[position]
        return window.flatten(1) @ weight + (layer.bias if shared else layer.bias[position])

    assert outputs.shape[2:] == sizes
    torch.testing.assert_close(outputs, naive(maps, axes, compute, mode))


@pytest.mark.parametrize(("window", "stride", "padding"), [(2, 2, 0), (4, 3, 2)])
def test_depthwise_convolution_equals_the_naive_loop(window, stride, padding):
    maps = seeded(2, 3, 9, 8)
    axes = pooling_axes((9, 8), DownsampleConfig(Operator.depthwise, window, stride, padding))
    layer = Convolution(3, 3, axes, depthwise=True).double().requires_grad_(requires_grad=False)
    assert layer.bias is None
    expected = naive(
        maps, axes, lambda each, _: (each * layer.weight[:, 0]).sum((2, 3)), PaddingMode.zeros
    )
    torch.testing.assert_close(layer(maps), expected)


@pytest.mark.parametrize("sizes", [(26, 26), (13, 12), (11, 28)])
def test_strided_convolution_is_the_unstrided_one_at_each_windows_first_pixel(sizes):
    unstrided_axes, maps = convolution_axes(sizes, ConvConfig()), seeded(1, 2, *sizes)
    axes = strided_axes(unstrided_axes, DownsampleConfig(Operator.strided))
    strided, unstrided = (Convolution(2, 3, each).double() for each in (axes, unstrided_axes))
    unstrided.load_state_dict(strided.state_dict())
    rows, columns = (axis.output // 2 for axis in unstrided_axes)
    expected = unstrided(maps)[:, :, ::2, ::2][:, :, :rows, :columns]
    torch.testing.assert_close(strided(maps), expected)


def test_dense_map_equals_the_naive_loop():
    maps = seeded(2, 3, 4, 5)
    layer = DenseMap((3, 4, 5), (2, 3, 4)).double()
    outputs = layer(maps)
    assert outputs.shape == (2, 2, 3, 4)
    for filter_, row, column in product(range(2), range(3), range(4)):
        unit = (row * 4 + column) * 2 + filter_
        expected = (maps * layer.weight[unit].reshape(3, 4, 5)).sum((1, 2, 3)) + layer.bias[unit]
        torch.testing.assert_close(outputs[:, filter_, row, column], expected)
    assert outputs.is_contiguous(memory_format=torch.channels_last)


def max_blur(maps: Tensor, config: DownsampleConfig) -> nn.Sequential:
    """The two layers that the plan has for this operator."""
    dense = pooling_axes((maps.shape[2], maps.shape[3]), config, stride=1)
    axes = blur_axes(dense, config)
    blur = WeightedMean(binomial_weights(*axes.kernel), axes)
    return nn.Sequential(pooling(Operator.max, dense), blur)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (Operator.l2, [[78**0.5, 116**0.5], [78**0.5, 49**0.5]]),
        # The maxima with stride 1 are [7 7 9; 8 7 5; 8 4 5]; [1 2 1] by [1 2 1] at their corners.
        (Operator.max_blur, [[65 / 9, 67 / 9], [63 / 9, 45 / 9]]),
    ],
)
def test_lecture_example(operator, expected):
    is_blur, axes = operator is Operator.max_blur, axes_on(EXAMPLE, 2, 2)
    layer = max_blur(EXAMPLE, DownsampleConfig(operator)) if is_blur else pooling(operator, axes)
    torch.testing.assert_close(layer(EXAMPLE)[0, 0], torch.tensor(expected))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("operator", "sigma"),
    [("max", 1.0), ("average", 1.0), ("l2", 1.0), ("weighted", 1.0), ("weighted", 0.5)],
)
def test_pooling_equals_the_naive_loop(operator, sigma, layout):
    maps, window = seeded(2, 2, 8, 7) - 5, layout[0]  # negative: zeros would win the maximum
    squares = [[(y - (window - 1) / 2) ** 2 + (x - (window - 1) / 2) ** 2 for x in range(window)]
               for y in range(window)]  # fmt: skip
    gaussian = torch.exp(-torch.tensor(squares, dtype=torch.float64) / (2 * sigma**2))
    compute: Callable[[Tensor, int], Tensor] = {
        "max": largest,
        "average": weighted_mean(torch.ones(window, window)),
        "l2": lambda each, _: each.pow(2).nansum((2, 3)).sqrt(),
        "weighted": weighted_mean(gaussian),
    }[operator]
    axes = axes_on(maps, *layout)
    pooled = pooling(Operator[operator], axes, sigma)(maps)
    torch.testing.assert_close(pooled, naive(maps, axes, compute), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("side", [1, 2, 5])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_max_blur_equals_the_naive_loop(layout, side):
    window, stride, padding = layout
    maps = seeded(1, 2, 8, 7)
    config = DownsampleConfig(Operator.max_blur, window, stride, padding, kernel_size=side)
    dense_axes, grid = axes_on(maps, window, 1, padding), axes_on(maps, window, stride, padding)
    dense = naive(maps, dense_axes, largest)
    # The blur is centred, by its tap (side − 1) // 2, on the maximum that pooling would have kept.
    axes = Axes(*(Axis(size, side, stride, (side - 1) // 2, side) for size in dense.shape[2:]))
    row = torch.tensor([math.comb(side - 1, tap) for tap in range(side)], dtype=torch.float64)
    expected = naive(dense, axes, weighted_mean(torch.outer(row, row)))
    expected = expected[:, :, : grid.height.output, : grid.width.output]
    torch.testing.assert_close(max_blur(maps, config)(maps), expected, rtol=1e-12, atol=1e-12)


def test_weights_by_hand():
    row = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)
    binomial = torch.outer(row, row) / row.sum() ** 2
    torch.testing.assert_close(binomial_weights(4, 4), binomial)
    torch.testing.assert_close(gaussian_weights(4, 4, math.log(3) ** -0.5), binomial)
    # Equal distances: average pooling, whatever sigma.
    torch.testing.assert_close(gaussian_weights(2, 2, 0.3), torch.full((2, 2), 0.25).double())
    for sigma in (0.0187, 0.01, 1e-200):  # weights underflow: those of the nearest pixels
        middle = functional.pad(torch.full((2, 2), 0.25), (1, 1, 1, 1)).double()
        assert torch.equal(gaussian_weights(4, 4, sigma), middle)
        assert gaussian_weights(3, 3, sigma).flatten().tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_l2_pooling_of_zeros_has_gradient_0_and_nan_stays_nan():
    maps = torch.zeros(1, 1, 4, 4, requires_grad=True)
    pooling(Operator.l2, axes_on(maps, 2, 2))(maps).sum().backward()
    assert maps.grad is not None
    assert maps.grad.eq(0).all()
    broken = torch.full((1, 1, 2, 2), math.nan)
    assert pooling(Operator.l2, axes_on(broken, 2, 2))(broken).isnan().all()


def test_maxout_is_the_maximum_of_neighbouring_filters():
    maps = seeded(2, 12, 3, 5)
    assert torch.equal(MaxOverFilters(3)(maps), maps.unflatten(1, (4, 3)).amax(2))
