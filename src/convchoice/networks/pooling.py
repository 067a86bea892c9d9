"""What a block does without learning: windows, blurs and the largest of several filters.

Every module takes and gives response maps (N, C, H, W), in any memory format. The padding traps are
handled here, where they occur: max pooling pads with −∞, and a mean, a blur or a root of squares is
of the pixels that exist and never of padding.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from convchoice.config.schema import Operator
from convchoice.networks.conv_arithmetic import Axes
from convchoice.networks.layers import framed


class WeightedMean(nn.Module):
    """A fixed weighted mean of each window, per channel: y = Σ wᵢ xᵢ / Σ wᵢ.

    Both sums are over the pixels of the window that exist. At a border the weights of the pixels
    that exist are so brought back to a sum of 1, and padding is never counted.

    Args:
        weights: (f_h, f_w), of any positive sum; kept in float64 and no parameter.
        axes: how the window is laid on height and width.
    """

    weights: Tensor

    def __init__(self, weights: Tensor, axes: Axes) -> None:
        """Bring the weights to a sum of 1; they are not saved with the network."""
        super().__init__()
        self.axes = axes
        self.strides = (axes[0].stride, axes[1].stride)
        self.padded = any(axis.before > 0 or axis.after > 0 for axis in axes)
        self.register_buffer("weights", weights / weights.sum(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H', W')."""
        channels = maps.shape[1]
        kernel = self.weights.to(maps.dtype).expand(channels, 1, *self.weights.shape)
        pooled: Tensor = functional.conv2d(
            framed(maps, self.axes), kernel, stride=self.strides, groups=channels
        )
        return pooled / self._present(maps) if self.padded else pooled

    def _present(self, maps: Tensor) -> Tensor:
        """The sum of the weights of the pixels that exist, (1, 1, H', W')."""
        ones = torch.ones(1, 1, *maps.shape[2:], dtype=self.weights.dtype, device=maps.device)
        present = functional.conv2d(
            framed(ones, self.axes), self.weights[None, None], stride=self.strides
        )
        return present.to(maps.dtype)


def gaussian_weights(height: int, width: int, sigma: float) -> Tensor:
    """wᵢ = exp(−dᵢ² / 2σ²), dᵢ the distance from pixel i to the window's geometric centre.

    Distances and σ in pixels (the lecture's "Weighted Pooling"). In a 2×2 window all pixels are
    equally far from the centre, which makes the mean average pooling.

    Returns:
        (height, width), float64, of sum 1.
    """
    rows = torch.arange(height, dtype=torch.float64) - (height - 1) / 2
    columns = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    squared_distance = rows[:, None] ** 2 + columns[None, :] ** 2
    weights = torch.exp(-squared_distance / (2 * sigma**2))
    return weights / weights.sum()


def binomial_weights(height: int, width: int) -> Tensor:
    """Products of binomial coefficients, such as [1, 2, 1] by [1, 2, 1] (Zhang 2019).

    Returns:
        (height, width), float64, of sum 1.
    """

    def row(size: int) -> Tensor:
        coefficients = [math.comb(size - 1, place) for place in range(size)]
        return torch.tensor(coefficients, dtype=torch.float64) / sum(coefficients)

    return torch.outer(row(height), row(width))


class L2Pooling(nn.Module):
    """The root of the sum of squares of each window, per channel: y = √(Σ xᵢ²).

    As torch's `LPPool2d` with a norm of 2, and with padding besides: the sum is over the pixels
    that exist, nothing is divided by their number, so a window at the border has a smaller root.
    Where all pixels of a window are 0, as behind a ReLU they often are, the gradient is 0 (torch's
    own is NaN there).

    Args:
        axes: how the window is laid on height and width.
    """

    def __init__(self, axes: Axes) -> None:
        """Keep the layout."""
        super().__init__()
        height, width = axes
        self.window = (height.kernel, width.kernel)
        self.strides = (height.stride, width.stride)
        self.padding = (height.before, width.before)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H', W')."""
        squares = functional.avg_pool2d(
            maps.pow(2), self.window, self.strides, self.padding, divisor_override=1
        )
        zero = squares == 0
        # Both steps keep the root's infinite slope at 0 out of the gradient.
        return squares.masked_fill(zero, 1).sqrt().masked_fill(zero, 0)


class MaxOverFilters(nn.Module):
    """The largest of each group of filters: (N, F·k, H, W) → (N, F, H, W) (Goodfellow 2013).

    Output channel j is the maximum over the input's channels j·k … j·k + k − 1. Of filters that tie
    the first has the gradient, as of pixels in max pooling.

    Args:
        pieces: filters to a group, k.
    """

    def __init__(self, pieces: int) -> None:
        """Keep the size of a group."""
        super().__init__()
        self.pieces = pieces

    def forward(self, maps: Tensor) -> Tensor:
        """Group neighbouring channels and keep the largest."""
        images, channels, height, width = maps.shape
        # With channels last a group lies together in memory: pooling along it costs half of what
        # a maximum over an axis of its own does.
        rows = maps.permute(0, 2, 3, 1).reshape(1, -1, channels)
        largest = functional.max_pool1d(rows, self.pieces)
        return largest.reshape(images, height, width, -1).permute(0, 3, 1, 2)


def blur(axes: Axes) -> WeightedMean:
    """A binomial blur over planned axes, renormalised over the pixels that exist at a border."""
    return WeightedMean(binomial_weights(axes[0].kernel, axes[1].kernel), axes)


def pooling(operator: Operator, axes: Axes, sigma: float = 1.0) -> nn.Module:
    """The module of an operator that takes one number of each window.

    Args:
        operator: max, average, weighted or l2.
        axes: how the window is laid on height and width, with equal padding before and after.
        sigma: width of the weighted mean's Gaussian, in pixels.

    Raises:
        ValueError: if the operator takes more than a window (those are planned layer by layer).
    """
    height, width = axes
    window, strides = (height.kernel, width.kernel), (height.stride, width.stride)
    padding = (height.before, width.before)
    if operator is Operator.max:
        return nn.MaxPool2d(window, strides, padding)
    if operator is Operator.average:
        return nn.AvgPool2d(window, strides, padding, count_include_pad=False)
    if operator is Operator.weighted:
        return WeightedMean(gaussian_weights(*window, sigma), axes)
    if operator is Operator.l2:
        return L2Pooling(axes)
    raise ValueError(f"{operator.name} is no function of one window")
