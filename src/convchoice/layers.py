"""The building blocks as torch modules, each laid out by `geometry`.

Every module takes and gives response maps of shape (N, C, H, W). The padding traps are handled
here, where they occur: max pooling pads with −∞, means never count padding, "same" with an even
kernel or a stride above 1 is uneven, and a kernel may be told to leave out trailing pixels.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from convchoice.geometry import Axis
from convchoice.schema import Activation, DownsampleConfig, Operator, PaddingMode

_PAD_MODE = {
    PaddingMode.zeros: "constant",
    PaddingMode.reflect: "reflect",
    PaddingMode.replicate: "replicate",
    PaddingMode.circular: "circular",
}


class Convolution(nn.Conv2d):
    """A convolution (cross-correlation, as everywhere in this field) over planned axes.

    (N, C, H, W) → (N, filters, height.output, width.output). Padding may differ before and after;
    a negative padding after leaves that many trailing rows or columns out.

    Args:
        channels: depth of the input, C.
        filters: depth of the output.
        height: the kernel along H.
        width: the kernel along W.
        padding_mode: what stands in the padded rows and columns.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        height: Axis,
        width: Axis,
        padding_mode: PaddingMode = PaddingMode.zeros,
    ) -> None:
        """Choose torch's own padding where it can express the plan, for speed."""
        even = height.before == height.after and width.before == width.after
        native = even and padding_mode is PaddingMode.zeros
        super().__init__(
            channels,
            filters,
            kernel_size=(height.kernel, width.kernel),
            stride=(height.stride, width.stride),
            padding=(height.before, width.before) if native else 0,
        )
        self.axes = (height, width)
        self.border_mode = _PAD_MODE[padding_mode]
        self.native = native

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Pad or crop as planned, then convolve."""
        if not self.native:
            input = self._framed(input)  # noqa: A001
        return super().forward(input)

    def _framed(self, maps: Tensor) -> Tensor:
        height, width = self.axes
        rows = maps.shape[2] + min(height.after, 0)
        columns = maps.shape[3] + min(width.after, 0)
        maps = maps[:, :, :rows, :columns]
        pads = (width.before, max(width.after, 0), height.before, max(height.after, 0))
        return functional.pad(maps, pads, mode=self.border_mode) if any(pads) else maps


class WeightedPooling(nn.Module):
    """A fixed weighted mean of each window, per channel (the lecture's "Weighted Pooling").

    y = Σ wᵢ xᵢ / Σ wᵢ over the pixels of a window that exist, with wᵢ = exp(−dᵢ² / 2σ²) and dᵢ the
    distance, in pixels, from pixel i to the window's geometric centre. At a border the weights of
    the pixels that exist are brought back to a sum of 1, so padding is never counted.

    Args:
        window: side of the window, in pixels; of a 2×2 window all pixels are equally far from the
            centre, which makes this average pooling (configurations refuse it, tests use it).
        stride: pixels from one window to the next.
        padding: rows and columns added on each side before the first window is laid.
        sigma: σ, in pixels.
    """

    weights: Tensor

    def __init__(self, window: int, stride: int, padding: int, sigma: float) -> None:
        """Compute the weights once; they are no parameters and are not saved."""
        super().__init__()
        self.stride = stride
        self.padding = padding
        offsets = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
        squared_distance = offsets[:, None] ** 2 + offsets[None, :] ** 2
        weights = torch.exp(-squared_distance / (2 * sigma**2))
        self.register_buffer("weights", weights / weights.sum(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H', W') on the pooling grid."""
        channels = maps.shape[1]
        kernel = self.weights.to(maps.dtype).expand(channels, 1, *self.weights.shape)
        pooled = functional.conv2d(
            maps, kernel, stride=self.stride, padding=self.padding, groups=channels
        )
        if self.padding == 0:
            return pooled
        return pooled / self._present(maps)

    def _present(self, maps: Tensor) -> Tensor:
        """The sum of the weights of the pixels that exist, (1, 1, H', W')."""
        ones = torch.ones(1, 1, *maps.shape[2:], dtype=self.weights.dtype, device=maps.device)
        kernel = self.weights[None, None]
        present = functional.conv2d(ones, kernel, stride=self.stride, padding=self.padding)
        return present.to(maps.dtype)


def pooling(config: DownsampleConfig) -> nn.Module:
    """The pooling module of a configuration whose operator pools.

    Raises:
        ValueError: if the operator is not a pooling (those are convolutions, or nothing).
    """
    if config.operator is Operator.max:
        return nn.MaxPool2d(config.window, config.stride, config.padding)
    if config.operator is Operator.average:
        return nn.AvgPool2d(config.window, config.stride, config.padding, count_include_pad=False)
    if config.operator is Operator.weighted:
        return WeightedPooling(config.window, config.stride, config.padding, config.sigma)
    raise ValueError(f"{config.operator.name} is not a pooling operator")


def detector(activation: Activation) -> nn.Module:
    """The detector stage's module."""
    modules: dict[Activation, type[nn.Module]] = {
        Activation.relu: nn.ReLU,
        Activation.tanh: nn.Tanh,
        Activation.gelu: nn.GELU,
        Activation.none: nn.Identity,
    }
    return modules[activation]()


class GlobalAverage(nn.Module):
    """The mean of each response map, (N, C, H, W) → (N, C)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Average over both spatial axes; unlike adaptive pooling, deterministic on CUDA too."""
        return maps.mean((2, 3))


def glorot_uniform_(weight: Tensor, generator: torch.Generator) -> None:
    """Fill a weight as Keras does: uniform on ±√(6 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    nn.init.xavier_uniform_(weight, generator=generator)


def pytorch_uniform_(module: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
    """Fill a layer as PyTorch's own `reset_parameters` does, from a given generator.

    Weights and biases are uniform on ±1/√fan_in.
    """
    nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
    fan_in = module.weight[0].numel()
    bound = 1 / math.sqrt(fan_in)
    nn.init.uniform_(cast("Tensor", module.bias), -bound, bound, generator=generator)
