"""Pooling, blurs and maxout, against the lecture's example, naive loops and torch."""

import math
from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convchoice.config.schema import DownsampleConfig, Operator
from convchoice.networks.conv_arithmetic import Axes, Axis, blur_axes, pooling_axes
from convchoice.networks.layers import (
    MaxOverFilters,
    WeightedMean,
    binomial_weights,
    gaussian_weights,
    pooling,
)

# The lecture's 4×4 example, slide "Pooling".
EXAMPLE = torch.tensor(
    [[2.0, 3.0, 1.0, 9.0], [4.0, 7.0, 3.0, 5.0], [8.0, 2.0, 2.0, 2.0], [1.0, 3.0, 4.0, 5.0]]
)[None, None]
LAYOUTS = [(2, 2, 0), (3, 2, 1), (4, 2, 2), (5, 3, 2), (3, 1, 1), (1, 2, 0)]
"""Window, stride, padding."""

Pixel = tuple[int, int, float]
"""Row and column in the window, value."""


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def axes_on(maps: Tensor, window: int, stride: int, padding: int = 0) -> Axes:
    return Axes(*(Axis(size, window, stride, padding, padding) for size in maps.shape[2:]))


def max_blur(maps: Tensor, config: DownsampleConfig) -> nn.Sequential:
    """The two layers that the plan has for this operator."""
    dense = pooling_axes((maps.shape[2], maps.shape[3]), config, stride=1)
    axes = blur_axes(dense, config)
    blur = WeightedMean(binomial_weights(*axes.kernel), axes)
    return nn.Sequential(pooling(Operator.max, dense), blur)


def naive(maps: Tensor, axes: Axes, reduce: Callable[[list[Pixel]], float]) -> Tensor:
    """Window by window: `reduce` of the pixels that exist."""
    height, width = axes
    outputs = torch.zeros(*maps.shape[:2], height.output, width.output, dtype=maps.dtype)
    for image, channel, row, column in product(*(range(size) for size in outputs.shape)):
        pixels = []
        for y, x in product(range(height.kernel), range(width.kernel)):
            pixel_row = row * height.stride + y - height.before
            pixel_column = column * width.stride + x - width.before
            if 0 <= pixel_row < maps.shape[2] and 0 <= pixel_column < maps.shape[3]:
                pixels.append((y, x, maps[image, channel, pixel_row, pixel_column].item()))
        outputs[image, channel, row, column] = reduce(pixels) if pixels else math.nan
    return outputs


def weighted_mean(pixels: list[Pixel], weight: Callable[[int, int], float]) -> float:
    weights = [weight(y, x) for y, x, _ in pixels]
    total = sum(each * value for each, (_, _, value) in zip(weights, pixels, strict=True))
    return total / sum(weights)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (Operator.max, [[7.0, 9.0], [8.0, 5.0]]),
        # The slide prints 3.25 in the lower left; (8 + 2 + 1 + 3) / 4 is 3.5.
        (Operator.average, [[4.0, 4.5], [3.5, 3.25]]),
        (Operator.l2, [[78**0.5, 116**0.5], [78**0.5, 49**0.5]]),
    ],
)
def test_lecture_example(operator: Operator, expected: list[list[float]]) -> None:
    pooled = pooling(operator, axes_on(EXAMPLE, 2, 2))(EXAMPLE)
    torch.testing.assert_close(pooled[0, 0], torch.tensor(expected))


def test_lecture_example_of_max_blur_by_hand() -> None:
    """The maxima with stride 1 are [7 7 9; 8 7 5; 8 4 5]; [1 2 1] by [1 2 1] at their corners."""
    pooled = max_blur(EXAMPLE, DownsampleConfig(Operator.max_blur))(EXAMPLE)
    expected = torch.tensor(
        [[28 + 14 + 16 + 7, 36 + 14 + 10 + 7], [32 + 8 + 16 + 7, 20 + 8 + 10 + 7]]
    )
    torch.testing.assert_close(pooled[0, 0], expected / 9)


def gaussian(layout: tuple[int, int, int], sigma: float) -> Callable[[list[Pixel]], float]:
    def weight(y: int, x: int) -> float:
        centre = (layout[0] - 1) / 2
        return math.exp(-((y - centre) ** 2 + (x - centre) ** 2) / (2 * sigma**2))

    return lambda pixels: weighted_mean(pixels, weight)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("operator", "sigma"),
    [("max", 1.0), ("average", 1.0), ("l2", 1.0), ("weighted", 1.0), ("weighted", 0.5)],
)
def test_pooling_equals_the_naive_loop(
    operator: str, sigma: float, layout: tuple[int, int, int]
) -> None:
    maps = seeded(2, 2, 8, 7) - 5  # negative: padding with 0 would win the maximum
    reduce = {
        "max": lambda pixels: max(value for _, _, value in pixels),
        "average": lambda pixels: weighted_mean(pixels, lambda _y, _x: 1),
        "l2": lambda pixels: math.hypot(*(value for _, _, value in pixels)),
        "weighted": gaussian(layout, sigma),
    }[operator]
    axes = axes_on(maps, *layout)
    pooled = pooling(Operator[operator], axes, sigma)(maps)
    torch.testing.assert_close(pooled, naive(maps, axes, reduce), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("side", [1, 2, 5])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_max_blur_equals_the_naive_loop(layout: tuple[int, int, int], side: int) -> None:
    window, stride, padding = layout
    maps = seeded(1, 2, 8, 7)
    config = DownsampleConfig(Operator.max_blur, window, stride, padding, kernel_size=side)
    dense_axes, grid = axes_on(maps, window, 1, padding), axes_on(maps, window, stride, padding)
    dense = naive(maps, dense_axes, lambda pixels: max(value for _, _, value in pixels))
    # The blur is centred, by its tap (side − 1) // 2, on the maximum that pooling would have kept.
    axes = Axes(*(Axis(size, side, stride, (side - 1) // 2, side) for size in dense.shape[2:]))

    def weight(y: int, x: int) -> float:
        return math.comb(side - 1, y) * math.comb(side - 1, x)

    expected = naive(dense, axes, lambda pixels: weighted_mean(pixels, weight))
    expected = expected[:, :, : grid.height.output, : grid.width.output]
    torch.testing.assert_close(max_blur(maps, config)(maps), expected, rtol=1e-12, atol=1e-12)


def test_max_blur_away_from_borders_equals_zhang_2019() -> None:
    maps = seeded(1, 3, 16, 16)
    row = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64) / 4
    kernel = torch.outer(row, row).expand(3, 1, 3, 3)
    reflected = functional.pad(functional.max_pool2d(maps, 2, 1), (1, 1, 1, 1), mode="reflect")
    theirs = functional.conv2d(reflected, kernel, stride=2, groups=3)
    ours = max_blur(maps, DownsampleConfig(Operator.max_blur))(maps)
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours[:, :, 1:-1, 1:-1], theirs[:, :, 1:-1, 1:-1])


def test_weights_by_hand() -> None:
    row = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)
    binomial = torch.outer(row, row) / row.sum() ** 2
    torch.testing.assert_close(binomial_weights(4, 4), binomial)
    torch.testing.assert_close(gaussian_weights(4, 4, math.log(3) ** -0.5), binomial)
    # Equal distances: average pooling, whatever sigma.
    torch.testing.assert_close(gaussian_weights(2, 2, 0.3), torch.full((2, 2), 0.25).double())


@pytest.mark.parametrize("sigma", [0.0187, 0.01, 1e-200])
def test_gaussian_weights_that_underflow_are_those_of_the_nearest_pixels(sigma: float) -> None:
    expected = torch.zeros(4, 4, dtype=torch.float64)
    expected[1:3, 1:3] = 0.25
    assert torch.equal(gaussian_weights(4, 4, sigma), expected)
    centre = torch.zeros(3, 3, dtype=torch.float64)
    centre[1, 1] = 1
    assert torch.equal(gaussian_weights(3, 3, sigma), centre)


def test_l2_pooling_of_zeros_has_gradient_0_and_nan_stays_nan() -> None:
    maps = torch.zeros(1, 1, 4, 4, requires_grad=True)
    pooling(Operator.l2, axes_on(maps, 2, 2))(maps).sum().backward()
    assert maps.grad is not None
    assert maps.grad.eq(0).all()
    broken = torch.full((1, 1, 2, 2), math.nan)
    assert pooling(Operator.l2, axes_on(broken, 2, 2))(broken).isnan().all()


def test_maxout_is_the_maximum_of_neighbouring_filters() -> None:
    maps = seeded(2, 12, 3, 5)
    assert torch.equal(MaxOverFilters(3)(maps), maps.unflatten(1, (4, 3)).amax(2))
