"""The learned layers and the detector as torch modules.

Every module takes response maps of shape (N, C, H, W), in any memory format. "Same" padding of an
even kernel or with a stride above 1 differs before and after, and a strided kernel may crop
trailing pixels: torch's `Conv2d` can do neither, `padded` does both.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from convchoice.config.schema import Activation, PaddingMode
from convchoice.networks.conv_arithmetic import Axes, Axis

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

    (N, C, H, W) → (N, filters, height.output, width.output).

    Args:
        channels: channels of the input, C.
        filters: channels of the output.
        height: the kernel along H.
        width: the kernel along W.
        padding_mode: what the padding contains.
        depthwise: one filter per channel, and no bias (see docs/decisions/operators.md); `filters`
            must equal `channels`.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        height: Axis,
        width: Axis,
        padding_mode: PaddingMode = PaddingMode.zeros,
        *,
        depthwise: bool = False,
    ) -> None:
        """Use torch's own padding where it can express the axes: it is faster."""
        axes = Axes(height, width)
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
        self.axes = axes
        self.border_mode = padding_mode
        self.native = native

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Pad or crop, then convolve."""
        return super().forward(input if self.native else padded(input, self.axes, self.border_mode))


class LocallyConnected(nn.Module):
    """A convolution without weight sharing: every output position has its own filters.

    (N, C, H, W) → (N, filters, height.output, width.output). `weight` is (positions, C·f_h·f_w,
    filters): positions in row-major order, patches in the order of `unfold` (channel, row, column),
    so the transpose of one position's slice is a flattened convolution weight. `bias` is
    (positions, filters). All positions are one batched matrix product. Weights are zero until
    `initialisation` draws them. The arguments are
    those of `Convolution`.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        height: Axis,
        width: Axis,
        padding_mode: PaddingMode = PaddingMode.zeros,
    ) -> None:
        """Allocate the weights."""
        super().__init__()
        self.channels = channels
        self.filters = filters
        self.axes = Axes(height, width)
        self.border_mode = padding_mode
        positions = height.output * width.output
        patch = channels * height.kernel * width.kernel
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
