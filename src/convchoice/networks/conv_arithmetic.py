"""Convolution arithmetic: the output size along one axis, and the padding of every kind of kernel.

    output = ⌊(n + before + after − f) / s⌋ + 1

for an axis of n pixels, a kernel of f pixels and a stride of s. Padding before and after may
differ. See Dumoulin & Visin 2016, A guide to convolution arithmetic. This module never imports
torch.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from convchoice.config.field_types import Pair, pair_of
from convchoice.config.schema import ConvConfig, DownsampleConfig, Padding, PaddingMode
from convchoice.errors import UserError


class GeometryError(UserError):
    """A kernel that does not fit its input, or padding that its mode cannot supply."""


@dataclass(frozen=True)
class Axis:
    """A kernel along one spatial axis.

    Attributes:
        size: input pixels, n.
        kernel: kernel or window pixels, f.
        stride: pixels between neighbouring positions, s.
        before: padding pixels in front of the input.
        after: padding pixels behind the input; a negative number crops trailing pixels.
    """

    size: int
    kernel: int
    stride: int
    before: int = 0
    after: int = 0

    @property
    def output(self) -> int:
        """Number of positions; below 1 if the kernel does not fit."""
        return (self.size + self.before + self.after - self.kernel) // self.stride + 1

    @property
    def cropped_size(self) -> int:
        """Input pixels without the cropped ones."""
        return self.size + min(self.after, 0)

    @property
    def formula(self) -> str:
        """The output size formula with this axis's numbers."""
        padding = self.before + self.after
        padded = f"{self.size} {'−' if padding < 0 else '+'} {abs(padding)}"
        return f"⌊({padded} − {self.kernel})/{self.stride}⌋ + 1 = {self.output}"


class Axes(NamedTuple):
    """A kernel along the height and along the width."""

    height: Axis
    width: Axis

    @property
    def kernel(self) -> Pair:
        """Kernel pixels."""
        return self.height.kernel, self.width.kernel

    @property
    def stride(self) -> Pair:
        """Pixels between neighbouring positions."""
        return self.height.stride, self.width.stride

    @property
    def before(self) -> Pair:
        """Padding pixels above and to the left."""
        return self.height.before, self.width.before

    @property
    def output(self) -> Pair:
        """Height and width of the output."""
        return self.height.output, self.width.output


def same_padding(size: int, kernel: int, stride: int) -> Pair:
    """Padding before and after of Keras's "same": ⌈n/s⌉ outputs, an odd pixel goes behind.

    With stride 1 and an odd kernel this is p = (f − 1)/2 on each side.
    """
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def convolution_axes(sizes: Pair, config: ConvConfig) -> Axes:
    """The convolution of a block on a map of `sizes` (height, width) pixels."""

    def axis(size: int, kernel: int, stride: int, pixels: int) -> Axis:
        before = after = pixels
        if config.padding is Padding.same:
            before, after = same_padding(size, kernel, stride)
        elif config.padding is Padding.full:
            before = after = kernel - 1
        return Axis(size, kernel, stride, before, after)

    pixels = (0, 0) if isinstance(config.padding, Padding) else pair_of(config.padding)
    return Axes(*map(axis, sizes, pair_of(config.kernel_size), pair_of(config.stride), pixels))


def pooling_axes(sizes: Pair, config: DownsampleConfig, stride: int | None = None) -> Axes:
    """A pooling window on a map of `sizes` pixels; `stride` replaces the configuration's.

    Learned operators have the same output grid.
    """
    pad, step = config.padding, stride or config.stride
    return Axes(*(Axis(size, config.window, step, pad, pad) for size in sizes))


def strided_axes(convolution: Axes, config: DownsampleConfig) -> Axes:
    """A block's convolution with the downsampling stride, on the grid of the pooling window.

    The outputs are those of the unstrided convolution at the first pixel of each window. Pixels
    behind the last window, which pooling drops too, are cropped (a negative `after`).
    """

    def axis(unstrided: Axis, outputs: int) -> Axis:
        stride = unstrided.stride * config.stride
        extent = (outputs - 1) * stride + unstrided.kernel
        after = extent - unstrided.size - unstrided.before
        return Axis(unstrided.size, unstrided.kernel, stride, unstrided.before, after)

    return Axes(*map(axis, convolution, pooling_axes(convolution.output, config).output))


def learned_axes(sizes: Pair, config: DownsampleConfig) -> Axes:
    """A learned convolution that replaces a pooling, with as many outputs as the pooling.

    The padding is what the last position needs; an odd pixel goes behind.
    """

    def axis(size: int, outputs: int) -> Axis:
        surplus = (outputs - 1) * config.stride + config.kernel_size - size
        before = max(surplus, 0) // 2
        return Axis(size, config.kernel_size, config.stride, before, surplus - before)

    return Axes(*map(axis, sizes, pooling_axes(sizes, config).output))


def blur_axes(dense: Axes, config: DownsampleConfig) -> Axes:
    """The blur that reduces a max pooling of stride 1, `dense`, to the grid of the pooling.

    Each blur is centred on the maximum that the strided pooling would have kept, so a blur of one
    pixel is max pooling. The additional pixel of an even blur lies behind.
    """

    def axis(size: int) -> Axis:
        outputs = (size - 1) // config.stride + 1
        before = (config.kernel_size - 1) // 2
        after = (outputs - 1) * config.stride + config.kernel_size - before - size
        return Axis(size, config.kernel_size, config.stride, before, after)

    return Axes(*map(axis, dense.output))


def check_fit(name: str, axes: Axes, mode: PaddingMode = PaddingMode.zeros) -> None:
    """Check that a kernel has a position on both axes, and that its padding can be supplied.

    Raises:
        GeometryError: with the layer's name, the sizes, the formula and the rule.
    """
    window, size = (f"{h}×{w}" for h, w in (axes.kernel, (axes.height.size, axes.width.size)))
    for axis, side in zip(axes, ("height", "width"), strict=True):
        if axis.output < 1 or axis.cropped_size < 1:
            along = "" if axes.height == axes.width else f" along the {side}"
            raise GeometryError(
                f"{name}: a {window} window does not fit its {size} input{along}: {axis.formula},"
                " and a size must be at least 1."
            )
    for axis in axes:
        pad, pixels = max(axis.before, axis.after), axis.cropped_size
        most = {PaddingMode.reflect: pixels - 1, PaddingMode.circular: pixels}.get(mode, pad)
        if pad > most:
            raise GeometryError(
                f"{name}: padding_mode={mode.name} can add at most {most} pixels to an axis of"
                f" {pixels}, but a {window} kernel on a {size} input needs {pad}."
            )
