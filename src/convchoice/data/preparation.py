"""What a configuration's images look like when the network gets them: the one place for it.

A data set's images lie on a canvas (`on_canvas`), training images may be turned there (`turned`),
and pixels may change places at last (`permuted`). All of it is done once, on the bytes in memory,
so that no training step pays for it. Whoever transforms test images (shifts, turns) does it between
`on_canvas` and `permuted`, where an image is still an image and has room to move.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from convchoice.config.schema import DataConfig

CHUNK_IMAGES = 256
"""Images turned at a time, as floats: few enough for the CPU's cache."""


def on_canvas(images: Tensor, side: int | None) -> Tensor:
    """Images (..., H, W) in the middle of side × side pixels of zero; an odd pixel goes behind.

    Args:
        images: of any type.
        side: at least H and W; None leaves the images as they are.
    """
    if side is None:
        return images
    height, width = images.shape[-2:]
    above, left = (side - height) // 2, (side - width) // 2
    return functional.pad(images, (left, side - width - left, above, side - height - above))


def permuted(images: Tensor, seed: int | None) -> Tensor:
    """Images (..., H, W) with their pixels moved, each image and channel alike.

    Args:
        images: of any type, on any device.
        seed: fixes the permutation of the H·W places; None leaves pixels where they are.
    """
    if seed is None:
        return images
    height, width = images.shape[-2:]
    places = torch.randperm(height * width, generator=torch.Generator().manual_seed(seed))
    return images.flatten(-2)[..., places.to(images.device)].reshape(images.shape)


def fixed_angles(images: int, seed: int) -> Tensor:
    """An angle in [0, 360) degrees for each of a data set's training images, (N,), float64."""
    generator = torch.Generator().manual_seed(seed)
    return 360 * torch.rand(images, generator=generator, dtype=torch.float64)


def turned(images: Tensor, degrees: Tensor) -> Tensor:
    """Each image turned about its centre by an angle of its own, bilinear, zeros from outside.

    Args:
        images: uint8 (N, H, W) or (N, C, H, W), square.
        degrees: (N,), anticlockwise.

    Returns:
        uint8 of the same shape, rounded to the nearest.
    """
    if not len(images):
        return images
    parts = zip(torch.split(images, CHUNK_IMAGES), torch.split(degrees, CHUNK_IMAGES), strict=True)
    return torch.cat([_turned(some, angles) for some, angles in parts])


def _turned(images: Tensor, degrees: Tensor) -> Tensor:
    pixels = (images if images.dim() == 4 else images.unsqueeze(1)).float()  # noqa: PLR2004
    radians = degrees.to(torch.float64) * (math.pi / 180)
    cosine, sine, zero = radians.cos(), radians.sin(), torch.zeros_like(radians)
    # Where each output pixel comes from: rows of x and y, with y pointing down.
    maps = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(maps.float(), list(pixels.shape), align_corners=False)
    moved = functional.grid_sample(pixels, grid, "bilinear", "zeros", align_corners=False)
    return moved.round().clamp(0, 255).to(torch.uint8).view(images.shape)


def training_images(images: Tensor, chosen: Tensor, config: DataConfig) -> Tensor:
    """The chosen training or validation images as a configuration's network gets them.

    Args:
        images: all of the official training set, uint8 (N, H, W) or (N, C, H, W).
        chosen: indices (M,).
        config: canvas, rotation and permutation.

    Returns:
        uint8 (M, H, W) or (M, C, H, W).
    """
    pixels = on_canvas(images[chosen], config.canvas)
    if config.rotated:
        pixels = turned(pixels, fixed_angles(len(images), config.validation_seed)[chosen])
    return _channels_last(permuted(pixels, config.permutation_seed))


def test_images(images: Tensor, config: DataConfig) -> Tensor:
    """Test images as a configuration's network gets them: upright, whatever it was trained on.

    Args:
        images: uint8 (N, H, W) or (N, C, H, W), on any device.
        config: canvas and permutation.
    """
    return _channels_last(permuted(on_canvas(images, config.canvas), config.permutation_seed))


def _channels_last(images: Tensor) -> Tensor:
    """In memory as the batches want it, so that scaling a batch does not turn it round."""
    if images.dim() < 4:  # noqa: PLR2004 - one channel, no axis for it
        return images
    return images.contiguous(memory_format=torch.channels_last)
