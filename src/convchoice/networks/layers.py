"""The learned layers and the detector as torch modules, laid out by `geometry`.

Every module takes response maps of shape (N, C, H, W), in any memory format. "Same" padding with an
even kernel or a stride above 1 is uneven, and a kernel may be told to leave out trailing pixels:
`framed` does both. What a block learns nothing of is in `pooling`; how weights begin is in
`initialisation`.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from convchoice.config.schema import Activation, PaddingMode
from convchoice.networks.conv_arithmetic import Axes, Axis

_PAD_MODE = {
    PaddingMode.zeros: "constant",
    PaddingMode.reflect: "reflect",
    PaddingMode.replicate: "replicate",
    PaddingMode.circular: "circular",
}


def framed(maps: Tensor, axes: Axes, mode: PaddingMode = PaddingMode.zeros) -> Tensor:
    """Maps (N, C, H, W) with the rows and columns that the axes add, or leave out behind."""
    height, width = axes
    if height.after < 0 or width.after < 0:
        rows = maps.shape[2] + min(height.after, 0)
        columns = maps.shape[3] + min(width.after, 0)
        maps = maps[:, :, :rows, :columns]
    pads = (width.before, max(width.after, 0), height.before, max(height.after, 0))
    return functional.pad(maps, pads, mode=_PAD_MODE[mode]) if any(pads) else maps


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
        depthwise: one filter a channel, on that channel alone, and no bias (see
            docs/decisions/operators.md); `filters` must then be `channels`.
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
        """Choose torch's own padding where it can express the plan, for speed."""
        even = height.before == height.after and width.before == width.after
        native = even and padding_mode is PaddingMode.zeros
        super().__init__(
            channels,
            filters,
            kernel_size=(height.kernel, width.kernel),
            stride=(height.stride, width.stride),
            padding=(height.before, width.before) if native else 0,
            groups=channels if depthwise else 1,
            bias=not depthwise,
        )
        self.axes = (height, width)
        self.border_mode = padding_mode
        self.native = native

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Pad or crop as planned, then convolve."""
        if not self.native:
            input = framed(input, self.axes, self.border_mode)  # noqa: A001
        return super().forward(input)


class LocallyConnected(nn.Module):
    """A convolution whose weights are not shared: each output position has filters of its own.

    (N, C, H, W) → (N, filters, height.output, width.output). `weight` is (positions, C·f_h·f_w,
    filters), positions row by row and a patch as `unfold` orders it (channel, row, column), so that
    position p's slice, transposed, is a convolution's weight flattened from its second axis; `bias`
    is (positions, filters). All positions are one batched product. Weights are zero until drawn
    (`initialisation`).

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
        """Make room for the weights."""
        super().__init__()
        self.channels = channels
        self.filters = filters
        self.axes = (height, width)
        self.border_mode = padding_mode
        positions = height.output * width.output
        patch = channels * height.kernel * width.kernel
        self.weight = nn.Parameter(torch.zeros(positions, patch, filters))
        self.bias = nn.Parameter(torch.zeros(positions, filters))

    def forward(self, maps: Tensor) -> Tensor:
        """Cut into patches, weight each position's by its own filters, sum, and lay out again."""
        height, width = self.axes
        patches = functional.unfold(
            framed(maps, self.axes, self.border_mode),
            (height.kernel, width.kernel),
            stride=(height.stride, width.stride),
        )  # (N, patch, positions)
        made = torch.baddbmm(self.bias.unsqueeze(1), patches.permute(2, 0, 1), self.weight)
        # One copy puts the channels last, as the layers behind work on.
        rows = made.transpose(0, 1).contiguous()
        return rows.reshape(-1, height.output, width.output, self.filters).permute(0, 3, 1, 2)


class DenseMap(nn.Linear):
    """Every value of a map from every value of the input: (N, C, H, W) → (N, *output_shape).

    The rows of `weight` are the output's values row by row, column by column, channel last: what
    comes out is then a map with its channels last in memory, as the layers behind work on.

    Args:
        input_shape: (C, H, W); its values are taken in that order.
        output_shape: likewise.
    """

    def __init__(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        """Make a linear layer of the shapes' sizes."""
        super().__init__(math.prod(input_shape), math.prod(output_shape))
        channels, height, width = output_shape
        self.laid_out = (height, width, channels)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Flatten, multiply, and lay out as a map."""
        values = super().forward(input.flatten(1))
        return values.reshape(-1, *self.laid_out).permute(0, 3, 1, 2)


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
