"""Which test images are measured on where not all are: by rules fixed beforehand, for every run."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def chosen_images(labels: NDArray[np.uint8], count: int | None) -> NDArray[np.int64]:
    """Which test images the curves are measured on: indices, sorted, the same for every run.

    Stratified by digit, and within a digit spread evenly over the file: MNIST's first 5,000 test
    images are cleaner than its last 5,000, so the first `count` would flatter every network.

    Args:
        labels: (N,).
        count: how many; None, or more than there are, takes all.
    """
    by_digit = np.argsort(labels, kind="stable")
    if count is None or count >= len(labels):
        return np.arange(len(labels))
    return np.sort(by_digit[np.arange(count) * len(labels) // count])


def first_of_classes(labels: NDArray[np.uint8], classes: Iterable[int]) -> NDArray[np.int64]:
    """Where each of some classes stands first among the labels (N,); absent ones are left out."""
    places = (np.flatnonzero(labels == label) for label in classes)
    return np.array([found[0] for found in places if len(found)], dtype=np.int64)
