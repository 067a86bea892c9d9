"""Batches from tensors in memory, in the order of the data set or in that of an epoch.

Pixels are stored as bytes and scaled to 0 … 1 batch by batch, which is faster than decoding image
by image and takes a quarter of the memory of floats.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from convchoice.networks.network import derived_seed

EVALUATION_BATCH = 128
"""Images at a time without gradients: their response maps still fit the CPU's cache."""


class EpochOrder:
    """The order of the training images, a new one each epoch, fixed by the seed of a run.

    It depends only on the seed, the epoch and the number of images: arms with the same seed see the
    same order, and a resumed run continues with the order that it would have had.

    Args:
        size: number of images, N.
        seeds: of the runs that are trained together, S.
    """

    def __init__(self, size: int, *seeds: int) -> None:
        """Start at epoch 0."""
        self.size = size
        self.seeds = seeds
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0; Lightning calls this before each one."""
        self.epoch = epoch

    def permutation(self) -> Tensor:
        """Indices of the epoch's images, (N,) for one run and (S, N) for several."""
        seeds = (derived_seed(seed, "order", str(self.epoch)) for seed in self.seeds)
        generators = (torch.Generator().manual_seed(seed) for seed in seeds)
        orders = [torch.randperm(self.size, generator=generator) for generator in generators]
        return orders[0] if len(orders) == 1 else torch.stack(orders)


class Batches:
    """Batches of scaled images and labels.

    Yields (images float32 (B, C, H, W) in 0 … 1, labels int64 (B,)); the last batch may be smaller.
    With the order of S runs, a batch holds one for each: images (S, B, C, H, W), labels (S, B).

    Args:
        images: uint8 (N, H, W) of one channel or (N, C, H, W), on the device of the network.
        labels: int64 (N,), on the same device.
        batch_size: images a batch, B.
        order: of each epoch; None keeps that of the tensors.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, batch_size: int, order: EpochOrder | None = None
    ) -> None:
        """Keep references to the tensors."""
        self.images = images
        self.labels = labels
        self.batch_size = batch_size
        self.order = order
        if order is not None:
            self.sampler = order  # where Lightning looks for `set_epoch`

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        return math.ceil(len(self.labels) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch."""
        order = None if self.order is None else self.order.permutation()
        for first in range(0, len(self.labels), self.batch_size):
            some = slice(first, first + self.batch_size)
            if order is None:
                yield scaled(self.images[some]), self.labels[some]
            else:
                chosen = order[..., some].to(self.images.device)
                pixels = scaled(self.images[chosen.flatten()])
                yield pixels.reshape(*chosen.shape, *pixels.shape[1:]), self.labels[chosen]


def scaled(images: Tensor) -> Tensor:
    """Bytes (B, H, W) or (B, C, H, W) divided by 255: float32 (B, C, H, W).

    The result is channels-last in memory, which every later layer preserves and which is faster on
    CPU and GPU.
    """
    channels = images.unsqueeze(1) if images.dim() == 3 else images  # noqa: PLR2004 - no axis of C
    pixels = channels.to(torch.float32).div_(255)
    return pixels.contiguous(memory_format=torch.channels_last)
