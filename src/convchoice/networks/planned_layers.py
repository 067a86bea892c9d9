"""A planned network as values: each layer's sizes and costs, and their sums. No torch here."""

import math
from dataclasses import dataclass
from enum import Enum

from convchoice.config.pairs import Pair
from convchoice.config.schema import Operator
from convchoice.networks.conv_arithmetic import Axes

Shape = tuple[int, ...]
BYTES_PER_VALUE = 4


class Kind(Enum):
    """What a planned layer does."""

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
        pooling_operations: elements visited for one image, of pooling layers and fixed blurs.
        receptive_field: (height, width), in pixels of the image, of what one output sees, borders
            disregarded; None for layers of the head, whose outputs lie on no grid.
        jump: (down, across), pixels of the image between what neighbouring outputs see; None
            likewise. After a dense first layer every output sees the whole image, so that the
            receptive field is the image and the jump (0, 0), whatever comes behind.
        operator: what a pooling layer takes of its window.
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
        """The size formula with its numbers, once where height and width agree."""
        if self.axes is None:
            return ""
        height, width = self.axes
        return height.formula if height == width else f"{height.formula}; {width.formula}"

    @property
    def sees_everything(self) -> bool:
        """Whether every output sees the whole image, because a dense layer came before."""
        return self.jump == (0, 0)

    def activation_bytes(self, batch_size: int) -> int:
        """Memory of this layer's outputs for one batch, at 4 bytes a value."""
        return math.prod(self.output_shape) * BYTES_PER_VALUE * batch_size


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
        """Elements that pooling layers and fixed blurs visit for one image."""
        return sum(layer.pooling_operations for layer in self.layers)

    def activation_bytes(self, batch_size: int) -> int:
        """Memory of all layers' outputs for one batch, at 4 bytes a value."""
        return sum(layer.activation_bytes(batch_size) for layer in self.layers)
