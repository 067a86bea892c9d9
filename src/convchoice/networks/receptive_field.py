"""Which pixels of the image the cells of a network read, by geometry alone: counts and fields.

A cell reads a pixel as often as there are ways from the one to the other through the windows of the
layers between them. A window is a product of a row's and a column's window, so the count of a pixel
is its row's count times its column's, and both are whole numbers along one axis. With all weights 1
and no detector the count is the gradient of the sum of all cells. Padding of zeros reads nothing;
the other modes read the pixel that they put there once more. Never imports torch.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from convchoice.config.schema import PaddingMode
from convchoice.networks.conv_arithmetic import Axis
from convchoice.networks.planned_layers import Kind, PlannedLayer

MAP_AXES = 3
"""Axes of a response map's shape, (C, H, W)."""
FILLED = (Kind.convolution, Kind.depthwise, Kind.locally_connected)
"""Layers whose padding is filled in the configuration's mode; the others never count padding."""


def spatial_layers(layers: Sequence[PlannedLayer]) -> list[PlannedLayer]:
    """The layers up to the head: those that make a response map whose cells see a place each.

    A dense first layer's outputs see the whole image, so it and what follows it have no such map.
    """
    chosen: list[PlannedLayer] = []
    for layer in layers:
        if len(layer.output_shape) != MAP_AXES or layer.jump is None or layer.sees_everything:
            break
        chosen.append(layer)
    return chosen


def stage_ends(layers: Sequence[PlannedLayer]) -> Iterator[PlannedLayer]:
    """Of each block the layer that ends its first stage, detector included, and its last layer.

    A block without a downsampling step ends with its first stage, and has that alone.
    """
    blocks = (layer for layer in layers if len(layer.output_shape) == MAP_AXES)
    for _, members in groupby(blocks, key=lambda layer: layer.name.partition(".")[0]):
        block = list(members)
        detected = len(block) > 1 and block[1].kind is Kind.detector
        first = block[1] if detected else block[0]
        yield first
        if block[-1] is not first:
            yield block[-1]


def pixel_at(axis: Axis, place: int, mode: PaddingMode) -> int | None:
    """The pixel that a window finds at a place of its axis, or None where it finds a padded zero.

    Args:
        axis: the kernel's layout.
        place: from −before on; 0 is the axis's first pixel.
        mode: what stands in the padding.
    """
    pixels = axis.size + min(axis.after, 0)
    if 0 <= place < pixels:
        return place
    if mode is PaddingMode.replicate:
        return min(max(place, 0), pixels - 1)
    if mode is PaddingMode.circular:
        return place % pixels
    if mode is PaddingMode.reflect:
        period = 2 * (pixels - 1)
        return min(place % period, -place % period)
    return None


def reads_along(axis: Axis, outputs: Sequence[int], mode: PaddingMode) -> list[int]:
    """How often each pixel of an axis is read, if each position counts as often as `outputs` says.

    Args:
        axis: the kernel's layout.
        outputs: a count a position.
        mode: what stands in the padding.
    """
    counts = [0] * axis.size
    for position, count in enumerate(outputs):
        for offset in range(axis.kernel):
            pixel = pixel_at(axis, position * axis.stride - axis.before + offset, mode)
            if pixel is not None:
                counts[pixel] += count
    return counts


def image_reads(layers: Sequence[PlannedLayer], mode: PaddingMode) -> tuple[list[int], list[int]]:
    """How often the cells of the last of these layers read each row and column of the image.

    A pixel is read as often as its row's count times its column's.

    Args:
        layers: from the network's first on, all with response maps.
        mode: what stands in the padding of the learned layers.
    """
    both = []
    for side in (0, 1):
        counts = [1] * layers[-1].output_shape[1 + side]
        for layer in reversed(layers):
            if layer.axes is not None:
                filled = mode if layer.kind in FILLED else PaddingMode.zeros
                counts = reads_along(layer.axes[side], counts, filled)
        both.append(counts)
    return both[0], both[1]


def central_cell(layer: PlannedLayer) -> tuple[int, int]:
    """Row and column of the cell in the middle of a layer's map, the latter one of two."""
    _, height, width = layer.output_shape
    return height // 2, width // 2


def field_along(layers: Sequence[PlannedLayer], side: int, cell: int) -> tuple[int, int]:
    """First and last pixel that a cell of the last of these layers sees along an axis.

    Padding counts as pixels beyond the image: the first may be below 0 and the last past its end.

    Args:
        layers: from the network's first on, all with response maps.
        side: 0 for rows, 1 for columns.
        cell: its place on the last layer's map.
    """
    first = last = cell
    for layer in reversed(layers):
        if layer.axes is not None:
            axis = layer.axes[side]
            first = first * axis.stride - axis.before
            last = last * axis.stride - axis.before + axis.kernel - 1
    return first, last
