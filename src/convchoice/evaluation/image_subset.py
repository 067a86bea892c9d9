"""Fixed subsets of the test images, the same for every run."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def chosen_images(labels: NDArray[np.uint8], count: int | None) -> NDArray[np.int64]:
    """Indices of the test images for the curves, sorted.

    Stratified by class, and within a class spread evenly over the file: MNIST's first 5,000 test
    images are cleaner than its last 5,000, so the first `count` would overestimate every network.

    Args:
        labels: (N,).
        count: number of images; None, or more than there are, takes all.
    """
    by_class = np.argsort(labels, kind="stable")
    if count is None or count >= len(labels):
        return np.arange(len(labels))
    return np.sort(by_class[np.arange(count) * len(labels) // count])


def first_of_classes(labels: NDArray[np.uint8], classes: Iterable[int]) -> NDArray[np.int64]:
    """The index of the first image of each class in labels (N,); absent classes are left out."""
    places = (np.flatnonzero(labels == label) for label in classes)
    return np.array([found[0] for found in places if len(found)], dtype=np.int64)
