"""Transforms of batches of test images: shifts, rotations, changes of scale and of size.

Images are float (B, C, H, W) on a background of 0, which fills what a transform uncovers. Rows
count downwards, columns to the right, angles anticlockwise. Resampling is bilinear.
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
BILINEAR = InterpolationMode.BILINEAR

Transform = Callable[[Tensor], Tensor]


def shifted(images: Tensor, rows: int, columns: int) -> Tensor:
    """Images moved by whole pixels, downwards and to the right; what leaves the canvas is lost."""
    height, width = images.shape[-2:]
    if abs(rows) >= height or abs(columns) >= width:
        return torch.zeros_like(images)
    # A negative padding crops one side, and the same padding of zeros extends the other.
    return pad(images, (columns, -columns, rows, -rows))


def rotated(images: Tensor, degrees: float) -> Tensor:
    """Images rotated about the centre on the same canvas.

    Multiples of 90° are exact on square images, because torchvision then moves whole pixels.
    """
    result: Tensor = functional.rotate(images, degrees, interpolation=BILINEAR)
    return result


def rescaled(images: Tensor, factor: float) -> Tensor:
    """Images enlarged about the centre on the same canvas; a factor below 1 shrinks."""
    if factor == 1:
        return images
    result: Tensor = functional.affine(images, 0.0, [0, 0], factor, [0.0, 0.0], BILINEAR)
    return result


def resized(images: Tensor, height: int, width: int) -> Tensor:
    """Images resampled to (B, C, height, width), with antialiasing; of this size, unchanged."""
    result: Tensor = functional.resize(images, [height, width], BILINEAR, antialias=True)
    return result


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


def ink_lost(
    ink: Tensor, *, rows: int = 0, columns: int = 0, degrees: float = 0, factor: float = 1
) -> float:
    """Share of the mean ink (H, W) that an enlargement, rotation and shift move off the canvas."""
    height, width = ink.shape
    down = torch.arange(height, device=ink.device, dtype=torch.float64)[:, None] - (height - 1) / 2
    right = torch.arange(width, device=ink.device, dtype=torch.float64) - (width - 1) / 2
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    # Rounded, because the last digit of a cosine would lose the border at 90°.
    vertical = (factor * (cosine * down - sine * right)).round(decimals=9) + rows
    horizontal = (factor * (cosine * right + sine * down)).round(decimals=9) + columns
    outside = (vertical.abs() > height / 2) | (horizontal.abs() > width / 2)
    return min(1.0, float(ink[outside].sum()))
