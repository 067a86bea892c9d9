"""The plan of a network: the layers of a configuration with their sizes and costs, as integers.

One plan serves the network's builder, the shape table, the costs and the error messages, so they
cannot disagree. Every size follows from `conv_arithmetic`. This module never imports torch.
"""

import math
from dataclasses import dataclass
from enum import Enum

from convchoice.config.datasets import image_shape
from convchoice.config.pairs import Pair, shown
from convchoice.config.schema import Activation, Config, FirstLayer, Head, Operator
from convchoice.networks.conv_arithmetic import (
    Axes,
    blur_axes,
    check_fit,
    check_padding_mode,
    convolution_axes,
    learned_axes,
    output_sizes,
    pooling_axes,
    same_axes,
    strided_axes,
)

CLASSES = 10
BYTES_PER_VALUE = 4
MAP_AXES = 3
"""Axes of a response map's shape, (C, H, W)."""

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


PADDED_BY_MODE = (Kind.convolution, Kind.depthwise, Kind.locally_connected)
"""Layers whose padding follows `conv.padding_mode`; the others never read padding."""


@dataclass(frozen=True)
class PlannedLayer:
    """One layer of the plan.

    Attributes:
        name: name in the network, such as ``block1.convolution``.
        kind: what it computes.
        label: description for readers, such as ``convolution 3×3, stride 1``.
        input_shape: (C, H, W), or (features,).
        output_shape: likewise.
        axes: the kernel along height and width; None for layers without a kernel.
        parameters: number of weights and biases.
        macs: multiply-accumulates per image, of learned layers.
        pooling_operations: elements read per image, of pooling layers and fixed blurs.
        receptive_field: (height, width) in image pixels, borders disregarded; None in the head.
        jump: distance in image pixels between the receptive fields of neighbouring outputs; None
            in the head. After a dense first layer every output depends on the whole image: the
            receptive field is the image and the jump (0, 0), whatever layers follow.
        operator: the operator of a pooling or depthwise layer.
    """

    name: str
    kind: Kind
    label: str
    input_shape: Shape
    output_shape: Shape
    axes: Axes | None
    parameters: int
    macs: int
    pooling_operations: int
    receptive_field: Pair | None
    jump: Pair | None
    operator: Operator | None = None

    @property
    def formula(self) -> str:
        """The output size formula with its numbers, once if height and width agree."""
        if self.axes is None:
            return ""
        height, width = self.axes
        return height.formula if height == width else f"{height.formula}; {width.formula}"

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

    def add(
        self,
        name: str,
        kind: Kind,
        label: str,
        output_shape: Shape,
        *,
        axes: Axes | None = None,
        parameters: int = 0,
        macs: int = 0,
        pooling_operations: int = 0,
        operator: Operator | None = None,
    ) -> None:
        """Append a layer that takes the current shape."""
        on_grid = len(output_shape) == MAP_AXES
        field, jump = (self.receptive_field, self.jump) if on_grid else (None, None)
        self.layers.append(
            PlannedLayer(
                name, kind, label, self.shape, output_shape, axes, parameters, macs,
                pooling_operations, field, jump, operator,
            )
        )  # fmt: skip
        self.shape = output_shape

    @property
    def sizes(self) -> Pair:
        """Height and width of the current map."""
        return self.shape[1], self.shape[2]

    def kernel(
        self,
        name: str,
        kind: Kind,
        axes: Axes,
        filters: int | None = None,
        operator: Operator | None = None,
    ) -> None:
        """Append a layer with a kernel; without `filters` it works on each channel alone."""
        check_fit(name, axes)
        if kind in PADDED_BY_MODE:
            check_padding_mode(name, axes, self.config.conv.padding_mode)
        height, width = axes
        # The receptive field grows by (f − 1) jumps; the jump is multiplied by the stride.
        (rows, columns), (down, across) = self.receptive_field, self.jump
        grown = (rows + (height.kernel - 1) * down, columns + (width.kernel - 1) * across)
        self.receptive_field, self.jump = grown, (down * height.stride, across * width.stride)
        learned = kind not in {Kind.pooling, Kind.blur}
        channels, positions = self.shape[0], height.output * width.output
        weights = height.kernel * width.kernel * channels * (filters or 1)
        copies = positions if kind is Kind.locally_connected else 1
        label = operator.name if operator else kind.value
        stride = shown((height.stride, width.stride))
        self.add(
            name,
            kind,
            f"{label} {height.kernel}×{width.kernel}, stride {stride}",
            (filters or channels, height.output, width.output),
            axes=axes,
            parameters=(weights + (filters or 0)) * copies if learned else 0,
            macs=weights * positions if learned else 0,
            pooling_operations=0 if learned else weights * positions,
            operator=operator,
        )

    def dense_map(self, name: str, axes: Axes, filters: int) -> None:
        """A dense layer whose output has the shape of a convolution over `axes`."""
        check_fit(name, axes)
        inputs, output_shape = math.prod(self.shape), (filters, *output_sizes(axes))
        outputs = math.prod(output_shape)
        macs, label = inputs * outputs, f"dense {outputs:,}"
        self.receptive_field, self.jump = self.image, (0, 0)
        self.add(name, Kind.dense_map, label, output_shape, parameters=macs + outputs, macs=macs)

    def detector(self, name: str) -> None:
        activation = self.config.model.activation
        if activation is not Activation.none:
            self.add(name, Kind.detector, activation.name, self.shape)

    def block(self, number: int, filters: int, *, downsampled: bool) -> None:
        """Convolution (or another first layer), detector, downsampling."""
        config = self.config.downsample
        operator = config.operator if downsampled else Operator.none
        name = f"block{number}"
        kind = self.config.model.first_layer if number == 1 else FirstLayer.convolution
        first = f"{name}.{kind.name}"
        axes = convolution_axes(self.sizes, self.config.conv)
        if operator is Operator.strided:
            check_fit(first, axes)
            check_fit(f"{name}.downsample", pooling_axes(output_sizes(axes), config))
            axes = strided_axes(axes, config)
        learned = filters * config.pieces if operator is Operator.maxout else filters
        if kind is FirstLayer.dense:
            self.dense_map(first, axes, learned)
        else:
            self.kernel(first, Kind[kind.name], axes, learned)
        self.detector(f"{name}.detector")
        if operator not in {Operator.none, Operator.strided}:
            self.downsample(name, operator, filters)

    def downsample(self, block: str, operator: Operator, filters: int) -> None:
        """The layers of a downsampling operator; the last one has the grid of the pooling."""
        config, name = self.config.downsample, f"{block}.downsample"
        axes = pooling_axes(self.sizes, config)
        if operator is Operator.all_conv:
            check_fit(name, axes)
            self.kernel(name, Kind.convolution, learned_axes(self.sizes, config), filters)
            self.detector(f"{name}_detector")
        elif operator is Operator.conv_pool:
            same = same_axes(self.sizes, config.kernel_size)
            self.kernel(name, Kind.convolution, same, filters)
            self.detector(f"{name}_detector")
            self.kernel(f"{name}_pooling", Kind.pooling, axes, operator=Operator.max)
        elif operator is Operator.max_blur:
            dense = pooling_axes(self.sizes, config, stride=1)
            self.kernel(name, Kind.pooling, dense, operator=Operator.max)
            self.kernel(f"{name}_blur", Kind.blur, blur_axes(dense, config))
        elif operator is Operator.maxout:
            label, values = f"max over {config.pieces} filters", math.prod(self.shape)
            pooled = (filters, *self.sizes)
            self.add(f"{block}.maxout", Kind.maxout, label, pooled, pooling_operations=values)
            self.kernel(name, Kind.pooling, axes, operator=Operator.max)
        else:
            kind = Kind.depthwise if operator is Operator.depthwise else Kind.pooling
            self.kernel(name, kind, axes, operator=operator)

    def dense(self, name: str, units: int) -> None:
        macs = self.shape[0] * units
        self.add(name, Kind.dense, f"dense {units}", (units,), parameters=macs + units, macs=macs)

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
    """Plan the layers of a configuration.

    Args:
        config: a validated configuration.
        input_shape: (C, H, W) of an image; None takes the shape of the configuration's data.

    Raises:
        GeometryError: with the first layer that does not fit, its sizes and the rule.
    """
    planner = _Planner(config, input_shape or image_shape(config.data))
    for number, filters in enumerate(config.model.filters, start=1):
        planner.block(number, filters, downsampled=number in config.model.downsample_after)
    planner.head()
    return Plan(tuple(planner.layers))
