"""The input images of a configuration: canvas, rotation and permutation, in this order.

They are applied once, to the bytes in memory, and cost nothing in a training step. Code that
transforms test images (shifts, rotations) does so between `on_canvas` and `permuted`.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from convchoice.config.schema import DataConfig

CHUNK_IMAGES = 256
"""Images that are rotated at a time, as floats: few enough for the CPU's cache."""


def on_canvas(images: Tensor, side: int | None) -> Tensor:
    """Images (..., H, W) centred on side × side pixels of zero; unchanged if `side` is None.

    If the number of added pixels is odd, the right or lower border has one more.
    """
    if side is None:
        return images
    height, width = images.shape[-2:]
    above, left = (side - height) // 2, (side - width) // 2
    return functional.pad(images, (left, side - width - left, above, side - height - above))


def permuted(images: Tensor, seed: int | None) -> Tensor:
    """Images (..., H, W) with their H·W pixels in the random order of a seed; unchanged if None.

    All images and channels are permuted alike.
    """
    if seed is None:
        return images
    height, width = images.shape[-2:]
    order = torch.randperm(height * width, generator=torch.Generator().manual_seed(seed))
    return images.flatten(-2)[..., order.to(images.device)].reshape(images.shape)


def fixed_angles(images: int, seed: int) -> Tensor:
    """An angle in [0, 360) degrees for each training image of a data set, (N,), float64."""
    generator = torch.Generator().manual_seed(seed)
    return 360 * torch.rand(images, generator=generator, dtype=torch.float64)


def rotated_by(images: Tensor, degrees: Tensor) -> Tensor:
    """Each image rotated about its centre by its own angle, bilinear, with zeros from outside.

    torchvision rotates a batch by one angle only.

    Args:
        images: uint8 (N, H, W) or (N, C, H, W), square.
        degrees: (N,), anticlockwise.

    Returns:
        uint8 of the same shape, rounded to the nearest integer.
    """
    parts = zip(torch.split(images, CHUNK_IMAGES), torch.split(degrees, CHUNK_IMAGES), strict=True)
    return torch.cat([_rotated_chunk(some, angles) for some, angles in parts])


def _rotated_chunk(images: Tensor, degrees: Tensor) -> Tensor:
    if not len(images):
        return images
    height, width = images.shape[-2:]
    pixels = images.reshape(len(images), -1, height, width).float()
    radians = degrees.to(torch.float64) * (math.pi / 180)
    cosine, sine, zero = radians.cos(), radians.sin(), torch.zeros_like(radians)
    # From output to input coordinates: rows of x and y, with y pointing down.
    maps = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(maps.float(), list(pixels.shape), align_corners=False)
    moved = functional.grid_sample(pixels, grid, "bilinear", "zeros", align_corners=False)
    return moved.round().clamp(0, 255).to(torch.uint8).view(images.shape)


def training_images(images: Tensor, chosen: Tensor, config: DataConfig) -> Tensor:
    """The chosen training or validation images as a configuration's network receives them.

    Args:
        images: the complete official training set, uint8 (N, H, W) or (N, C, H, W).
        chosen: indices (M,).
        config: canvas, rotation and permutation.
    """
    pixels = on_canvas(images[chosen], config.canvas)
    if config.rotated:
        pixels = rotated_by(pixels, fixed_angles(len(images), config.validation_seed)[chosen])
    return _channels_last(permuted(pixels, config.permutation_seed))


def test_images(images: Tensor, config: DataConfig) -> Tensor:
    """Test images, uint8, as a configuration's network receives them; they are never rotated."""
    return _channels_last(permuted(on_canvas(images, config.canvas), config.permutation_seed))


def _channels_last(images: Tensor) -> Tensor:
    """Images in the memory format of the batches, so that no batch is converted."""
    has_channels = images.dim() == 4  # noqa: PLR2004 - (N, C, H, W)
    return images.contiguous(memory_format=torch.channels_last) if has_channels else images
