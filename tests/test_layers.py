"""The building blocks, against the lecture's worked example, naive loops and torch itself."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convchoice.geometry import Axis, convolution_axis, strided_axis
from convchoice.layers import Convolution, GlobalAverage, WeightedPooling, pooling
from convchoice.schema import ConvConfig, DownsampleConfig, Operator, Padding, PaddingMode

# The lecture's 4×4 example, slide "Pooling".
EXAMPLE = torch.tensor(
    [[2.0, 3.0, 1.0, 9.0], [4.0, 7.0, 3.0, 5.0], [8.0, 2.0, 2.0, 2.0], [1.0, 3.0, 4.0, 5.0]]
)[None, None]


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def test_the_lectures_max_pooling_example() -> None:
    pooled = pooling(DownsampleConfig(Operator.max))(EXAMPLE)
    assert pooled.tolist() == [[[[7.0, 9.0], [8.0, 5.0]]]]


def test_the_lectures_average_pooling_example_with_its_slip_put_right() -> None:
    # The slide prints 3.25 in the lower left; (8 + 2 + 1 + 3) / 4 is 3.5.
    pooled = pooling(DownsampleConfig(Operator.average))(EXAMPLE)
    assert pooled.tolist() == [[[[4.0, 4.5], [3.5, 3.25]]]]


def test_max_pooling_pads_with_minus_infinity() -> None:
    negative = -torch.ones(1, 1, 4, 4)
    pooled = pooling(DownsampleConfig(Operator.max, window=4, stride=2, padding=1))(negative)
    assert pooled.unique().tolist() == [-1.0]


@pytest.mark.parametrize("operator", [Operator.average, Operator.weighted])
def test_means_never_count_padding(operator: Operator) -> None:
    constant = torch.full((1, 2, 11, 9), 5.0)
    pooled = pooling(DownsampleConfig(operator, window=4, stride=2, padding=1))(constant)
    assert torch.allclose(pooled, torch.tensor(5.0))


def naive_weighted_pooling(
    maps: Tensor, window: int, stride: int, padding: int, sigma: float
) -> Tensor:
    """Σ wᵢxᵢ / Σ wᵢ, pixel by pixel."""
    rows, columns = ((size + 2 * padding - window) // stride + 1 for size in maps.shape[2:])
    pooled = torch.zeros(*maps.shape[:2], rows, columns, dtype=maps.dtype)
    centre = (window - 1) / 2
    for image, channel, row, column in product(
        range(maps.shape[0]), range(maps.shape[1]), range(rows), range(columns)
    ):
        total = weight_sum = 0.0
        for y, x in product(range(window), repeat=2):
            pixel_row, pixel_column = row * stride + y - padding, column * stride + x - padding
            if 0 <= pixel_row < maps.shape[2] and 0 <= pixel_column < maps.shape[3]:
                squared_distance = (y - centre) ** 2 + (x - centre) ** 2
                weight = math.exp(-squared_distance / (2 * sigma**2))
                total += weight * maps[image, channel, pixel_row, pixel_column].item()
                weight_sum += weight
        pooled[image, channel, row, column] = total / weight_sum
    return pooled


@pytest.mark.parametrize(
    ("window", "stride", "padding", "sigma"),
    [(3, 2, 0, 1.0), (4, 2, 1, 1.0), (4, 2, 1, 0.5), (5, 3, 2, 2.0), (3, 1, 1, 0.8)],
)
def test_weighted_pooling_is_the_naive_loop(
    window: int, stride: int, padding: int, sigma: float
) -> None:
    maps = seeded(2, 3, 8, 7)
    pooled = WeightedPooling(window, stride, padding, sigma)(maps)
    expected = naive_weighted_pooling(maps, window, stride, padding, sigma)
    torch.testing.assert_close(pooled, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 5.0])
def test_a_2x2_weighted_window_is_exactly_average_pooling(sigma: float) -> None:
    maps = seeded(2, 3, 9, 8)
    weighted = WeightedPooling(window=2, stride=2, padding=0, sigma=sigma)(maps)
    torch.testing.assert_close(weighted, functional.avg_pool2d(maps, 2), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    ("window", "sigma", "binomial"),
    [
        (3, (2 * math.log(2)) ** -0.5, [1.0, 2.0, 1.0]),
        (4, math.log(3) ** -0.5, [1.0, 3.0, 3.0, 1.0]),
    ],
)
def test_binomial_weights_are_gaussian_ones(
    window: int, sigma: float, binomial: list[float]
) -> None:
    row = torch.tensor(binomial, dtype=torch.float64)
    expected = torch.outer(row, row) / row.sum() ** 2
    weights = WeightedPooling(window, stride=2, padding=0, sigma=sigma).weights
    torch.testing.assert_close(weights, expected, rtol=1e-12, atol=0)


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
@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
def test_same_padding_keeps_the_size_and_pads_as_numpy_does(mode: PaddingMode, kernel: int) -> None:
    numpy_modes = {
        PaddingMode.zeros: "constant",
        PaddingMode.reflect: "reflect",
        PaddingMode.replicate: "edge",
        PaddingMode.circular: "wrap",
    }
    config = ConvConfig(kernel_size=kernel, padding=Padding.same, padding_mode=mode)
    height, width = convolution_axis(9, config), convolution_axis(8, config)
    maps = seeded(1, 2, 9, 8)
    layer = Convolution(2, 3, height, width, mode).double()
    padded = np.pad(
        maps.numpy(),
        ((0, 0), (0, 0), (height.before, height.after), (width.before, width.after)),
        mode=numpy_modes[mode],  # type: ignore[call-overload]
    )
    made = layer(maps)
    assert made.shape[2:] == (9, 8)
    torch.testing.assert_close(made, patches_times_weights(torch.from_numpy(padded), layer))


@pytest.mark.parametrize("size", [26, 13, 12, 11, 28])
def test_a_strided_convolution_is_the_unstrided_one_at_each_windows_first_pixel(size: int) -> None:
    config, downsample = ConvConfig(), DownsampleConfig(Operator.strided)
    unstrided_axis = convolution_axis(size, config)
    axis = strided_axis(unstrided_axis, downsample)
    maps = seeded(1, 2, size, size)
    strided = Convolution(2, 3, axis, axis).double()
    unstrided = Convolution(2, 3, unstrided_axis, unstrided_axis).double()
    unstrided.load_state_dict(strided.state_dict())
    windows = unstrided_axis.output // 2
    expected = unstrided(maps)[:, :, ::2, ::2][:, :, :windows, :windows]
    torch.testing.assert_close(strided(maps), expected)


def test_the_global_average_is_the_mean_of_each_map() -> None:
    maps = seeded(2, 3, 5, 4)
    assert GlobalAverage()(maps).shape == (2, 3)
    torch.testing.assert_close(GlobalAverage()(maps), maps.mean(dim=(2, 3)))


def test_pooling_refuses_what_does_not_pool() -> None:
    with pytest.raises(ValueError, match="strided is not a pooling operator"):
        pooling(DownsampleConfig(Operator.strided))
