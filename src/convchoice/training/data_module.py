"""The images of a run, or of several trained together: who trains and who validates.

They are held in memory on the training device.
The test set is not opened here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from sklearn.model_selection import train_test_split
from torch import Tensor

from convchoice.config.schema import DataConfig
from convchoice.data.dataset import StoredDataset
from convchoice.data.preparation import training_images
from convchoice.errors import ConfigurationError
from convchoice.training.batches import (
    EVALUATION_BATCH,
    Batches,
    EpochOrder,
    ShuffledBatches,
    StackedBatches,
    StackedOrders,
)

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
        order = stratified_order(labels[training], config.validation_seed)
        training = training[order[: config.train_size]]
    return Split(np.sort(training), np.sort(validation))


def stratified_order(labels: NDArray[np.uint8], seed: int) -> Indices:
    """An order of images of which every beginning is stratified, so that subsets are nested.

    Within a class the order is random; the r-th of a class's n images stands at (r + 1/2)/n. A
    beginning that ends at t holds the share t of each class, rounded to the nearest image, where
    classes of one size take turns in an order that is random too.

    Args:
        labels: (N,).
        seed: fixes the order.

    Returns:
        Indices (N,) into `labels`.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    places = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels[shuffled] == label)
        places[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(places, kind="stable")].astype(np.int64)


def _check_size(field: str, size: int, least: int, most: int) -> None:
    if not least <= size <= most:
        raise ConfigurationError(
            field, size, f"a stratified choice needs {least} to {most} images here."
        )


class ImageDataModule(LightningDataModule):
    """The training and validation images of one run, in memory on the training device.

    Args:
        config: which images.
        seeds: of the runs that are trained together; they move the order, never the split.
        stored: the verified data set.
    """

    def __init__(self, config: DataConfig, seeds: Sequence[int], stored: StoredDataset) -> None:
        """Read, verify and deal out the training images."""
        super().__init__()
        self.config = config
        self.seeds = list(seeds)
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
        images = training_images(self._images, chosen, self.config)
        return images.to(self.device), self._labels[chosen].to(self.device)

    def train_dataloader(self) -> ShuffledBatches | StackedBatches:
        """Batches of training images, in a new order each epoch."""
        images, labels = self._chosen(self.split.training)
        orders = [EpochOrder(len(labels), seed) for seed in self.seeds]
        size = self.config.batch_size
        if len(orders) == 1:
            return ShuffledBatches(images, labels, size, orders[0])
        return StackedBatches(images, labels, size, StackedOrders(orders))

    def val_dataloader(self) -> Batches | list[Batches]:
        """Batches of validation images; none without a validation split."""
        if not len(self.split.validation):
            return []
        return Batches(*self._chosen(self.split.validation), EVALUATION_BATCH)
