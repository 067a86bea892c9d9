"""Sizes: what every layer of a configuration makes of its input, in whole numbers.

One plan serves the network's builder, the shape table, the costs and the messages, so they cannot
disagree. Everything follows from one formula (the lecture's "Convolutional Strides" slide, with
padding before and after counted apart):

    output = ⌊(n + before + after − f) / s⌋ + 1

for an axis of n pixels, a kernel of f, a stride of s. Never imports torch.
"""

import math
from dataclasses import dataclass
from enum import Enum

from convchoice.errors import UserError
from convchoice.known_datasets import image_shape
from convchoice.schema import (
    Activation,
    Config,
    ConvConfig,
    DownsampleConfig,
    Head,
    Operator,
    Padding,
    PaddingMode,
)

Shape = tuple[int, ...]
BYTES_PER_VALUE = 4
CLASSES = 10


class GeometryError(UserError):
    """A configuration whose layers cannot be laid on their inputs."""


class Kind(Enum):
    """What a planned layer does."""

    convolution = "convolution"
    detector = "detector"
    pooling = "pooling"
    flatten = "flatten"
    global_average = "global average"
    dense = "dense"


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
    def formula(self) -> str:
        """The size formula with this axis's numbers put in."""
        padding = self.before + self.after
        sign = "−" if padding < 0 else "+"
        return (
            f"⌊({self.size} {sign} {abs(padding)} − {self.kernel})/{self.stride}⌋ + 1"
            f" = {self.output}"
        )


@dataclass(frozen=True)
class PlannedLayer:
    """One layer of the plan.

    Attributes:
        name: its name in the network, such as ``block1.convolution``.
        kind: what it does.
        label: what a reader calls it, such as ``convolution 3×3, stride 1``.
        input_shape: (C, H, W), or (features,).
        output_shape: likewise.
        axes: height and width, for layers with a kernel.
        parameters: learned numbers.
        macs: multiply-accumulates for one image, of learned layers.
        pooling_operations: window elements visited for one image, of pooling layers.
        receptive_field: side, in pixels of the image, of what one output sees.
        jump: distance, in pixels of the image, between neighbouring outputs.
    """

    name: str
    kind: Kind
    label: str
    input_shape: Shape
    output_shape: Shape
    axes: tuple[Axis, Axis] | None
    parameters: int
    macs: int
    pooling_operations: int
    receptive_field: int
    jump: int

    @property
    def formula(self) -> str:
        """The size formula with its numbers, once where height and width agree."""
        if self.axes is None:
            return ""
        height, width = self.axes
        return height.formula if height == width else f"{height.formula}; {width.formula}"


@dataclass(frozen=True)
class Plan:
    """A whole network's layers, first to last."""

    layers: tuple[PlannedLayer, ...]

    @property
    def parameters(self) -> int:
        """Learned numbers of the network."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image's forward pass through the learned layers."""
        return sum(layer.macs for layer in self.layers)

    @property
    def pooling_operations(self) -> int:
        """Window elements that the pooling layers visit for one image."""
        return sum(layer.pooling_operations for layer in self.layers)

    def activation_bytes(self, batch_size: int) -> int:
        """Memory of all layers' outputs for one batch, at 4 bytes a value."""
        values = sum(math.prod(layer.output_shape) for layer in self.layers)
        return values * BYTES_PER_VALUE * batch_size


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after for Keras's "same": ⌈n/s⌉ outputs, the odd pixel behind.

    For stride 1 and an odd kernel this is the lecture's p = (f − 1)/2 on each side.
    """
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def convolution_axis(size: int, config: ConvConfig) -> Axis:
    """A block's convolution along an axis of `size` pixels."""
    kernel, stride = config.kernel_size, config.stride
    if config.padding is Padding.same:
        before, after = same_padding(size, kernel, stride)
    elif config.padding is Padding.full:
        before = after = kernel - 1
    else:
        before = after = 0
    return Axis(size, kernel, stride, before, after)


def pooling_axis(size: int, config: DownsampleConfig) -> Axis:
    """A pooling window along an axis of `size` pixels; it also lays out the learned operators."""
    return Axis(size, config.window, config.stride, config.padding, config.padding)


def strided_axis(convolution: Axis, config: DownsampleConfig) -> Axis:
    """The block's convolution, moved on by the downsampling stride, on the pooling window's grid.

    Its outputs are those of the unstrided convolution at the first pixel of each window. Pixels
    behind the last window, which pooling drops too, are left out (a negative `after`).
    """
    outputs = pooling_axis(convolution.output, config).output
    stride = convolution.stride * config.stride
    reach = (outputs - 1) * stride + convolution.kernel
    after = reach - convolution.size - convolution.before
    return Axis(convolution.size, convolution.kernel, stride, convolution.before, after)


def learned_axis(size: int, config: DownsampleConfig) -> Axis:
    """A learned convolution in the place of a pooling, with as many outputs as the pooling.

    It is padded only as far as its kernel reaches over the edge, the odd pixel behind.
    """
    outputs = pooling_axis(size, config).output
    surplus = (outputs - 1) * config.stride + config.kernel_size - size
    before = max(surplus, 0) // 2
    return Axis(size, config.kernel_size, config.stride, before, surplus - before)


def _times(shape: Shape) -> str:
    return "×".join(str(size) for size in shape)


class _Planner:
    """Adds layer after layer, carrying the shape, the receptive field and the jump along."""

    def __init__(self, config: Config, input_shape: tuple[int, int, int]) -> None:
        self.config = config
        self.shape: Shape = input_shape
        self.receptive_field = 1
        self.jump = 1
        self.layers: list[PlannedLayer] = []

    def add(
        self,
        name: str,
        kind: Kind,
        label: str,
        output_shape: Shape,
        axes: tuple[Axis, Axis] | None = None,
        parameters: int = 0,
        macs: int = 0,
        pooling_operations: int = 0,
    ) -> None:
        if axes is not None:
            self.receptive_field += (axes[0].kernel - 1) * self.jump
            self.jump *= axes[0].stride
        self.layers.append(
            PlannedLayer(
                name, kind, label, self.shape, output_shape, axes,
                parameters, macs, pooling_operations, self.receptive_field, self.jump,
            )
        )  # fmt: skip
        self.shape = output_shape

    def _check(self, name: str, axes: tuple[Axis, Axis]) -> None:
        for axis in axes:
            if axis.output < 1 or axis.size + min(axis.after, 0) < 1:
                raise GeometryError(
                    f"{name}: a {axis.kernel}×{axis.kernel} window does not fit its"
                    f" {_times(self.shape[1:])} input: {axis.formula}, and a size must be at"
                    " least 1."
                )

    def _check_mode(self, name: str, axes: tuple[Axis, Axis]) -> None:
        mode = self.config.conv.padding_mode
        for axis in axes:
            pad = max(axis.before, axis.after)
            most = {PaddingMode.reflect: axis.size - 1, PaddingMode.circular: axis.size}
            if pad > most.get(mode, pad):
                raise GeometryError(
                    f"{name}: padding_mode={mode.name} can add at most {most[mode]} pixels to an"
                    f" axis of {axis.size}, but {pad} are asked for. Use conv.padding_mode=zeros."
                )

    def convolution(self, name: str, axes: tuple[Axis, Axis], filters: int) -> None:
        self._check(name, axes)
        self._check_mode(name, axes)
        height, width = axes
        weights = height.kernel * width.kernel * self.shape[0] * filters
        self.add(
            name,
            Kind.convolution,
            f"convolution {height.kernel}×{width.kernel}, stride {height.stride}",
            (filters, height.output, width.output),
            axes,
            parameters=weights + filters,
            macs=weights * height.output * width.output,
        )

    def detector(self, name: str) -> None:
        activation = self.config.model.activation
        if activation is not Activation.none:
            self.add(name, Kind.detector, activation.name, self.shape)

    def pooling(self, name: str) -> None:
        config = self.config.downsample
        height, width = (pooling_axis(size, config) for size in self.shape[1:])
        self._check(name, (height, width))
        output_shape = (self.shape[0], height.output, width.output)
        self.add(
            name,
            Kind.pooling,
            f"{config.operator.name} {height.kernel}×{width.kernel}, stride {height.stride}",
            output_shape,
            (height, width),
            pooling_operations=math.prod(output_shape) * height.kernel * width.kernel,
        )

    def block(self, number: int, filters: int, *, downsampled: bool) -> None:
        config = self.config.downsample
        operator = config.operator if downsampled else Operator.none
        name = f"block{number}"
        first, second = (convolution_axis(size, self.config.conv) for size in self.shape[1:])
        if operator is Operator.strided:
            self._check(f"{name}.convolution", (first, second))
            grid = (pooling_axis(first.output, config), pooling_axis(second.output, config))
            self._check(f"{name}.downsample", grid)
            first, second = strided_axis(first, config), strided_axis(second, config)
        self.convolution(f"{name}.convolution", (first, second), filters)
        self.detector(f"{name}.detector")
        if operator is Operator.all_conv:
            grid = (
                pooling_axis(self.shape[1], config),
                pooling_axis(self.shape[2], config),
            )
            self._check(f"{name}.downsample", grid)
            height, width = (learned_axis(size, config) for size in self.shape[1:])
            self.convolution(f"{name}.downsample", (height, width), filters)
            self.detector(f"{name}.downsample_detector")
        elif operator not in {Operator.none, Operator.strided}:
            self.pooling(f"{name}.downsample")

    def dense(self, name: str, units: int) -> None:
        weights = self.shape[0] * units
        self.add(
            name, Kind.dense, f"dense {units}", (units,),
            parameters=weights + units, macs=weights,
        )  # fmt: skip

    def head(self) -> None:
        model = self.config.model
        if model.head is Head.flatten:
            self.add("head.flatten", Kind.flatten, "flatten", (math.prod(self.shape),))
        else:
            self.add("head.average", Kind.global_average, "global average", (self.shape[0],))
        if model.hidden_units:
            self.dense("head.hidden", model.hidden_units)
            self.detector("head.detector")
        self.dense("head.output", CLASSES)


def plan(config: Config, input_shape: tuple[int, int, int] | None = None) -> Plan:
    """Lay every layer of a configuration on an input.

    Args:
        config: a validated configuration.
        input_shape: (C, H, W) of one image; None takes that of the configuration's data.

    Raises:
        GeometryError: naming the first layer that does not fit, its sizes and the rule.
    """
    planner = _Planner(config, input_shape or image_shape(config.data))
    for number, filters in enumerate(config.model.filters, start=1):
        planner.block(number, filters, downsampled=number in config.model.downsample_after)
    planner.head()
    return Plan(tuple(planner.layers))
