"""Equivariance errors: how much the map of a transformed image differs from the transformed map.

For a layer f (with all layers before it) and a transform T, over a set of images x, in float64:

    error = ‖f(Tx) − T′f(x)‖ / ‖f(x)‖,   ‖·‖² summed over images, channels and cells

T′ is T on the grid of the layer, whose cells are j pixels apart (j: the layer's jump):

- translation by d pixels down and to the right: T′ moves the map by m cells, m = ⌊d/j + ½⌋. If j
  divides d, this is exactly T; otherwise it is the nearest shift by whole cells, and the error
  shows what a stride loses. Measured for d = 1 … 4 and for the jump of every layer.
- rotation by 90° anticlockwise, for square images and maps only: T′ rotates about the centre.
- scale by a factor about the centre: T′ resamples the map as T resamples the image, bilinearly.

Cells without a counterpart are 0 in T′f(x), as pixels are in Tx.

`error_whole` is the error over the whole map, borders included. `error_interior` is the error over
the cells that no border reaches, neither in f(Tx) nor in T′f(x), divided by ‖T′f(x)‖ over the same
cells: a cell counts if everything that it sees through all layers before it is a pixel of the
image and moved with it, neither padding nor uncovered background. So for a convolution under
translation the interior error is 0, and the error on the whole map is due to the border.
"""

import copy
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from convchoice.config.field_types import Pair
from convchoice.config.schema import Curve
from convchoice.evaluation.image_transforms import rescaled, shifted
from convchoice.networks.network import Network
from convchoice.networks.plan import PlannedLayer
from convchoice.networks.receptive_field import spatial_layers
from convchoice.runs.evaluation_files import CurvePoint, Unit
from convchoice.training.batches import EVALUATION_BATCH, Batches

TRANSLATION_PIXELS = (1, 2, 3, 4)
SCALE_FACTORS = (0.8, 1.2)
MOST_IMAGES = 512
"""Float64 and the maps of every layer are expensive, and sums over many cells need no more."""
WHOLE = 1 - 1e-6
"""A resampled mask below this value includes something that is masked out."""

Interval = tuple[int, int]
"""First and last cell along one axis; empty if the last is before the first."""


def _jump(layer: PlannedLayer) -> Pair:
    """Pixels from one cell of a spatial layer to the next, down and across."""
    assert layer.jump is not None  # noqa: S101 - see `spatial_layers`
    return layer.jump


def clean_cells(layers: Sequence[PlannedLayer], axis: int, pixels: Interval) -> list[Interval]:
    """The cells of each layer that see only these pixels, through all layers before it.

    Padding of any layer counts as outside.

    Args:
        layers: the first layers of the network.
        axis: 0 for rows, 1 for columns.
        pixels: of the image, along this axis.

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


def _clean_masks(
    layers: Sequence[PlannedLayer], rows: Interval, columns: Interval
) -> Iterator[Tensor]:
    """For each layer, a mask float64 (1, 1, H, W) of the cells that see only these pixels."""
    both = (clean_cells(layers, 0, rows), clean_cells(layers, 1, columns))
    for layer, (top, bottom), (left, right) in zip(layers, *both, strict=True):
        mask = torch.zeros(1, 1, *layer.output_shape[1:], dtype=torch.float64)
        mask[..., top : max(top, bottom + 1), left : max(left, right + 1)] = 1
        yield mask


@dataclass(frozen=True)
class Move:
    """A transform of images, and of maps in the same way."""

    kind: str
    unit: Unit
    value: float

    def __call__(self, maps: Tensor, jump: Pair = (1, 1)) -> Tensor:
        """The moved maps (B, C, H, W), whose cells are `jump` pixels apart, down and across."""
        if self.kind == "translation":
            down, across = (math.floor(self.value / step + 0.5) for step in jump)
            return shifted(maps, down, across)
        return (
            torch.rot90(maps, 1, (2, 3)) if self.kind == "rotation" else rescaled(maps, self.value)
        )

    def interiors(self, layers: Sequence[PlannedLayer]) -> list[Tensor]:
        """For each layer, a mask (H, W) of the cells that no border reaches."""
        height, width = layers[0].input_shape[1:]
        ones = torch.ones(1, 1, height, width, dtype=torch.float64)
        moved = self(ones)[0, 0] > WHOLE  # a rectangle: the rest is uncovered background
        rows, columns = (moved.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
        still = _clean_masks(layers, (0, height - 1), (0, width - 1))
        seen = _clean_masks(layers, (rows[0], rows[-1]), (columns[0], columns[-1]))
        return [
            ((mask > 0) & (self(other, _jump(layer)) > WHOLE))[0, 0]
            for layer, mask, other in zip(layers, seen, still, strict=True)
        ]


def moves(layers: Sequence[PlannedLayer]) -> list[Move]:
    """The transforms for these layers; jumps beyond a quarter of the image are left out."""
    height, width = layers[0].input_shape[1:]
    jumps = {math.lcm(*_jump(layer)) for layer in layers}  # moves both axes by whole cells
    pixels = {*TRANSLATION_PIXELS, *(jump for jump in jumps if jump <= min(height, width) // 4)}
    square = height == width and all(len({*layer.output_shape[1:]}) == 1 for layer in layers)
    turns = [Move("rotation", "degrees", 90)] if square else []
    scales = [Move("scale", "factor", factor) for factor in SCALE_FACTORS]
    return [*(Move("translation", "pixels", each) for each in sorted(pixels)), *turns, *scales]


@dataclass
class _Sums:
    """Squared norms, over images, channels and cells: on the whole map, and on its interior."""

    interior: Tensor
    """Mask (H, W)."""
    squares: list[float] = field(default_factory=lambda: [0.0] * 4)

    def add(self, moved: Tensor, expected: Tensor, still: Tensor) -> None:
        """Add a batch: f(Tx), T′f(x) and f(x), each (B, C, H, W)."""
        off = (moved - expected).square().sum((0, 1))
        size = expected.square().sum((0, 1))
        inside = self.interior.to(off.device)
        for index, part in enumerate((off, still.square(), off[inside], size[inside])):
            self.squares[index] += float(part.sum())

    def errors(self) -> list[float | None]:
        """On the whole map and on its interior; None if the denominator is 0."""
        parts = (self.squares[:2], self.squares[2:])
        return [math.sqrt(off / size) if size > 0 else None for off, size in parts]


def _maps(network: Network, count: int, images: Tensor) -> Iterator[Tensor]:
    """The maps of the first layers, in order."""
    for module in itertools.islice(network.children(), count):
        images = module(images)
        yield images


@torch.inference_mode()
def equivariance_curve(network: Network, images: Tensor) -> Iterator[CurvePoint]:
    """Relative equivariance errors of every layer before the head, as defined in this module.

    Args:
        network: trained; it is not changed.
        images: uint8, (N, H, W) or (N, C, H, W), on the network's device; 512 of them, spread
            evenly, are used.
    """
    layers = spatial_layers(network.plan.layers)
    if not layers:
        return  # a network that begins with its head has no map
    exact = copy.deepcopy(network).double().eval()
    count = min(len(images), MOST_IMAGES)
    chosen = torch.arange(count, device=images.device) * len(images) // max(count, 1)
    transforms = moves(layers)
    sums = [[_Sums(mask) for mask in move.interiors(layers)] for move in transforms]
    for batch, _ in Batches(images[chosen], chosen, EVALUATION_BATCH):
        pixels = batch.double()
        still = list(_maps(exact, len(layers), pixels))
        for move, totals in zip(transforms, sums, strict=True):
            moved = _maps(exact, len(layers), move(pixels))
            for layer, ours, theirs, total in zip(layers, moved, still, totals, strict=True):
                total.add(ours, move(theirs, _jump(layer)), theirs)
    for move, totals in zip(transforms, sums, strict=True):
        for layer, total in zip(layers, totals, strict=True):
            whole, interior = total.errors()
            down, across = _jump(layer)
            yield CurvePoint(
                curve=Curve.equivariance, kind=move.kind, layer=layer.name, unit=move.unit,
                value=move.value, jump_pixels=down if down == across else None, images=count,
                error_interior=interior, error_whole=whole,
            )  # fmt: skip
