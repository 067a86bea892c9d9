"""The plan of a network: what every layer of a configuration makes of its input, in whole numbers.

One plan serves the network's builder, the shape table, the costs and the messages, so they cannot
disagree. Every size follows from the formula in `axes`. Never imports torch.
"""

import math

from convchoice.config.known_datasets import image_shape
from convchoice.config.pairs import Pair, shown
from convchoice.config.schema import Activation, Config, FirstLayer, Head, Operator, PaddingMode
from convchoice.errors import UserError
from convchoice.networks.conv_arithmetic import (
    Axes,
    blur_axes,
    convolution_axes,
    learned_axes,
    pooling_axes,
    same_axes,
    strided_axes,
)
from convchoice.networks.planned_layers import Kind, Plan, PlannedLayer, Shape

__all__ = ["CLASSES", "GeometryError", "Kind", "Plan", "PlannedLayer", "Shape", "plan"]

CLASSES = 10


class GeometryError(UserError):
    """A configuration whose layers cannot be laid on their inputs."""


def _check_fit(name: str, axes: Axes) -> None:
    height, width = axes
    for axis, side in ((height, "height"), (width, "width")):
        if not axis.fits:
            along = "" if height == width else f" along the {side}"
            raise GeometryError(
                f"{name}: a {height.kernel}×{width.kernel} window does not fit its"
                f" {height.size}×{width.size} input{along}: {axis.formula}, and a size must be at"
                " least 1."
            )


def _check_mode(name: str, axes: Axes, mode: PaddingMode) -> None:
    height, width = axes
    for axis in axes:
        pad = max(axis.before, axis.after)
        kept = axis.size + min(axis.after, 0)  # trailing pixels that no window needs are left out
        most = {PaddingMode.reflect: kept - 1, PaddingMode.circular: kept}
        if pad > most.get(mode, pad):
            raise GeometryError(
                f"{name}: padding_mode={mode.name} can add at most {most[mode]} pixels to an axis"
                f" of {kept}, but a {height.kernel}×{width.kernel} kernel on a"
                f" {height.size}×{width.size} input asks for {pad}."
            )


class _Planner:
    """Adds layer after layer, carrying the shape, the receptive field and the jump along."""

    def __init__(self, config: Config, input_shape: tuple[int, int, int]) -> None:
        self.config = config
        self.image: Pair = input_shape[1:]
        self.shape: Shape = input_shape
        self.receptive_field: Pair | None = (1, 1)
        self.jump: Pair | None = (1, 1)
        self.layers: list[PlannedLayer] = []

    @property
    def sizes(self) -> Pair:
        """Height and width of the map so far."""
        return self.shape[1], self.shape[2]

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
        self._see(axes)
        self.layers.append(
            PlannedLayer(
                name, kind, label, self.shape, output_shape, axes, parameters, macs,
                pooling_operations, self.receptive_field, self.jump, operator,
            )
        )  # fmt: skip
        self.shape = output_shape

    def _see(self, axes: Axes | None) -> None:
        """What one output sees grows by (f − 1) jumps, and the jump by the stride."""
        if axes is None or self.receptive_field is None or self.jump is None:
            return
        (high, wide), (down, across) = self.receptive_field, self.jump
        height, width = axes
        self.receptive_field = (
            high + (height.kernel - 1) * down,
            wide + (width.kernel - 1) * across,
        )
        self.jump = (down * height.stride, across * width.stride)

    def convolution(
        self, name: str, axes: Axes, filters: int, kind: Kind = Kind.convolution
    ) -> None:
        """A convolution, or one whose weights are not shared (`Kind.locally_connected`)."""
        _check_fit(name, axes)
        _check_mode(name, axes, self.config.conv.padding_mode)
        height, width = axes
        positions = height.output * width.output
        weights = height.kernel * width.kernel * self.shape[0] * filters
        copies = positions if kind is Kind.locally_connected else 1
        self.add(
            name,
            kind,
            f"{kind.value} {_laid(axes)}",
            (filters, height.output, width.output),
            axes=axes,
            parameters=(weights + filters) * copies,
            macs=weights * positions,
        )

    def dense_map(self, name: str, axes: Axes, filters: int) -> None:
        """Every value of a map, of the shape that a convolution over `axes` would make, dense."""
        _check_fit(name, axes)
        output_shape = (filters, axes[0].output, axes[1].output)
        inputs, outputs = math.prod(self.shape), math.prod(output_shape)
        self.receptive_field, self.jump = self.image, (0, 0)
        self.add(
            name, Kind.dense_map, f"dense {outputs:,}", output_shape,
            parameters=inputs * outputs + outputs, macs=inputs * outputs,
        )  # fmt: skip

    def first_stage(self, name: str, axes: Axes, filters: int, kind: FirstLayer) -> None:
        """What makes a block's map: a convolution, or in the first block another layer."""
        if kind is FirstLayer.dense:
            self.dense_map(name, axes, filters)
        elif kind is FirstLayer.locally_connected:
            self.convolution(name, axes, filters, Kind.locally_connected)
        else:
            self.convolution(name, axes, filters)

    def detector(self, name: str) -> None:
        activation = self.config.model.activation
        if activation is not Activation.none:
            self.add(name, Kind.detector, activation.name, self.shape)

    def pooling(self, name: str, operator: Operator, stride: int | None = None) -> None:
        axes = pooling_axes(self.sizes, self.config.downsample, stride)
        _check_fit(name, axes)
        self.fixed(name, Kind.pooling, operator.name, axes, operator)

    def fixed(
        self, name: str, kind: Kind, label: str, axes: Axes, operator: Operator | None = None
    ) -> None:
        """A window that learns nothing and works on each channel apart."""
        height, width = axes
        output_shape = (self.shape[0], height.output, width.output)
        self.add(
            name, kind, f"{label} {_laid(axes)}", output_shape, axes=axes, operator=operator,
            pooling_operations=math.prod(output_shape) * height.kernel * width.kernel,
        )  # fmt: skip

    def depthwise(self, name: str) -> None:
        axes = pooling_axes(self.sizes, self.config.downsample)
        _check_fit(name, axes)
        _check_mode(name, axes, self.config.conv.padding_mode)
        height, width = axes
        weights = height.kernel * width.kernel * self.shape[0]
        self.add(
            name, Kind.depthwise, f"depthwise {_laid(axes)}",
            (self.shape[0], height.output, width.output), axes=axes,
            parameters=weights, macs=weights * height.output * width.output,
        )  # fmt: skip

    def maxout(self, name: str) -> None:
        pieces = self.config.downsample.pieces
        channels, height, width = self.shape
        self.add(
            name, Kind.maxout, f"max over {pieces} filters", (channels // pieces, height, width),
            pooling_operations=channels * height * width,
        )  # fmt: skip

    def block(self, number: int, filters: int, *, downsampled: bool) -> None:
        config = self.config.downsample
        operator = config.operator if downsampled else Operator.none
        name = f"block{number}"
        kind = self.config.model.first_layer if number == 1 else FirstLayer.convolution
        first = f"{name}.{kind.name}"
        axes = convolution_axes(self.sizes, self.config.conv)
        if operator is Operator.strided:
            _check_fit(first, axes)
            _check_fit(f"{name}.downsample", pooling_axes(_outputs(axes), config))
            axes = strided_axes(axes, config)
        learned = filters * config.pieces if operator is Operator.maxout else filters
        self.first_stage(first, axes, learned, kind)
        self.detector(f"{name}.detector")
        self.downsample(name, operator, filters)

    def downsample(self, block: str, operator: Operator, filters: int) -> None:
        """The third stage; what an operator needs beside its window stands in layers of its own."""
        config = self.config.downsample
        name = f"{block}.downsample"
        if operator is Operator.all_conv:
            _check_fit(name, pooling_axes(self.sizes, config))
            self.convolution(name, learned_axes(self.sizes, config), filters)
            self.detector(f"{name}_detector")
        elif operator is Operator.conv_pool:
            self.convolution(name, same_axes(self.sizes, config.kernel_size), filters)
            self.detector(f"{name}_detector")
            self.pooling(f"{name}_pooling", Operator.max)
        elif operator is Operator.max_blur:
            dense = pooling_axes(self.sizes, config, stride=1)
            self.pooling(name, Operator.max, stride=1)
            self.fixed(f"{name}_blur", Kind.blur, "blur", blur_axes(dense, config))
        elif operator is Operator.maxout:
            self.maxout(f"{block}.maxout")
            self.pooling(name, Operator.max)
        elif operator is Operator.depthwise:
            self.depthwise(name)
        elif operator not in {Operator.none, Operator.strided}:
            self.pooling(name, operator)

    def dense(self, name: str, units: int) -> None:
        weights = self.shape[0] * units
        self.add(
            name, Kind.dense, f"dense {units}", (units,),
            parameters=weights + units, macs=weights,
        )  # fmt: skip

    def head(self) -> None:
        model = self.config.model
        self.receptive_field = self.jump = None
        if model.head is Head.flatten:
            self.add("head.flatten", Kind.flatten, "flatten", (math.prod(self.shape),))
        else:
            self.add("head.average", Kind.global_average, "global average", (self.shape[0],))
        if model.hidden_units:
            self.dense("head.hidden", model.hidden_units)
            self.detector("head.detector")
        self.dense("head.output", CLASSES)


def _outputs(axes: Axes) -> Pair:
    return axes[0].output, axes[1].output


def _laid(axes: Axes) -> str:
    height, width = axes
    return f"{height.kernel}×{width.kernel}, stride {shown((height.stride, width.stride))}"


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
