"""The layers of a network as torch modules: learned layers, pooling, detectors.

Every module takes response maps of shape (N, C, H, W), in any memory format. "Same" padding of an
even kernel or with a stride above 1 differs before and after, and a strided kernel may crop
trailing pixels: torch's `Conv2d` can do neither, `padded` does both. Pooling never counts padding:
max pooling pads with −∞; means, blurs and L2 pooling use the existing pixels only.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from convchoice.config.schema import Activation, Operator, PaddingMode
from convchoice.networks.conv_arithmetic import Axes

DETECTORS: dict[Activation, type[nn.Module]] = {
    Activation.relu: nn.ReLU,
    Activation.tanh: nn.Tanh,
    Activation.gelu: nn.GELU,
}


def padded(maps: Tensor, axes: Axes, mode: PaddingMode = PaddingMode.zeros) -> Tensor:
    """Pad maps (N, C, H, W) as the axes say; a negative `after` crops trailing pixels."""
    height, width = axes
    rows, columns = (maps.shape[2 + side] + min(axes[side].after, 0) for side in (0, 1))
    maps = maps[:, :, :rows, :columns]
    pads = (width.before, max(width.after, 0), height.before, max(height.after, 0))
    torch_mode = "constant" if mode is PaddingMode.zeros else mode.name
    return functional.pad(maps, pads, mode=torch_mode) if any(pads) else maps


class Convolution(nn.Conv2d):
    """A convolution (cross-correlation, as in torch) with planned axes.

    (N, C, H, W) → (N, filters, *axes.output).

    Args:
        channels: channels of the input, C.
        filters: channels of the output.
        axes: the kernel along height and width.
        padding_mode: what the padding contains.
        depthwise: one filter per channel, and no bias (see docs/decisions/operators.md); `filters`
            must equal `channels`.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        axes: Axes,
        padding_mode: PaddingMode = PaddingMode.zeros,
        *,
        depthwise: bool = False,
    ) -> None:
        """Use torch's own padding where it can express the axes: it is faster."""
        even = all(axis.before == axis.after for axis in axes)
        native = even and padding_mode is PaddingMode.zeros
        super().__init__(
            channels,
            filters,
            axes.kernel,
            axes.stride,
            padding=axes.before if native else 0,
            groups=channels if depthwise else 1,
            bias=not depthwise,
        )
        self.axes, self.border_mode, self.native = axes, padding_mode, native

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Pad or crop, then convolve."""
        return super().forward(input if self.native else padded(input, self.axes, self.border_mode))


class LocallyConnected(nn.Module):
    """A convolution without weight sharing: every output position has its own filters.

    (N, C, H, W) → (N, filters, *axes.output), with the arguments of `Convolution`. `weight` is
    (positions, C·f_h·f_w, filters): positions in row-major order, patches in the order of `unfold`
    (channel, row, column), so the transpose of one position's slice is a flattened convolution
    weight. `bias` is (positions, filters). All positions are one batched matrix product. Weights
    are zero until they are drawn.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        axes: Axes,
        padding_mode: PaddingMode = PaddingMode.zeros,
    ) -> None:
        """Allocate the weights."""
        super().__init__()
        self.channels, self.filters = channels, filters
        self.axes, self.border_mode = axes, padding_mode
        positions, patch = math.prod(axes.output), channels * math.prod(axes.kernel)
        self.weight = nn.Parameter(torch.zeros(positions, patch, filters))
        self.bias = nn.Parameter(torch.zeros(positions, filters))

    def forward(self, maps: Tensor) -> Tensor:
        """Unfold into patches, multiply by each position's filters, fold into a map."""
        inputs, axes = padded(maps, self.axes, self.border_mode), self.axes
        # The patches are (N, patch, positions).
        patches = functional.unfold(inputs, axes.kernel, stride=axes.stride)
        products = torch.baddbmm(self.bias.unsqueeze(1), patches.permute(2, 0, 1), self.weight)
        # One copy to channels last, the memory format of the next layers.
        rows = products.transpose(0, 1).contiguous()
        return rows.reshape(-1, *axes.output, self.filters).permute(0, 3, 1, 2)


class DenseMap(nn.Linear):
    """A dense layer from map to map: (N, C, H, W) → (N, *output_shape).

    The rows of `weight` are the output's values by row, column and channel (channel fastest), so
    the output has channels last in memory, as the next layers expect.

    Args:
        input_shape: (C, H, W), flattened in this order.
        output_shape: (C, H, W) of the output.
    """

    def __init__(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        """Allocate a linear layer of the shapes' sizes."""
        super().__init__(math.prod(input_shape), math.prod(output_shape))
        channels, height, width = output_shape
        self.row_shape = (height, width, channels)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Flatten, multiply, reshape into a map."""
        values = super().forward(input.flatten(1))
        return values.reshape(-1, *self.row_shape).permute(0, 3, 1, 2)


class GlobalAverage(nn.Module):
    """The mean of each response map, (N, C, H, W) → (N, C)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Average over both spatial axes; deterministic on CUDA, unlike adaptive pooling."""
        return maps.mean((2, 3))


class WeightedMean(nn.Module):
    """A fixed weighted mean of each window, per channel: y = Σ wᵢ xᵢ / Σ wᵢ.

    Both sums are over the existing pixels of the window, so at a border the weights are
    renormalised and padding is not counted.

    Args:
        weights: (f_h, f_w), with a positive sum; a float64 buffer, not a parameter.
        axes: the window along height and width.
    """

    weights: Tensor

    def __init__(self, weights: Tensor, axes: Axes) -> None:
        """Normalise the weights; they are not part of the state dict."""
        super().__init__()
        self.axes = axes
        self.has_padding = any(axis.before > 0 or axis.after > 0 for axis in axes)
        self.register_buffer("weights", weights / weights.sum(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H', W')."""
        channels = maps.shape[1]
        kernel = self.weights.to(maps.dtype).expand(channels, 1, *self.weights.shape)
        stride = self.axes.stride
        pooled = functional.conv2d(padded(maps, self.axes), kernel, stride=stride, groups=channels)
        if not self.has_padding:
            return pooled
        ones = torch.ones(1, 1, *maps.shape[2:], dtype=self.weights.dtype, device=maps.device)
        # The sum of the weights of each window's existing pixels, (1, 1, H', W').
        existing = functional.conv2d(
            padded(ones, self.axes), self.weights[None, None], stride=stride
        )
        return pooled / existing.to(maps.dtype)


def gaussian_weights(height: int, width: int, sigma: float) -> Tensor:
    """wᵢ = exp(−dᵢ² / 2σ²), where dᵢ is the distance of pixel i to the window's centre.

    Distances and σ are in pixels. In a 2×2 window all pixels have the same distance, so the
    weighted mean is average pooling.

    Returns:
        (height, width), float64, with sum 1.
    """
    rows = torch.arange(height, dtype=torch.float64) - (height - 1) / 2
    columns = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    squared_distance = rows[:, None] ** 2 + columns[None, :] ** 2
    weights = torch.exp(-squared_distance / (2 * sigma**2))
    if not weights.max() >= torch.finfo(weights.dtype).tiny:
        # The weights underflow (or σ² does: NaN). Their common factor cancels in the mean, so take
        # them relative to the largest one; only here, because this changes the rounding.
        weights = torch.exp((squared_distance.min() - squared_distance) / sigma / sigma / 2)
    return weights / weights.sum()


def binomial_weights(height: int, width: int) -> Tensor:
    """Products of binomial coefficients, such as [1, 2, 1] by [1, 2, 1] (Zhang 2019).

    Returns:
        (height, width), float64, with sum 1.
    """

    def row(size: int) -> Tensor:
        coefficients = [math.comb(size - 1, place) for place in range(size)]
        return torch.tensor(coefficients, dtype=torch.float64) / sum(coefficients)

    return torch.outer(row(height), row(width))


class L2Pooling(nn.Module):
    """The L2 norm of each window, per channel: y = √(Σ xᵢ²) over the existing pixels.

    Like torch's `LPPool2d` with norm 2, but with padding, equal before and after. The sum is not
    divided by the number of pixels, so windows at a border have a smaller norm. The gradient of a
    window of zeros, which is frequent behind a ReLU, is 0 (torch's is NaN).
    """

    def __init__(self, axes: Axes) -> None:
        """Store the window."""
        super().__init__()
        self.axes = axes

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H', W')."""
        axes = self.axes
        squares = functional.avg_pool2d(
            maps.pow(2), axes.kernel, axes.stride, axes.before, divisor_override=1
        )
        zero = squares == 0
        # Both fills are needed: the square root has an infinite slope at 0.
        return squares.masked_fill(zero, 1).sqrt().masked_fill(zero, 0)


class MaxOverFilters(nn.Module):
    """Maxout: the maximum of each group of filters, (N, F·k, H, W) → (N, F, H, W).

    Output channel j is the maximum of input channels j·k … j·k + k − 1 (Goodfellow et al. 2013). If
    filters tie, the first one gets the gradient.

    Args:
        pieces: filters per group, k.
    """

    def __init__(self, pieces: int) -> None:
        """Store the group size."""
        super().__init__()
        self.pieces = pieces

    def forward(self, maps: Tensor) -> Tensor:
        """Pool along the channels."""
        images, channels, height, width = maps.shape
        # With channels last a group is contiguous in memory: this pooling takes half the time of a
        # maximum over a separate axis.
        rows = maps.permute(0, 2, 3, 1).reshape(1, -1, channels)
        largest = functional.max_pool1d(rows, self.pieces)
        return largest.reshape(images, height, width, -1).permute(0, 3, 1, 2)


def pooling(operator: Operator, axes: Axes, sigma: float = 1.0) -> nn.Module:
    """The module of an operator that reduces each window to one number.

    Args:
        operator: max, average, weighted or l2.
        axes: the window along height and width, with equal padding before and after.
        sigma: standard deviation of the weighted mean's Gaussian, in pixels.
    """
    layout = axes.kernel, axes.stride, axes.before
    if operator is Operator.max:
        return nn.MaxPool2d(*layout)
    if operator is Operator.average:
        return nn.AvgPool2d(*layout, count_include_pad=False)
    if operator is Operator.weighted:
        return WeightedMean(gaussian_weights(*axes.kernel, sigma), axes)
    return L2Pooling(axes)
