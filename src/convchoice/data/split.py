"""Which images of the official training set train a network, and which validate it.

The split is stratified by class and fixed by seeds of its own.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convchoice.config.schema import DataConfig
from convchoice.errors import require

Indices = NDArray[np.int64]


class Split(NamedTuple):
    """Sorted indices of the official training set; those for validation may be none."""

    training: Indices
    validation: Indices


def split(
    labels: NDArray[np.integer], config: DataConfig, validation_size: int, own: int = 0
) -> Split:
    """Split the official training set, stratified by label and fixed by the seeds of `config`.

    A `train_size` larger than the rest of the validation split takes the whole rest.

    Args:
        labels: (N,) of the official training set.
        config: sizes, and the seed of the split.
        validation_size: number of validation images, may be 0.
        own: of a data set with validation images of its own, their number; they are the last ones,
            and all of them or none validate.

    Raises:
        ConfigurationError: if a stratified split of these sizes is impossible.
    """
    every = np.arange(len(labels), dtype=np.int64)
    classes = len(np.unique(labels))
    training, validation = every, every[:0]
    if own:
        training, validation = every[:-own], every[-own:] if validation_size else every[:0]
    elif validation_size:
        _check_size("data.validation_size", validation_size, classes, len(every) - classes)
        training, validation = stratified_split(labels, validation_size, config.validation_seed)
    if config.train_size is not None and config.train_size < len(training):
        most = len(training) - classes
        _check_size("data.train_size", config.train_size, classes, most)
        seed = config.validation_seed if config.subset_seed is None else config.subset_seed
        order = stratified_order(labels[training], seed)
        training = training[order[: config.train_size]]
    return Split(np.sort(training), np.sort(validation))


def stratified_split(labels: NDArray[np.integer], size: int, seed: int) -> tuple[Indices, Indices]:
    """What scikit-learn's `train_test_split(stratify=labels)` returns for the indices of `labels`.

    Written out because importing it takes one to three seconds in every training.

    Args:
        labels: (N,).
        size: number of validation images.
        seed: of the split.

    Returns:
        Indices of the training and of the validation images, in random order.
    """
    random = np.random.RandomState(seed)
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    counts = np.array([len(each) for each in members])
    chosen = _shares(counts, len(labels) - size, random)
    ends = chosen + _shares(counts - chosen, size, random)
    shuffled = [each[random.permutation(len(each))] for each in members]
    parts = list(zip(shuffled, chosen, ends, strict=True))
    training = random.permutation(np.concatenate([each[:end] for each, end, _ in parts]))
    rest = np.concatenate([each[start:end] for each, start, end in parts])
    return training, random.permutation(rest)


def _shares(counts: Indices, draws: int, random: np.random.RandomState) -> Indices:
    """How many of each class: in proportion, the largest remainders rounded up, ties at random."""
    exact = counts / counts.sum() * draws
    whole = np.floor(exact)
    remainders = exact - whole
    for remainder in np.unique(remainders)[::-1]:
        if (missing := int(draws - whole.sum())) == 0:
            break
        (tied,) = np.nonzero(remainders == remainder)
        whole[random.choice(tied, min(len(tied), missing), replace=False)] += 1
    counted: Indices = whole.astype(np.int64)
    return counted


def stratified_order(labels: NDArray[np.integer], seed: int) -> Indices:
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
