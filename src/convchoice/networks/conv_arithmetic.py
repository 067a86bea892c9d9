"""The size formula along one axis, and how every kind of kernel is laid along height and width.

    output = ⌊(n + before + after − f) / s⌋ + 1

for an axis of n pixels, a kernel of f, a stride of s (the lecture's "Convolutional Strides" slide,
with padding before and after counted apart). Never imports torch.
"""

import math
from dataclasses import dataclass

from convchoice.config.pairs import Pair, pair_of
from convchoice.config.schema import ConvConfig, DownsampleConfig, Padding


@dataclass(frozen=True)
class Axis:
    """A kernel laid along one spatial axis.

    Attributes:
        size: pixels of the input, n.
        kernel: pixels of the kernel or window, f.
        stride: pixels from one position to the next, s.
        before: pixels added in front of the first.
        after: pixels added behind the last; a negative number leaves that many out.
    """

    size: int
    kernel: int
    stride: int
    before: int = 0
    after: int = 0

    @property
    def output(self) -> int:
        """Number of positions; below 1 when the kernel does not fit."""
        return (self.size + self.before + self.after - self.kernel) // self.stride + 1

    @property
    def fits(self) -> bool:
        """Whether there is a position, and a pixel of the input to lay it on."""
        return self.output >= 1 and self.size + min(self.after, 0) >= 1

    @property
    def formula(self) -> str:
        """The size formula with this axis's numbers put in."""
        padding = self.before + self.after
        sign = "−" if padding < 0 else "+"
        return (
            f"⌊({self.size} {sign} {abs(padding)} − {self.kernel})/{self.stride}⌋ + 1"
            f" = {self.output}"
        )


Axes = tuple[Axis, Axis]
"""A kernel along the height and along the width."""


def same_padding(size: int, kernel: int, stride: int) -> Pair:
    """Padding before and after for Keras's "same": ⌈n/s⌉ outputs, the odd pixel behind.

    For stride 1 and an odd kernel this is the lecture's p = (f − 1)/2 on each side.
    """
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def convolution_axes(sizes: Pair, config: ConvConfig) -> Axes:
    """A block's convolution on a map of `sizes` (height, width) pixels."""

    def axis(size: int, kernel: int, stride: int, pixels: int) -> Axis:
        before = after = pixels
        if config.padding is Padding.same:
            before, after = same_padding(size, kernel, stride)
        elif config.padding is Padding.full:
            before = after = kernel - 1
        return Axis(size, kernel, stride, before, after)

    pixels = (0, 0) if isinstance(config.padding, Padding) else pair_of(config.padding)
    given = zip(sizes, pair_of(config.kernel_size), pair_of(config.stride), pixels, strict=True)
    height, width = (axis(*numbers) for numbers in given)
    return height, width


def same_axes(sizes: Pair, kernel: int) -> Axes:
    """A square kernel with stride 1 and "same" padding: as many outputs as inputs."""
    height, width = (Axis(size, kernel, 1, *same_padding(size, kernel, 1)) for size in sizes)
    return height, width


def pooling_axes(sizes: Pair, config: DownsampleConfig, stride: int | None = None) -> Axes:
    """A pooling window on a map of `sizes` pixels; the learned operators keep to its grid.

    Args:
        sizes: (height, width) of the map.
        config: says the window, the stride and the padding.
        stride: another stride than the configuration's.
    """
    step = config.stride if stride is None else stride
    height, width = (
        Axis(size, config.window, step, config.padding, config.padding) for size in sizes
    )
    return height, width


def _outputs(axes: Axes) -> Pair:
    return axes[0].output, axes[1].output


def strided_axes(convolution: Axes, config: DownsampleConfig) -> Axes:
    """The block's convolution, moved on by the downsampling stride, on the pooling window's grid.

    Its outputs are those of the unstrided convolution at the first pixel of each window. Pixels
    behind the last window, which pooling drops too, are left out (a negative `after`).
    """

    def axis(unstrided: Axis, outputs: int) -> Axis:
        stride = unstrided.stride * config.stride
        reach = (outputs - 1) * stride + unstrided.kernel
        after = reach - unstrided.size - unstrided.before
        return Axis(unstrided.size, unstrided.kernel, stride, unstrided.before, after)

    grid = _outputs(pooling_axes(_outputs(convolution), config))
    height, width = (axis(*both) for both in zip(convolution, grid, strict=True))
    return height, width


def learned_axes(sizes: Pair, config: DownsampleConfig) -> Axes:
    """A learned convolution in the place of a pooling, with as many outputs as the pooling.

    It is padded only as far as its kernel reaches over the edge, the odd pixel behind.
    """

    def axis(size: int, outputs: int) -> Axis:
        surplus = (outputs - 1) * config.stride + config.kernel_size - size
        before = max(surplus, 0) // 2
        return Axis(size, config.kernel_size, config.stride, before, surplus - before)

    grid = _outputs(pooling_axes(sizes, config))
    height, width = (axis(*both) for both in zip(sizes, grid, strict=True))
    return height, width


def blur_axes(dense: Axes, config: DownsampleConfig) -> Axes:
    """The blur that brings a maximum of stride 1 onto the grid of the pooling.

    Each blur is centred on the dense maximum that the pooling itself would have kept, so a blur of
    one pixel would be max pooling; of an even blur the odd pixel lies behind.

    Args:
        dense: the window with stride 1.
        config: says the stride, and by `kernel_size` the side of the blur.
    """

    def axis(size: int) -> Axis:
        outputs = (size - 1) // config.stride + 1
        before = (config.kernel_size - 1) // 2
        after = (outputs - 1) * config.stride + config.kernel_size - before - size
        return Axis(size, config.kernel_size, config.stride, before, after)

    height, width = (axis(size) for size in _outputs(dense))
    return height, width
