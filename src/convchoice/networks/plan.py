"""The plan of a network: the layers of a configuration with their sizes and costs, as integers.

One plan serves the network's builder, the shape table, the costs and the error messages, so they
cannot disagree. Every size follows from `conv_arithmetic`. This module never imports torch.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from convchoice.config.datasets import image_shape, spec_of
from convchoice.config.field_types import Pair, shown
from convchoice.config.schema import (
    Activation,
    Config,
    ConvConfig,
    Head,
    Operator,
    Padding,
    PaddingMode,
)
from convchoice.networks.conv_arithmetic import (
    Axes,
    blur_axes,
    check_fit,
    convolution_axes,
    learned_axes,
    pooling_axes,
    strided_axes,
)

BYTES_PER_VALUE = 4

Shape = tuple[int, ...]
"""(C, H, W) of response maps, or (features,)."""


class Kind(Enum):
    """What a planned layer computes."""

    convolution = "convolution"
    depthwise = "depthwise convolution"
    locally_connected = "locally connected"
    dense_map = "dense map"
    detector = "detector"
    pooling = "pooling"
    blur = "blur"
    maxout = "maxout"
    flatten = "flatten"
    global_average = "global average"
    dense = "dense"
    module = "module of one's own"


@dataclass(frozen=True)
class PlannedLayer:
    """One layer of the plan.

    Attributes:
        name: name in the network, such as ``block1.convolution``.
        kind: what it computes.
        label: description for readers, such as ``convolution 3×3, stride 1``.
        input_shape: (C, H, W), or (features,).
        output_shape: likewise.
        receptive_field: (height, width) in image pixels, borders disregarded; None in the head.
        jump: distance in image pixels between the receptive fields of neighbouring outputs; None
            in the head. After a dense first layer every output depends on the whole image: the
            receptive field is the image and the jump (0, 0), whatever layers follow.
        axes: the kernel along height and width; None for layers without a kernel.
        padding_mode: what the padding contains; always zeros for pooling, which never reads it.
        operator: the operator of a pooling or depthwise layer.
        parameters: number of weights and biases.
        macs: multiply-accumulates per image, of learned layers.
        pooling_operations: elements read per image, of pooling layers and fixed blurs.
    """

    name: str
    kind: Kind
    label: str
    input_shape: Shape
    output_shape: Shape
    receptive_field: Pair | None
    jump: Pair | None
    axes: Axes | None = None
    padding_mode: PaddingMode = PaddingMode.zeros
    operator: Operator | None = None
    parameters: int = 0
    macs: int = 0
    pooling_operations: int = 0

    @property
    def formula(self) -> str:
        """The output size formula with its numbers, once if height and width agree."""
        return "; ".join(dict.fromkeys(axis.formula for axis in self.axes or ()))

    @property
    def sees_everything(self) -> bool:
        """Whether every output depends on the whole image, because of a dense layer before."""
        return self.jump == (0, 0)

    def activation_bytes(self, batch_size: int) -> int:
        """Memory of the outputs of one batch, at 4 bytes per value."""
        return math.prod(self.output_shape) * BYTES_PER_VALUE * batch_size


@dataclass(frozen=True)
class Plan:
    """The layers of a network, first to last."""

    layers: tuple[PlannedLayer, ...]

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the learned layers for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def pooling_operations(self) -> int:
        """Elements that pooling layers and fixed blurs read for one image."""
        return sum(layer.pooling_operations for layer in self.layers)

    def activation_bytes(self, batch_size: int) -> int:
        """Memory of all outputs of one batch, at 4 bytes per value."""
        return sum(layer.activation_bytes(batch_size) for layer in self.layers)


class _Planner:
    """Appends layers; tracks shape, receptive field and jump."""

    def __init__(self, config: Config, input_shape: tuple[int, int, int]) -> None:
        self.config = config
        self.image: Pair = input_shape[1:]
        self.shape: Shape = input_shape
        self.receptive_field: Pair = (1, 1)
        self.jump: Pair = (1, 1)
        self.layers: list[PlannedLayer] = []

    def add(self, name: str, kind: Kind, label: str, output: Shape, **values: Any) -> None:
        """Append a layer that takes the current shape."""
        view = (self.receptive_field, self.jump) if len(output) > 1 else (None, None)
        self.layers.append(PlannedLayer(name, kind, label, self.shape, output, *view, **values))
        self.shape = output

    @property
    def sizes(self) -> Pair:
        return self.shape[1], self.shape[2]

    def window(
        self, name: str, kind: Kind, axes: Axes, filters: int = 0, operator: Operator | None = None
    ) -> None:
        """Append a layer with a kernel; without `filters` it works on each channel alone."""
        learned = kind not in {Kind.pooling, Kind.blur}
        mode = self.config.conv.padding_mode if learned else PaddingMode.zeros
        check_fit(name, axes, mode)
        # The receptive field grows by (f − 1) jumps; the jump is multiplied by the stride.
        (rows, columns), (down, across) = self.receptive_field, self.jump
        height, width = axes
        self.receptive_field = (
            rows + (height.kernel - 1) * down,
            columns + (width.kernel - 1) * across,
        )
        self.jump = (down * height.stride, across * width.stride)
        positions = math.prod(axes.output)
        weights = math.prod(axes.kernel) * self.shape[0] * (filters or 1)
        copies = positions if kind is Kind.locally_connected else 1
        costs = {"pooling_operations": weights * positions}
        if learned:
            costs = {"parameters": (weights + filters) * copies, "macs": weights * positions}
        label = operator.name if operator else kind.value
        label = f"{label} {height.kernel}×{width.kernel}, stride {shown(axes.stride)}"
        output = (filters or self.shape[0], *axes.output)
        self.add(
            name, kind, label, output, axes=axes, padding_mode=mode, operator=operator, **costs
        )

    def dense(self, name: str, kind: Kind, output: Shape) -> None:
        inputs, units = math.prod(self.shape), math.prod(output)
        macs = inputs * units
        self.add(name, kind, f"dense {units:,}", output, parameters=macs + units, macs=macs)

    def detector(self, name: str) -> None:
        activation = self.config.model.activation
        if activation is not Activation.none:
            self.add(name, Kind.detector, activation.name, self.shape)

    def block(self, number: int, filters: int) -> None:
        """Convolution (or another first layer), detector, downsampling."""
        config, model = self.config.downsample, self.config.model
        operator = config.operator if number in model.downsample_after else Operator.none
        kind = Kind[model.first_layer.name] if number == 1 else Kind.convolution
        name = f"block{number}"
        first = f"{name}.{kind.name}"
        axes = convolution_axes(self.sizes, self.config.conv)
        check_fit(first, axes)
        if operator is Operator.strided:
            check_fit(f"{name}.downsample", pooling_axes(axes.output, config))
            axes = strided_axes(axes, config)
        learned = filters * config.pieces if operator is Operator.maxout else filters
        if kind is Kind.dense:
            # Its output has the shape of the convolution's.
            self.receptive_field, self.jump = self.image, (0, 0)
            self.dense(first, Kind.dense_map, (learned, *axes.output))
        else:
            self.window(first, kind, axes, learned)
        self.detector(f"{name}.detector")
        if operator not in {Operator.none, Operator.strided}:
            self.downsample(name, operator, filters)

    def downsample(self, block: str, operator: Operator, filters: int) -> None:
        """The layers of a downsampling operator; the last one has the grid of the pooling."""
        config, name = self.config.downsample, f"{block}.downsample"
        axes = pooling_axes(self.sizes, config)
        if operator is Operator.all_conv:
            check_fit(name, axes)
            self.window(name, Kind.convolution, learned_axes(self.sizes, config), filters)
            self.detector(f"{name}_detector")
        elif operator is Operator.conv_pool:
            same = convolution_axes(self.sizes, ConvConfig(config.kernel_size, Padding.same))
            self.window(name, Kind.convolution, same, filters)
            self.detector(f"{name}_detector")
            self.window(f"{name}_pooling", Kind.pooling, axes, operator=Operator.max)
        elif operator is Operator.max_blur:
            dense = pooling_axes(self.sizes, config, stride=1)
            self.window(name, Kind.pooling, dense, operator=Operator.max)
            self.window(f"{name}_blur", Kind.blur, blur_axes(dense, config))
        elif operator is Operator.maxout:
            label, values = f"max over {config.pieces} filters", math.prod(self.shape)
            pooled = (filters, *self.sizes)
            self.add(f"{block}.maxout", Kind.maxout, label, pooled, pooling_operations=values)
            self.window(name, Kind.pooling, axes, operator=Operator.max)
        else:
            kind = Kind.depthwise if operator is Operator.depthwise else Kind.pooling
            self.window(name, kind, axes, operator=operator)

    def head(self) -> None:
        model = self.config.model
        if model.head is Head.flatten:
            self.add("head.flatten", Kind.flatten, "flatten", (math.prod(self.shape),))
        else:
            self.add("head.average", Kind.global_average, "global average", (self.shape[0],))
        if model.hidden_units:
            self.dense("head.hidden", Kind.dense, (model.hidden_units,))
            self.detector("head.detector")
        self.dense("head.output", Kind.dense, (spec_of(self.config.data).classes,))


def plan(config: Config, input_shape: tuple[int, int, int] | None = None) -> Plan:
    """Plan the layers of a configuration.

    Args:
        config: a validated configuration.
        input_shape: (C, H, W) of an image; None takes the shape of the configuration's data.

    Raises:
        GeometryError: with the first layer that does not fit, its sizes and the rule.
    """
    planner = _Planner(config, input_shape or image_shape(config.data))
    for number, filters in enumerate(config.model.filters, start=1):
        planner.block(number, filters)
    planner.head()
    return Plan(tuple(planner.layers))
