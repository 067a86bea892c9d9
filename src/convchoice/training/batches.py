"""Batches of training and validation images, in the order of an epoch.

Images are held in memory, on the device of the network. Pixels are stored as bytes and scaled to
0 … 1 batch by batch, which is faster than decoding image by image and takes a quarter of the memory
of floats. The test set is not opened here.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from convchoice.config.schema import DataConfig
from convchoice.data.dataset import StoredDataset
from convchoice.data.preparation import training_images
from convchoice.data.split import split
from convchoice.networks.initialisation import derived_seed

EVALUATION_BATCH = 128
"""Images at a time without gradients: their response maps still fit the CPU's cache."""
BLOCK_IMAGES = 1024
"""Images, at least, of the batches that Lightning hands over at once: its cost is by call."""


class Batches:
    """Batches of scaled images and labels.

    Yields (images float32 (B, C, H, W) in 0 … 1, labels int64 (B,)); the last batch may be smaller.
    With several seeds, a batch holds one for each: images (S, B, C, H, W), labels (S, B).

    Args:
        images: uint8 (N, H, W) of one channel or (N, C, H, W), on the device of the network.
        labels: int64 (N,), on the same device.
        size: images a batch, B.
        seeds: of the runs that are trained together, S; without any, the order is that of the
            tensors.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, size: int, seeds: Sequence[int] = ()
    ) -> None:
        """Keep references to the tensors; start at epoch 0."""
        self.images, self.labels, self.size, self.seeds = images, labels, size, seeds
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0."""
        self.epoch = epoch

    def permutation(self) -> Tensor:
        """The order of the epoch's images, (N,) for one seed and (S, N) for several.

        It depends only on the seed, the epoch and the number of images: arms with the same seed see
        the same order, and a resumed run continues with the order that it would have had.
        """
        seeds = (derived_seed(seed, "order", str(self.epoch)) for seed in self.seeds)
        generators = (torch.Generator().manual_seed(seed) for seed in seeds)
        orders = [torch.randperm(len(self.labels), generator=each) for each in generators]
        return orders[0] if len(orders) == 1 else torch.stack(orders)

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        return math.ceil(len(self.labels) / self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch."""
        # As a whole: to wait for a transfer in each block would leave a GPU without work.
        order = self.permutation().to(self.images.device) if self.seeds else None
        for first in range(0, len(self.labels), self.size):
            some = slice(first, first + self.size)
            if order is None:
                yield scaled(self.images[some]), self.labels[some]
            else:
                chosen = order[..., some]
                pixels = scaled(self.images.index_select(0, chosen.flatten()))
                yield pixels.reshape(*chosen.shape, *pixels.shape[1:]), self.labels[chosen]


def training_batches(
    stored: StoredDataset, config: DataConfig, seeds: Sequence[int], device: torch.device
) -> tuple[Batches, Batches]:
    """Batches of training images, in a new order each epoch, and of validation images.

    Args:
        stored: the verified data set.
        config: which images; there may be none for validation.
        seeds: of the runs that are trained together; they decide the order, never the split.
        device: that holds the images.
    """
    pixels, classes = stored.train()
    images, labels = torch.from_numpy(pixels), torch.from_numpy(classes.astype(np.int64))
    size = stored.spec.validation_size if config.validation_size is None else config.validation_size
    parts = split(classes, config, size, stored.spec.own_validation)
    training, validation = map(torch.from_numpy, parts)

    def batches(chosen: Tensor, size: int, seeds: Sequence[int] = ()) -> Batches:
        kept = training_images(images, chosen, config)
        return Batches(kept.to(device), labels[chosen].to(device), size, seeds)

    orders = seeds if config.order_seed is None else [config.order_seed] * len(seeds)
    block = max(1, BLOCK_IMAGES // config.batch_size) * config.batch_size
    return batches(training, block, orders), batches(validation, EVALUATION_BATCH)


def scaled(images: Tensor) -> Tensor:
    """Bytes (B, H, W) or (B, C, H, W) divided by 255: float32 (B, C, H, W).

    The result is channels-last in memory, which every later layer preserves and which is faster on
    CPU and GPU.
    """
    channels = images.unsqueeze(1) if images.dim() == 3 else images  # noqa: PLR2004 - no axis of C
    # Not by a number: a GPU would multiply by its reciprocal, which differs in the last bit.
    largest = torch.full((), 255.0, device=images.device)
    pixels = channels.to(torch.float32).div_(largest)
    return pixels.contiguous(memory_format=torch.channels_last)
