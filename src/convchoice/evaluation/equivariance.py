"""How far each layer is from equivariance: is the map of a moved image the moved map?

For a layer f (with all layers before it) and a transform T, over a set of images x, in float64:

    error = ‖f(Tx) − T′f(x)‖ / ‖f(x)‖,   ‖·‖² summed over images, channels and cells

T′ is what T becomes on the layer's grid, whose cells lie j pixels apart (j: the layer's jump):

- translation by d pixels down and to the right: T′ moves the map by m cells, m = ⌊d/j + ½⌋. Where j
  divides d this is exactly T; elsewhere no shift of cells is, the nearest one is taken, and the
  error says what a stride loses. Measured for d = 1 … 4 and for every layer's own jump.
- rotation by 90° anticlockwise: T′ turns the map about its own centre. Square images alone.
- scale by a factor about the centre: T′ resamples the map as T resamples the image, bilinearly.

Cells without a counterpart are 0 in T′f(x), as pixels are in Tx.

Two numbers each. `error_whole` is over the whole map, borders included. `error_interior` is over
the cells that no border reaches, in f(Tx) nor in T′f(x), with ‖T′f(x)‖ over the same cells below
the line: a cell counts where everything that it sees through all layers before it lies on the
canvas, is no padding, and is moved image rather than ground that came in. So for a convolution
under translation the interior error is 0, and what is left on the whole map is the border's doing.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from convchoice.config.pairs import Pair
from convchoice.config.schema import Curve
from convchoice.data.image_transforms import Transform, rescaled, shifted
from convchoice.networks.network import Network
from convchoice.networks.plan import PlannedLayer
from convchoice.networks.receptive_field import spatial_layers
from convchoice.runs.curve_points import CurvePoint, Unit
from convchoice.training.batches import EVALUATION_BATCH, Batches

TRANSLATION_PIXELS = (1, 2, 3, 4)
SCALE_FACTORS = (0.8, 1.2)
MOST_IMAGES = 512
"""Float64 and every layer's map are dear, and ratios of sums over many cells need no more."""
WHOLE = 1 - 1e-6
"""A resampled mask below this has drawn on something that is masked out."""

Interval = tuple[int, int]
"""First and last cell along one axis; empty where the last comes before the first."""


def jump_of(layer: PlannedLayer) -> Pair:
    """Pixels from one cell of a spatial layer to the next, down and across."""
    assert layer.jump is not None  # noqa: S101 - `spatial_layers` chose it
    return layer.jump


def clean_cells(layers: Sequence[PlannedLayer], axis: int, pixels: Interval) -> list[Interval]:
    """The cells of each layer that see, through all layers before it, these pixels alone.

    Padding counts as outside, in whatever layer it is added.

    Args:
        layers: from the first of the network on.
        axis: 0 for rows, 1 for columns.
        pixels: of the image, along that axis.

    Returns:
        One interval a layer.
    """
    first, last = pixels
    cells = []
    for layer in layers:
        if layer.axes is not None:
            laid = layer.axes[axis]
            # Cell i sees i·s − before … i·s − before + f − 1 of the layer's input.
            from_cell = math.ceil((first + laid.before) / laid.stride)
            to_cell = math.floor((last + laid.before - laid.kernel + 1) / laid.stride)
            first, last = max(0, from_cell), min(laid.output - 1, to_cell)
        cells.append((first, last))
    return cells


def clean_masks(
    layers: Sequence[PlannedLayer], rows: Interval, columns: Interval
) -> Iterator[Tensor]:
    """For each layer, a mask (1, 1, H, W) of the cells that see these pixels alone, in float64."""
    both = (clean_cells(layers, 0, rows), clean_cells(layers, 1, columns))
    for layer, (top, bottom), (left, right) in zip(layers, *both, strict=True):
        mask = torch.zeros(1, 1, *layer.output_shape[1:], dtype=torch.float64)
        mask[..., top : max(top, bottom + 1), left : max(left, right + 1)] = 1
        yield mask


@dataclass(frozen=True)
class Move:
    """A transform of images, and what it becomes on a layer's grid."""

    kind: str
    unit: Unit
    value: float
    on_images: Transform
    on_map: Callable[[Tensor, Pair], Tensor]
    """Of a map (B, C, H, W) and the layer's jumps in pixels, down and across."""

    def interiors(self, layers: Sequence[PlannedLayer]) -> list[Tensor]:
        """For each layer, a mask (H, W) of the cells that no border reaches."""
        height, width = layers[0].input_shape[1:]
        ones = torch.ones(1, 1, height, width, dtype=torch.float64)
        moved = self.on_images(ones)[0, 0] > WHOLE  # a rectangle: the rest is ground that came in
        rows, columns = (moved.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
        still = clean_masks(layers, (0, height - 1), (0, width - 1))
        seen = clean_masks(layers, (rows[0], rows[-1]), (columns[0], columns[-1]))
        return [
            ((mask > 0) & (self.on_map(other, jump_of(layer)) > WHOLE))[0, 0]
            for layer, mask, other in zip(layers, seen, still, strict=True)
        ]


def translation(pixels: int) -> Move:
    """By as many pixels down as to the right; on a map by the nearest whole number of cells."""

    def on_map(maps: Tensor, jump: Pair) -> Tensor:
        down, across = (math.floor(pixels / step + 0.5) for step in jump)
        return shifted(maps, down, across)

    return Move(
        "translation", "pixels", pixels, lambda images: shifted(images, pixels, pixels), on_map
    )


def quarter_turn() -> Move:
    """By 90° anticlockwise about the centre, exactly."""
    return Move(
        "rotation",
        "degrees",
        90,
        lambda images: torch.rot90(images, 1, (2, 3)),
        lambda maps, _: torch.rot90(maps, 1, (2, 3)),
    )


def enlargement(factor: float) -> Move:
    """By a factor about the centre."""
    return Move(
        "scale",
        "factor",
        factor,
        lambda images: rescaled(images, factor),
        lambda maps, _: rescaled(maps, factor),
    )


def moves(layers: Sequence[PlannedLayer]) -> list[Move]:
    """What is measured on these layers: a jump beyond a quarter of the image is left out."""
    height, width = layers[0].input_shape[1:]
    jumps = {math.lcm(*jump_of(layer)) for layer in layers}  # moves both axes by whole cells
    small = {jump for jump in jumps if jump <= min(height, width) // 4}
    chosen = [translation(pixels) for pixels in sorted({*TRANSLATION_PIXELS, *small})]
    if height == width:
        chosen.append(quarter_turn())
    return chosen + [enlargement(factor) for factor in SCALE_FACTORS]


@dataclass
class _Sums:
    """Squared norms, over images, channels and cells."""

    interior: Tensor
    """Mask (H, W)."""
    squares: list[float] = field(default_factory=lambda: [0.0] * 4)

    def add(self, moved: Tensor, expected: Tensor, still: Tensor) -> None:
        """Count a batch: f(Tx), T′f(x) and f(x), each (B, C, H, W)."""
        off = (moved - expected).square().sum((0, 1))
        size = expected.square().sum((0, 1))
        inside = self.interior.to(off.device)
        for index, part in enumerate((off, still.square(), off[inside], size[inside])):
            self.squares[index] += float(part.sum())

    def errors(self) -> tuple[float | None, float | None]:
        """On the whole map and on its interior; None where there is nothing to compare with."""
        whole, interior = (
            math.sqrt(off / size) if size > 0 else None
            for off, size in (self.squares[:2], self.squares[2:])
        )
        return whole, interior


def _maps(network: Network, layers: Sequence[PlannedLayer], images: Tensor) -> Iterator[Tensor]:
    """Each layer's map of the images, one after the other."""
    for layer in layers:
        images = network.get_submodule(layer.name.replace(".", "_"))(images)
        yield images


def spread_evenly(size: int, most: int) -> Tensor:
    """At most so many indices of `size`, int64, as evenly spread as can be."""
    count = min(size, most)
    return torch.arange(count) * size // max(count, 1)


@torch.inference_mode()
def equivariance_curve(network: Network, images: Tensor, labels: Tensor) -> Iterator[CurvePoint]:
    """Relative equivariance errors of every layer before the head, as the module's formula says.

    Args:
        network: trained; it is left as it is.
        images: uint8, (N, H, W) or (N, C, H, W), on the network's device; 512 of them, evenly
            spread, are used.
        labels: int64 (N,), likewise; not used.
    """
    layers = spatial_layers(network.plan.layers)
    if not layers:
        return  # a network that begins with its head has no map
    exact = copy.deepcopy(network).double().eval()
    chosen = spread_evenly(len(images), MOST_IMAGES).to(images.device)
    made = moves(layers)
    sums = [[_Sums(mask) for mask in move.interiors(layers)] for move in made]
    for batch, _ in Batches(images[chosen], labels[chosen], EVALUATION_BATCH):
        pixels = batch.double()
        still = list(_maps(exact, layers, pixels))
        for move, counted in zip(made, sums, strict=True):
            moved = _maps(exact, layers, move.on_images(pixels))
            for layer, ours, theirs, total in zip(layers, moved, still, counted, strict=True):
                total.add(ours, move.on_map(theirs, jump_of(layer)), theirs)
    for move, counted in zip(made, sums, strict=True):
        for layer, total in zip(layers, counted, strict=True):
            whole, interior = total.errors()
            down, across = jump_of(layer)
            yield CurvePoint(
                Curve.equivariance, move.kind, layer.name, move.unit, move.value,
                down if down == across else None,
                len(chosen), error_interior=interior, error_whole=whole,
            )  # fmt: skip
