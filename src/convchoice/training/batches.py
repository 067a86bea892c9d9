"""Batches out of tensors in memory, in their own order or in an epoch's.

Pixels are kept as bytes and scaled to 0 … 1 a batch at a time, which is quicker than decoding image
by image and a quarter of the memory of floats.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from convchoice.networks.network import derived_seed

EVALUATION_BATCH = 128
"""Images at a time where nothing is learned: their response maps still fit the CPU's cache."""


class EpochOrder:
    """The order of the training images, a new one each epoch, fixed by the run's seed.

    It depends on the seed, the epoch and the number of images alone: arms with the same seed see
    the same order, and a resumed run goes on with the order it would have had.
    """

    def __init__(self, size: int, seed: int) -> None:
        """Start at epoch 0."""
        self.size = size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0; Lightning calls this before each one."""
        self.epoch = epoch

    def permutation(self) -> Tensor:
        """Indices (N,) of the epoch's images in order."""
        seed = derived_seed(self.seed, "order", str(self.epoch))
        return torch.randperm(self.size, generator=torch.Generator().manual_seed(seed))


class Batches:
    """Batches of scaled images and labels out of tensors in memory, in their own order.

    Yields (images float32 (B, C, H, W) in 0 … 1, labels int64 (B,)); the last batch may be smaller.

    Args:
        images: uint8 (N, H, W) of one channel or (N, C, H, W), on the device that works.
        labels: int64 (N,), likewise.
        batch_size: images a batch, B.
    """

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int) -> None:
        """Hold on to the tensors; nothing is copied."""
        self.images = images
        self.labels = labels
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        return math.ceil(len(self.labels) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch's batches."""
        for first in range(0, len(self.labels), self.batch_size):
            chosen = slice(first, first + self.batch_size)
            yield scaled(self.images[chosen]), self.labels[chosen]


class ShuffledBatches(Batches):
    """Batches in a new order each epoch.

    Args:
        images: as for `Batches`.
        labels: as for `Batches`.
        batch_size: as for `Batches`.
        order: the order of each epoch.
    """

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int, order: EpochOrder) -> None:
        """Keep the order where Lightning looks for `set_epoch`."""
        super().__init__(images, labels, batch_size)
        self.sampler = order

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch's batches."""
        order = self.sampler.permutation().to(self.images.device)
        for first in range(0, len(order), self.batch_size):
            chosen = order[first : first + self.batch_size]
            yield scaled(self.images[chosen]), self.labels[chosen]


class StackedOrders:
    """The orders of several seeds, moved on together."""

    def __init__(self, orders: Sequence[EpochOrder]) -> None:
        """Hold on to the orders, all of one size."""
        self.orders = list(orders)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of every order."""
        for order in self.orders:
            order.set_epoch(epoch)

    def permutation(self) -> Tensor:
        """Indices (S, N): each seed's own order, the one that it has alone."""
        return torch.stack([order.permutation() for order in self.orders])


class StackedBatches(Batches):
    """A batch for each of several seeds at a time, each in its own order.

    Yields (images float32 (S, B, 1, H, W), labels int64 (S, B)).

    Args:
        images: as for `Batches`, one set for all seeds.
        labels: as for `Batches`.
        batch_size: images a seed's batch, B.
        orders: each seed's order of each epoch.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, batch_size: int, orders: StackedOrders
    ) -> None:
        """Keep the orders where Lightning looks for `set_epoch`."""
        super().__init__(images, labels, batch_size)
        self.sampler = orders

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch's batches."""
        order = self.sampler.permutation().to(self.images.device)
        for first in range(0, order.shape[1], self.batch_size):
            chosen = order[:, first : first + self.batch_size]
            pixels = scaled(self.images[chosen.flatten()])
            yield pixels.reshape(*chosen.shape, *pixels.shape[1:]), self.labels[chosen]


def scaled(images: Tensor) -> Tensor:
    """Bytes (B, H, W) or (B, C, H, W) as the lecture feeds them: float32 (B, C, H, W), / 255.

    Channels last in memory, which every layer after keeps and which is quicker on CPU and GPU.
    """
    channels = images.unsqueeze(1) if images.dim() == 3 else images  # noqa: PLR2004 - no axis of C
    pixels = channels.to(torch.float32).div_(255)
    return pixels.contiguous(memory_format=torch.channels_last)
