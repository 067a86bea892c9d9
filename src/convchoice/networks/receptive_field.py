"""Which pixels of the image the cells of a network depend on, from the plan alone.

A window is the product of a window along the rows and one along the columns. The number of paths
from a pixel to the cells of a layer is therefore its row's count times its column's count. It
equals the gradient of the sum of all cells if all weights are 1 and there is no detector. Zero
padding reads no pixel; the other padding modes read the pixel that they copy once more. This
module never imports torch.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from convchoice.config.schema import PaddingMode
from convchoice.networks.conv_arithmetic import Axis
from convchoice.networks.plan import MAP_AXES, PADDED_BY_MODE, Kind, PlannedLayer


def spatial_layers(layers: Sequence[PlannedLayer]) -> list[PlannedLayer]:
    """The layers whose cells have a position in the image: those before the head.

    There are none after a dense first layer: each of its outputs depends on the whole image.
    """
    return [layer for layer in layers if layer.jump is not None and not layer.sees_everything]


def stage_ends(layers: Sequence[PlannedLayer]) -> Iterator[PlannedLayer]:
    """For each block, the last layer of its first stage (detector included) and its last layer.

    A block without downsampling has one stage and yields one layer.
    """
    maps = (layer for layer in layers if len(layer.output_shape) == MAP_AXES)
    for _, members in groupby(maps, key=lambda layer: layer.name.partition(".")[0]):
        block = list(members)
        detected = len(block) > 1 and block[1].kind is Kind.detector
        first = block[1] if detected else block[0]
        yield first
        if block[-1] is not first:
            yield block[-1]


def pixel_at(axis: Axis, position: int, mode: PaddingMode) -> int | None:
    """The input pixel at a position of the padded axis; None for padding that is zero.

    Args:
        axis: sizes and padding.
        position: from −before on; 0 is the first input pixel.
        mode: what the padding contains.
    """
    pixels = axis.cropped_size
    if 0 <= position < pixels:
        return position
    if mode is PaddingMode.replicate:
        return min(max(position, 0), pixels - 1)
    if mode is PaddingMode.circular:
        return position % pixels
    if mode is PaddingMode.reflect:
        period = 2 * (pixels - 1)
        return min(position % period, -position % period)
    return None


def reads_along(axis: Axis, outputs: Sequence[int], mode: PaddingMode) -> list[int]:
    """How often each pixel of an axis is read.

    Args:
        axis: the kernel.
        outputs: for each output position, how often it is read itself.
        mode: what the padding contains.
    """
    counts = [0] * axis.size
    for output, count in enumerate(outputs):
        first = output * axis.stride - axis.before
        for position in range(first, first + axis.kernel):
            pixel = pixel_at(axis, position, mode)
            if pixel is not None:
                counts[pixel] += count
    return counts


def image_reads(layers: Sequence[PlannedLayer], mode: PaddingMode) -> tuple[list[int], list[int]]:
    """How often the cells of the last layer read each row and each column of the image.

    The count of a pixel is its row's count times its column's count.

    Args:
        layers: from the network's first layer on, all with response maps.
        mode: what the padding of the learned layers contains.
    """

    def along(side: int) -> list[int]:
        counts = [1] * layers[-1].output_shape[1 + side]
        for layer in reversed(layers):
            if layer.axes is not None:
                padding = mode if layer.kind in PADDED_BY_MODE else PaddingMode.zeros
                counts = reads_along(layer.axes[side], counts, padding)
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
