"""Which pixels of the image the cells of a network depend on, from the plan alone.

A window is the product of a window along the rows and one along the columns. The number of paths
from a pixel to the cells of a layer is therefore its row's count times its column's count. It
equals the gradient of the sum of all cells if all weights are 1 and there is no detector. Zero
padding reads no pixel; the other padding modes read the pixel that they copy once more. This
module never imports torch.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from convchoice.config.schema import PaddingMode
from convchoice.networks.conv_arithmetic import Axis
from convchoice.networks.plan import Kind, PlannedLayer

NUMPY_PADDING: dict[PaddingMode, Any] = {
    PaddingMode.zeros: {"constant_values": -1},
    PaddingMode.reflect: {"mode": "reflect"},
    PaddingMode.replicate: {"mode": "edge"},
    PaddingMode.circular: {"mode": "wrap"},
}
"""How `np.pad` pads the numbers of an axis's pixels; −1 is no pixel."""


def spatial_layers(layers: Sequence[PlannedLayer]) -> list[PlannedLayer]:
    """The layers whose cells have a position in the image: those before the head.

    There are none after a dense first layer: each of its outputs depends on the whole image.
    """
    return [layer for layer in layers if layer.jump is not None and not layer.sees_everything]


def stage_ends(layers: Sequence[PlannedLayer]) -> Iterator[PlannedLayer]:
    """For each block, the last layer of its first stage (detector included) and its last layer.

    A block without downsampling has one stage and yields one layer.
    """
    maps = (layer for layer in layers if layer.jump is not None)
    for _, members in groupby(maps, key=lambda layer: layer.name.partition(".")[0]):
        block = list(members)
        first = next((layer for layer in block[1:2] if layer.kind is Kind.detector), block[0])
        yield from dict.fromkeys([first, block[-1]])


def reads_along(axis: Axis, outputs: Sequence[int], mode: PaddingMode) -> list[int]:
    """How often each pixel of an axis is read, given how often each output position is."""
    counts, pads = [0] * axis.size, (axis.before, max(axis.after, 0))
    pixels = np.pad(np.arange(axis.cropped_size), pads, **NUMPY_PADDING[mode]).tolist()
    for output, count in enumerate(outputs):
        first = output * axis.stride
        for pixel in pixels[first : first + axis.kernel]:
            if pixel >= 0:
                counts[pixel] += count
    return counts


def image_reads(layers: Sequence[PlannedLayer]) -> tuple[list[int], list[int]]:
    """How often the cells of the last layer read each row and each column of the image.

    The count of a pixel is its row's count times its column's count. The layers begin with the
    network's first one.
    """

    def along(side: int) -> list[int]:
        counts = [1] * layers[-1].output_shape[1 + side]
        for layer in reversed(layers):
            if layer.axes is not None:
                counts = reads_along(layer.axes[side], counts, layer.padding_mode)
        return counts

    return along(0), along(1)


def central_cell(layer: PlannedLayer) -> tuple[int, int]:
    """Row and column of the central cell of a layer's map; the second of two central ones."""
    _, height, width = layer.output_shape
    return height // 2, width // 2


def field_along(layers: Sequence[PlannedLayer], side: int, cell: int) -> tuple[int, int]:
    """First and last pixel of a cell's receptive field along one axis.

    Padding counts as pixels beyond the image: the first may be negative, the last past the end.

    Args:
        layers: from the network's first layer on, all with response maps.
        side: 0 for rows, 1 for columns.
        cell: the cell's index on the last layer's map.
    """
    first = last = cell
    for layer in reversed(layers):
        if layer.axes is not None:
            axis = layer.axes[side]
            first = first * axis.stride - axis.before
            last = last * axis.stride - axis.before + axis.kernel - 1
    return first, last
