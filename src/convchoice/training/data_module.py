"""The training and validation images of a run, or of several runs trained together.

They are held in memory on the training device. The test set is not opened here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from sklearn.model_selection import train_test_split
from torch import Tensor

from convchoice.config.schema import DataConfig
from convchoice.data.dataset import StoredDataset
from convchoice.data.preparation import training_images
from convchoice.errors import require
from convchoice.training.batches import EVALUATION_BATCH, Batches, EpochOrder

Indices = NDArray[np.int64]


class Split(NamedTuple):
    """Sorted indices of the official training set; those for validation may be none."""

    training: Indices
    validation: Indices


def split(labels: NDArray[np.uint8], config: DataConfig, validation_size: int) -> Split:
    """Split the official training set, stratified by label and fixed by `validation_seed`.

    A `train_size` larger than the rest of the validation split takes the whole rest.

    Args:
        labels: (N,) of the official training set.
        config: sizes, and the seed of the split.
        validation_size: number of validation images, may be 0.

    Raises:
        ConfigurationError: if a stratified split of these sizes is impossible.
    """
    every = np.arange(len(labels), dtype=np.int64)
    classes = len(np.unique(labels))
    training, validation = every, every[:0]
    if validation_size:
        _check_size("data.validation_size", validation_size, classes, len(every) - classes)
        training, validation = train_test_split(
            every, test_size=validation_size, stratify=labels, random_state=config.validation_seed
        )
    if config.train_size is not None and config.train_size < len(training):
        most = len(training) - classes
        _check_size("data.train_size", config.train_size, classes, most)
        order = stratified_order(labels[training], config.validation_seed)
        training = training[order[: config.train_size]]
    return Split(np.sort(training), np.sort(validation))


def stratified_order(labels: NDArray[np.uint8], seed: int) -> Indices:
    """An order of images in which every prefix is stratified, so that subsets are nested.

    Within a class the order is random; the r-th of a class's n images is placed at (r + 1/2)/n. A
    prefix that ends at t holds the share t of each class, rounded to the nearest image; classes of
    equal size alternate in an order that is random too.

    Returns:
        Indices (N,) into labels (N,).
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    places = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels[shuffled] == label)
        places[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(places, kind="stable")].astype(np.int64)


def _check_size(field: str, size: int, least: int, most: int) -> None:
    rule = f"a stratified split needs {least} to {most} images here."
    require(least <= size <= most, field, size, rule)


class ImageDataModule(LightningDataModule):
    """The training and validation images, in memory on the training device.

    Args:
        config: which images.
        seeds: of the runs that are trained together; they decide the order, never the split.
        stored: the verified data set.
    """

    def __init__(self, config: DataConfig, seeds: Sequence[int], stored: StoredDataset) -> None:
        """Read, verify and split the training images."""
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
        """Take the device from the trainer."""
        if self.trainer is not None:
            self.device = self.trainer.strategy.root_device

    def _chosen(self, indices: Indices) -> tuple[Tensor, Tensor]:
        chosen = torch.from_numpy(indices)
        images = training_images(self._images, chosen, self.config)
        return images.to(self.device), self._labels[chosen].to(self.device)

    def train_dataloader(self) -> Batches:
        """Batches of training images, in a new order each epoch."""
        images, labels = self._chosen(self.split.training)
        order = EpochOrder(len(labels), *self.seeds)
        return Batches(images, labels, self.config.batch_size, order)

    def val_dataloader(self) -> Batches | list[Batches]:
        """Batches of validation images; none without a validation split."""
        if not len(self.split.validation):
            return []
        return Batches(*self._chosen(self.split.validation), EVALUATION_BATCH)
