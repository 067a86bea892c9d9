"""Images in memory: the split, the order, and the batches that training draws.

Pixels are kept as bytes on the training device and scaled to 0 … 1 a batch at a time, which is
quicker than decoding image by image and a quarter of the memory of floats. The test set is not
opened here.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from sklearn.model_selection import train_test_split
from torch import Tensor

from convchoice.datasets import StoredDataset
from convchoice.errors import ConfigurationError
from convchoice.network import derived_seed
from convchoice.schema import DataConfig

EVALUATION_BATCH = 128  # its response maps still fit the CPU's cache; 500 took twice as long
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Which images of the official training set train and which validate.

    Attributes:
        training: indices, sorted.
        validation: indices, sorted; may be empty.
    """

    training: Indices
    validation: Indices


def split(labels: NDArray[np.uint8], config: DataConfig, validation_size: int) -> Split:
    """Deal the official training set out, stratified by label, by `validation_seed` alone.

    A `train_size` larger than what is left after the validation split takes all of it.

    Args:
        labels: (N,) of the official training set.
        config: sizes and the seed of the split.
        validation_size: images to hold out, 0 for none.

    Raises:
        ConfigurationError: if a stratified split of those sizes cannot be made.
    """
    every = np.arange(len(labels), dtype=np.int64)
    classes = len(np.unique(labels))
    training, validation = every, every[:0]
    if validation_size:
        _check_size("data.validation_size", validation_size, classes, len(every) - classes)
        training, validation = train_test_split(
            every,
            test_size=validation_size,
            stratify=labels,
            random_state=config.validation_seed,
        )
    if config.train_size is not None and config.train_size < len(training):
        most = len(training) - classes
        _check_size("data.train_size", config.train_size, classes, most)
        training, _ = train_test_split(
            training,
            train_size=config.train_size,
            stratify=labels[training],
            random_state=config.validation_seed,
        )
    return Split(np.sort(training), np.sort(validation))


def _check_size(field: str, size: int, least: int, most: int) -> None:
    if not least <= size <= most:
        raise ConfigurationError(
            field, size, f"a stratified choice needs {least} to {most} images here."
        )


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

    Yields (images float32 (B, 1, H, W) in 0 … 1, labels int64 (B,)); the last batch may be smaller.

    Args:
        images: uint8 (N, H, W), on the device that works.
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


def scaled(images: Tensor) -> Tensor:
    """Bytes (B, H, W) as the lecture feeds them: float32 (B, 1, H, W), pixels / 255.

    Channels last in memory, which every layer after keeps and which is quicker on CPU and GPU.
    """
    pixels = images.unsqueeze(1).to(torch.float32).div_(255)
    return pixels.contiguous(memory_format=torch.channels_last)


class ImageDataModule(LightningDataModule):
    """The training and validation images of one run, in memory on the training device.

    Args:
        config: which images.
        seed: the run's seed; it moves the order, never the split.
        stored: the verified data set.
    """

    def __init__(self, config: DataConfig, seed: int, stored: StoredDataset) -> None:
        """Read, verify and deal out the training images."""
        super().__init__()
        self.config = config
        self.seed = seed
        images, labels = stored.train()
        size = config.validation_size
        self.split = split(labels, config, stored.spec.validation_size if size is None else size)
        self._images = torch.from_numpy(images)
        self._labels = torch.from_numpy(labels.astype(np.int64))
        self.device = torch.device("cpu")

    def setup(self, stage: str) -> None:  # noqa: ARG002 - Lightning's signature
        """Learn which device trains."""
        if self.trainer is not None:
            self.device = self.trainer.strategy.root_device

    def _chosen(self, indices: Indices) -> tuple[Tensor, Tensor]:
        chosen = torch.from_numpy(indices)
        return self._images[chosen].to(self.device), self._labels[chosen].to(self.device)

    def train_dataloader(self) -> ShuffledBatches:
        """Batches of training images, in a new order each epoch."""
        images, labels = self._chosen(self.split.training)
        order = EpochOrder(len(labels), self.seed)
        return ShuffledBatches(images, labels, self.config.batch_size, order)

    def val_dataloader(self) -> Batches | list[Batches]:
        """Batches of validation images; none without a validation split."""
        if not len(self.split.validation):
            return []
        return Batches(*self._chosen(self.split.validation), EVALUATION_BATCH)
