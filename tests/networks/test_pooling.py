"""What a block does without learning, against the lecture's example, naive loops and torch."""

import math
from collections.abc import Callable
from itertools import product

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from convchoice.config.schema import DownsampleConfig, Operator
from convchoice.networks.conv_arithmetic import Axes, Axis, blur_axes, pooling_axes
from convchoice.networks.pooling import (
    L2Pooling,
    MaxOverFilters,
    WeightedMean,
    binomial_weights,
    blur,
    gaussian_weights,
    pooling,
)

# The lecture's 4×4 example, slide "Pooling".
EXAMPLE = torch.tensor(
    [[2.0, 3.0, 1.0, 9.0], [4.0, 7.0, 3.0, 5.0], [8.0, 2.0, 2.0, 2.0], [1.0, 3.0, 4.0, 5.0]]
)[None, None]


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def laid(maps: Tensor, window: int, stride: int, padding: int = 0) -> Axes:
    height, width = (Axis(size, window, stride, padding, padding) for size in maps.shape[2:])
    return height, width


def max_blur(maps: Tensor, config: DownsampleConfig) -> nn.Sequential:
    """The two layers that `geometry` plans for this operator."""
    dense = pooling_axes((maps.shape[2], maps.shape[3]), config, stride=1)
    return nn.Sequential(pooling(Operator.max, dense), blur(blur_axes(dense, config)))


def naive(
    maps: Tensor, axes: Axes, answer: Callable[[list[tuple[int, int, float]]], float]
) -> Tensor:
    """Window by window: `answer` of the (row, column, value) that exist, counted in the window."""
    height, width = axes
    made = torch.zeros(*maps.shape[:2], height.output, width.output, dtype=maps.dtype)
    for image, channel, row, column in product(*(range(size) for size in made.shape)):
        there = []
        for y, x in product(range(height.kernel), range(width.kernel)):
            pixel_row = row * height.stride + y - height.before
            pixel_column = column * width.stride + x - width.before
            if 0 <= pixel_row < maps.shape[2] and 0 <= pixel_column < maps.shape[3]:
                there.append((y, x, maps[image, channel, pixel_row, pixel_column].item()))
        made[image, channel, row, column] = answer(there)
    return made


LAYOUTS = [(2, 2, 0), (3, 2, 1), (3, 2, 0), (4, 2, 1), (4, 2, 2), (5, 3, 2), (3, 1, 1), (1, 2, 0)]


def test_the_lectures_max_pooling_example() -> None:
    pooled = pooling(Operator.max, laid(EXAMPLE, 2, 2))(EXAMPLE)
    assert pooled.tolist() == [[[[7.0, 9.0], [8.0, 5.0]]]]


def test_the_lectures_average_pooling_example_with_its_slip_put_right() -> None:
    # The slide prints 3.25 in the lower left; (8 + 2 + 1 + 3) / 4 is 3.5.
    pooled = pooling(Operator.average, laid(EXAMPLE, 2, 2))(EXAMPLE)
    assert pooled.tolist() == [[[[4.0, 4.5], [3.5, 3.25]]]]


def test_the_lectures_example_by_the_root_of_squares() -> None:
    pooled = pooling(Operator.l2, laid(EXAMPLE, 2, 2))(EXAMPLE)
    expected = torch.tensor([[4 + 9 + 16 + 49, 1 + 81 + 9 + 25], [64 + 4 + 1 + 9, 4 + 4 + 16 + 25]])
    torch.testing.assert_close(pooled[0, 0], expected.sqrt())


def test_the_lectures_example_by_max_and_blur() -> None:
    """The maxima with stride 1 are [7 7 9; 8 7 5; 8 4 5]; [1 2 1] by [1 2 1] at their corners."""
    pooled = max_blur(EXAMPLE, DownsampleConfig(Operator.max_blur))(EXAMPLE)
    # 2·2·7 + 2·7 + 2·8 + 7 of 9 weights, and so on; the third row and column are centres too.
    expected = torch.tensor(
        [[28 + 14 + 16 + 7, 36 + 14 + 10 + 7], [32 + 8 + 16 + 7, 20 + 8 + 10 + 7]]
    )
    torch.testing.assert_close(pooled[0, 0], expected / 9)


def test_max_pooling_pads_with_minus_infinity() -> None:
    negative = -torch.ones(1, 1, 4, 4)
    pooled = pooling(Operator.max, laid(negative, 4, 2, 1))(negative)
    assert pooled.unique().tolist() == [-1.0]


@pytest.mark.parametrize("operator", [Operator.average, Operator.weighted])
def test_means_never_count_padding(operator: Operator) -> None:
    constant = torch.full((1, 2, 11, 9), 5.0)
    pooled = pooling(operator, laid(constant, 4, 2, 1))(constant)
    assert torch.allclose(pooled, torch.tensor(5.0))


@pytest.mark.parametrize("side", [2, 3, 4, 5])
@pytest.mark.parametrize("padding", [0, 1])
def test_a_blur_never_counts_padding(side: int, padding: int) -> None:
    constant = torch.full((1, 2, 11, 8), -5.0)
    config = DownsampleConfig(Operator.max_blur, 3, 2, padding, kernel_size=side)
    assert torch.allclose(max_blur(constant, config)(constant), torch.tensor(-5.0))


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("window", "stride", "padding"), LAYOUTS)
def test_weighted_pooling_is_the_naive_loop(
    window: int, stride: int, padding: int, sigma: float
) -> None:
    def mean(there: list[tuple[int, int, float]]) -> float:
        centre = (window - 1) / 2
        weights = [
            math.exp(-((y - centre) ** 2 + (x - centre) ** 2) / (2 * sigma**2)) for y, x, _ in there
        ]
        total = sum(weight * value for weight, (_, _, value) in zip(weights, there, strict=True))
        return total / sum(weights)

    maps = seeded(2, 2, 8, 7)
    axes = laid(maps, window, stride, padding)
    pooled = pooling(Operator.weighted, axes, sigma)(maps)
    torch.testing.assert_close(pooled, naive(maps, axes, mean), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("window", "stride", "padding"), LAYOUTS)
@pytest.mark.parametrize(
    ("operator", "answer"),
    [
        (Operator.max, max),
        (Operator.average, lambda values: sum(values) / len(values)),
        (Operator.l2, lambda values: math.sqrt(sum(value**2 for value in values))),
    ],
)
def test_pooling_is_the_naive_loop(
    operator: Operator,
    answer: Callable[[list[float]], float],
    window: int,
    stride: int,
    padding: int,
) -> None:
    maps = seeded(2, 2, 8, 7)
    axes = laid(maps, window, stride, padding)
    expected = naive(maps, axes, lambda there: answer([value for _, _, value in there]))
    torch.testing.assert_close(pooling(operator, axes)(maps), expected, rtol=1e-12, atol=1e-12)


def test_windows_may_be_rectangles() -> None:
    maps = seeded(1, 2, 9, 8)
    axes = (Axis(9, 3, 2, 1, 1), Axis(8, 4, 3, 2, 2))
    for operator in (Operator.max, Operator.average, Operator.l2, Operator.weighted):
        assert pooling(operator, axes)(maps).shape[2:] == (5, 3)
    weights = gaussian_weights(3, 4, 0.7)
    assert weights.shape == (3, 4)
    torch.testing.assert_close(weights, weights.flip(0).flip(1))


@pytest.mark.parametrize("side", [2, 3, 4, 5])
@pytest.mark.parametrize(("window", "stride", "padding"), LAYOUTS)
def test_max_blur_is_the_naive_loop(window: int, stride: int, padding: int, side: int) -> None:
    maps = seeded(1, 2, 8, 7)
    config = DownsampleConfig(Operator.max_blur, window, stride, padding, kernel_size=side)
    dense_axes = laid(maps, window, 1, padding)
    dense = naive(maps, dense_axes, lambda there: max(value for _, _, value in there))
    grid = laid(maps, window, stride, padding)
    before = (side - 1) // 2
    # Centred, by their tap number `before`, on the maximum that the pooling would have kept.
    height, width = (Axis(size, side, stride, before, side) for size in dense.shape[2:])

    def mean(there: list[tuple[int, int, float]]) -> float:
        taps = [math.comb(side - 1, y) * math.comb(side - 1, x) for y, x, _ in there]
        if not taps:  # behind the last window
            return math.nan
        return sum(tap * value for tap, (_, _, value) in zip(taps, there, strict=True)) / sum(taps)

    expected = naive(dense, (height, width), mean)[:, :, : grid[0].output, : grid[1].output]
    blurred = max_blur(maps, config)(maps)
    assert blurred.shape[2:] == (grid[0].output, grid[1].output)
    torch.testing.assert_close(blurred, expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=300, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    window=st.integers(1, 5),
    stride=st.integers(1, 5),
    padding=st.integers(0, 2),
    side=st.integers(1, 7),
)
def test_max_blur_has_the_grid_of_max_and_a_blur_of_one_pixel_is_max(
    sizes: tuple[int, int], window: int, stride: int, padding: int, side: int
) -> None:
    assume(padding <= window // 2)
    config = DownsampleConfig(Operator.max_blur, window, stride, padding, kernel_size=side)
    grid = pooling_axes(sizes, config)
    assume(all(axis.fits for axis in grid))
    maps = torch.rand(1, 1, *sizes)
    pooled, blurred = pooling(Operator.max, grid)(maps), max_blur(maps, config)(maps)
    assert blurred.shape == pooled.shape
    if side == 1:
        assert torch.equal(blurred, pooled)


def test_inside_the_map_max_blur_is_zhangs() -> None:
    """Zhang's own layer, on pixels where it meets no border: reflection then plays no part."""
    maps = seeded(1, 3, 16, 16)
    row = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64) / 4
    kernel = torch.outer(row, row).expand(3, 1, 3, 3)
    dense = functional.max_pool2d(maps, 2, 1)
    padded = functional.pad(dense, (1, 1, 1, 1), mode="reflect")
    theirs = functional.conv2d(padded, kernel, stride=2, groups=3)
    ours = max_blur(maps, DownsampleConfig(Operator.max_blur))(maps)
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours[:, :, 1:-1, 1:-1], theirs[:, :, 1:-1, 1:-1])


@pytest.mark.parametrize("sigma", [0.3, 1.0, 5.0])
def test_a_2x2_weighted_window_is_exactly_average_pooling(sigma: float) -> None:
    maps = seeded(2, 3, 9, 8)
    weighted = pooling(Operator.weighted, laid(maps, 2, 2), sigma)(maps)
    torch.testing.assert_close(weighted, functional.avg_pool2d(maps, 2), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    ("window", "sigma", "coefficients"),
    [
        (3, (2 * math.log(2)) ** -0.5, [1.0, 2.0, 1.0]),
        (4, math.log(3) ** -0.5, [1.0, 3.0, 3.0, 1.0]),
    ],
)
def test_binomial_weights_are_gaussian_ones(
    window: int, sigma: float, coefficients: list[float]
) -> None:
    row = torch.tensor(coefficients, dtype=torch.float64)
    binomial = binomial_weights(window, window)
    torch.testing.assert_close(binomial, torch.outer(row, row) / row.sum() ** 2)
    gaussian = gaussian_weights(window, window, sigma)
    torch.testing.assert_close(gaussian, binomial, rtol=1e-12, atol=0)


def test_the_root_of_squares_is_torchs_where_nothing_is_padded() -> None:
    maps = seeded(2, 3, 9, 8)
    pooled = pooling(Operator.l2, laid(maps, 3, 2))(maps)
    torch.testing.assert_close(pooled, nn.LPPool2d(2, 3, 2)(maps))


def test_behind_a_relu_the_root_of_squares_has_a_gradient_of_zero_and_keeps_what_is_no_number() -> (
    None
):
    maps = torch.zeros(1, 1, 4, 4, requires_grad=True)
    pooled = pooling(Operator.l2, laid(maps, 2, 2))(maps)
    pooled.sum().backward()
    assert maps.grad is not None
    assert maps.grad.eq(0).all()
    broken = torch.full((1, 1, 2, 2), math.nan)
    assert pooling(Operator.l2, laid(broken, 2, 2))(broken).isnan().all()


def test_maxout_keeps_the_largest_of_neighbouring_filters() -> None:
    maps = seeded(2, 12, 3, 5)
    made = MaxOverFilters(3)(maps)
    assert made.shape == (2, 4, 3, 5)
    for channel in range(4):
        group = [maps[:, 3 * channel + piece] for piece in range(3)]
        expected = torch.maximum(torch.maximum(group[0], group[1]), group[2])
        assert torch.equal(made[:, channel], expected)


OWN: dict[str, Callable[[Tensor], nn.Module]] = {
    "weighted": lambda maps: pooling(Operator.weighted, laid(maps, 3, 2, 1), 0.8),
    "l2": lambda maps: L2Pooling(laid(maps, 3, 2, 1)),
    "blur": lambda maps: WeightedMean(binomial_weights(3, 3), laid(maps, 3, 2, 1)),
    "max_blur": lambda maps: max_blur(maps, DownsampleConfig(Operator.max_blur, 2, 2)),
    "maxout": lambda _: MaxOverFilters(2),
}


@pytest.mark.parametrize("name", list(OWN))
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    maps = seeded(2, 4, 5, 6).requires_grad_()
    assert torch.autograd.gradcheck(OWN[name](maps), (maps,))


def test_what_takes_more_than_one_window_is_refused() -> None:
    with pytest.raises(ValueError, match="strided is no function of one window"):
        pooling(Operator.strided, laid(EXAMPLE, 2, 2))
