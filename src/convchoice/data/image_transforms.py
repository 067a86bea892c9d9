"""Transforms of image batches: shifts, rotations, changes of scale and of size.

Images are float (B, C, H, W) on a background of 0, which fills what a transform uncovers. Rows
count downwards, columns to the right, angles anticlockwise.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

INK_BATCH = 1000
"""Images that are in float64 at a time, which takes eight times the bytes."""

Transform = Callable[[Tensor], Tensor]


def shifted(images: Tensor, rows: int, columns: int) -> Tensor:
    """Images moved by whole pixels; what leaves the canvas is lost.

    Args:
        images: (B, C, H, W).
        rows: pixels downwards; negative upwards.
        columns: pixels to the right; negative to the left.
    """
    height, width = images.shape[-2:]
    if abs(rows) >= height or abs(columns) >= width:
        return torch.zeros_like(images)
    # A negative padding crops one side, and the same padding of zeros extends the other.
    return pad(images, (columns, -columns, rows, -rows))


def rotated(images: Tensor, degrees: float) -> Tensor:
    """Images (B, C, H, W) rotated about the centre on the same canvas; bilinear.

    Multiples of 90° are exact on square images, because torchvision then moves whole pixels.
    """
    result: Tensor = functional.rotate(images, degrees, interpolation=InterpolationMode.BILINEAR)
    return result


def rescaled(images: Tensor, factor: float) -> Tensor:
    """Images (B, C, H, W) enlarged about the centre on the same canvas; bilinear.

    A factor below 1 shrinks, and 1 returns the images themselves.
    """
    if factor == 1:
        return images
    result: Tensor = functional.affine(
        images,
        angle=0.0,
        translate=[0, 0],
        scale=factor,
        shear=[0.0, 0.0],
        interpolation=InterpolationMode.BILINEAR,
    )
    return result


def resized(images: Tensor, height: int, width: int) -> Tensor:
    """Images (B, C, H, W) resampled to (B, C, height, width); bilinear, with antialiasing."""
    if (height, width) == tuple(images.shape[-2:]):
        return images
    result: Tensor = functional.resize(
        images, [height, width], interpolation=InterpolationMode.BILINEAR, antialias=True
    )
    return result


def gathered_shifts(images: Tensor, shifts: Tensor, most: int) -> Tensor:
    """Each image moved by its own shift.

    Args:
        images: (B, C, H, W).
        shifts: (B, 2), int64: rows downwards and columns to the right, between −most and most.
        most: pixels.
    """
    height, width = images.shape[-2:]
    framed = pad(images, (most, most, most, most)).permute(0, 2, 3, 1)
    image = torch.arange(len(images), device=images.device)
    rows = torch.arange(height, device=images.device) + most - shifts[:, :1]
    columns = torch.arange(width, device=images.device) + most - shifts[:, 1:]
    moved: Tensor = framed[image[:, None, None], rows[:, :, None], columns[:, None]]
    return moved.permute(0, 3, 1, 2)


def mean_ink(images: Tensor) -> Tensor:
    """Mean distribution of the ink: float64 (H, W) with sum 1, or 0 if all images are blank.

    Every image has the same weight, except blank ones, which have none.

    Args:
        images: any number type, (N, H, W) or (N, C, H, W).
    """
    height, width = images.shape[-2:]
    total = torch.zeros(height, width, dtype=torch.float64, device=images.device)
    inked = 0
    for part in torch.split(images, INK_BATCH):
        ink = part.double().reshape(len(part), -1, height, width).sum(1)
        sums = ink.sum((1, 2))
        has_ink = sums > 0
        total += (ink[has_ink] / sums[has_ink, None, None]).sum(0)
        inked += int(has_ink.sum())
    return total / max(inked, 1)


def _offsets(ink: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of every pixel's centre from the canvas's centre, broadcast to (H, W)."""
    height, width = ink.shape
    rows = torch.arange(height, device=ink.device, dtype=torch.float64) - (height - 1) / 2
    columns = torch.arange(width, device=ink.device, dtype=torch.float64) - (width - 1) / 2
    return rows[:, None].expand(height, width), columns[None].expand(height, width)


def _lost(ink: Tensor, rows: Tensor, columns: Tensor) -> float:
    """Share of the ink whose offsets from the centre are outside the canvas."""
    height, width = ink.shape
    outside = (rows.abs() > height / 2) | (columns.abs() > width / 2)
    return min(1.0, float(ink[outside].sum()))


def ink_lost_by_shift(ink: Tensor, rows: int, columns: int) -> float:
    """Share of the mean ink (H, W) that a shift moves off the canvas."""
    down, right = _offsets(ink)
    return _lost(ink, down + rows, right + columns)


def ink_lost_by_rotation(ink: Tensor, degrees: float) -> float:
    """Share of the mean ink (H, W) that a rotation moves off the canvas."""
    down, right = _offsets(ink)
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    # Rounded, because the last digit of a cosine would lose the border at 90°.
    rows = (cosine * down - sine * right).round(decimals=9)
    return _lost(ink, rows, (cosine * right + sine * down).round(decimals=9))


def ink_lost_by_scale(ink: Tensor, factor: float) -> float:
    """Share of the mean ink (H, W) that an enlargement moves off the canvas."""
    down, right = _offsets(ink)
    return _lost(ink, factor * down, factor * right)
