"""Transforms of image batches: shifts, and by torchvision rotations and changes of scale and size.

Images are float (B, C, H, W) on a ground of 0, which is what comes in where something moves out.
Directions are a reader's: rows count downwards, columns to the right, angles anticlockwise.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

INK_BATCH = 1000
"""Images in float64 at a time, eight times the bytes that they are kept in."""

Transform = Callable[[Tensor], Tensor]


def shifted(images: Tensor, rows: int, columns: int) -> Tensor:
    """Moved by whole pixels; what leaves the canvas is lost.

    Args:
        images: (B, C, H, W).
        rows: pixels downwards; negative upwards.
        columns: pixels to the right; negative to the left.
    """
    height, width = images.shape[-2:]
    if abs(rows) >= height or abs(columns) >= width:
        return torch.zeros_like(images)
    # What a negative padding cuts off on one side is filled with zeros on the other.
    return pad(images, (columns, -columns, rows, -rows))


def rotated(images: Tensor, degrees: float) -> Tensor:
    """Turned anticlockwise about the centre, the canvas kept; bilinear.

    Multiples of 90° are exact on square images, for torchvision moves the pixels themselves there.

    Args:
        images: (B, C, H, W).
        degrees: the angle.
    """
    turned: Tensor = functional.rotate(images, degrees, interpolation=InterpolationMode.BILINEAR)
    return turned


def rescaled(images: Tensor, factor: float) -> Tensor:
    """Enlarged about the centre, the canvas kept; bilinear. A factor of 1 leaves them as they are.

    Args:
        images: (B, C, H, W).
        factor: of length; below 1 shrinks.
    """
    if factor == 1:
        return images
    scaled: Tensor = functional.affine(
        images,
        angle=0.0,
        translate=[0, 0],
        scale=factor,
        shear=[0.0, 0.0],
        interpolation=InterpolationMode.BILINEAR,
    )
    return scaled


def resized(images: Tensor, height: int, width: int) -> Tensor:
    """The whole canvas as another number of pixels; bilinear, and smoothed where it shrinks.

    Args:
        images: (B, C, H, W).
        height: of the result, pixels.
        width: likewise.
    """
    if (height, width) == tuple(images.shape[-2:]):
        return images
    made: Tensor = functional.resize(
        images, [height, width], interpolation=InterpolationMode.BILINEAR, antialias=True
    )
    return made


def gathered_shifts(images: Tensor, shifts: Tensor, most: int) -> Tensor:
    """Each image moved by a shift of its own.

    Args:
        images: (B, C, H, W).
        shifts: (B, 2), int64: rows downwards and columns to the right, between −most and most.
        most: pixels.
    """
    height, width = images.shape[-2:]
    framed = pad(images, (most, most, most, most))
    image = torch.arange(len(images), device=images.device)[:, None, None]
    row = (
        torch.arange(height, device=images.device)[None, :, None] + most - shifts[:, 0, None, None]
    )
    column = torch.arange(width, device=images.device)[None, None] + most - shifts[:, 1, None, None]
    moved: Tensor = framed.permute(0, 2, 3, 1)[image, row, column].permute(0, 3, 1, 2)
    return moved


def mean_ink(images: Tensor) -> Tensor:
    """Where the ink of an average image lies: float64 (H, W), sums to 1, to 0 if all are blank.

    Every image counts the same, however much ink it has; blank ones are left out.

    Args:
        images: any number type, (N, H, W) or (N, C, H, W).
    """
    height, width = images.shape[-2:]
    total = torch.zeros(height, width, dtype=torch.float64, device=images.device)
    inked = 0
    for first in range(0, len(images), INK_BATCH):
        part = images[first : first + INK_BATCH]
        ink = part.double().reshape(len(part), -1, height, width).sum(1)
        sums = ink.sum((1, 2))
        there = sums > 0
        total += (ink[there] / sums[there, None, None]).sum(0)
        inked += int(there.sum())
    return total / max(inked, 1)


def _lost(ink: Tensor, rows: Tensor, columns: Tensor) -> float:
    """The share of the ink whose pixels' centres, so far from the canvas's centre, lie outside."""
    height, width = ink.shape
    outside = (rows.abs() > height / 2) | (columns.abs() > width / 2)
    return min(1.0, float(ink[outside].sum()))


def _offsets(ink: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of every pixel's centre from the canvas's centre, (H, W) each."""
    height, width = ink.shape
    rows = torch.arange(height, device=ink.device, dtype=torch.float64) - (height - 1) / 2
    columns = torch.arange(width, device=ink.device, dtype=torch.float64) - (width - 1) / 2
    return rows[:, None].expand(height, width), columns[None].expand(height, width)


def ink_lost_by_shift(ink: Tensor, rows: int, columns: int) -> float:
    """The share of the mean ink (H, W) that such a shift moves off the canvas."""
    down, right = _offsets(ink)
    return _lost(ink, down + rows, right + columns)


def ink_lost_by_rotation(ink: Tensor, degrees: float) -> float:
    """The share of the mean ink (H, W) that such a rotation turns off the canvas."""
    down, right = _offsets(ink)
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    # Rounded, or a quarter turn would lose the border to the last digit of a cosine.
    turned_down = (cosine * down - sine * right).round(decimals=9)
    turned_right = (cosine * right + sine * down).round(decimals=9)
    return _lost(ink, turned_down, turned_right)


def ink_lost_by_scale(ink: Tensor, factor: float) -> float:
    """The share of the mean ink (H, W) that such an enlargement pushes off the canvas."""
    down, right = _offsets(ink)
    return _lost(ink, factor * down, factor * right)
