"""The fallback for MNIST: scikit-learn's digits in MNIST's format.

1,797 images of 8×8 pixels (the test part of Alpaydin and Kaynak's Optical Recognition of
Handwritten Digits, included in scikit-learn) become 20×20 pixels, centred in 28×28, as in MNIST.
All arithmetic is on integers, so every machine gives the same pixels.
"""

import numpy as np
from numpy.typing import NDArray

from convchoice.config.datasets import DIGITS, IDX_FILES
from convchoice.data.dataset import encode_idx

BORDER = 4
"""MNIST's digits fill at most 20×20 of their 28×28 pixels."""


def bilinear_weights() -> NDArray[np.int64]:
    """Weights (20, 8), in tenths, of the 8 source pixels for each of 20 pixels.

    The centre of pixel i is at (i + 1/2)·8/20 − 1/2 = (4i − 3)/10 in source pixels. Beyond the
    centre of the first or last source pixel, that pixel is repeated.
    """
    weights = np.zeros((20, 8), dtype=np.int64)
    for pixel in range(20):
        low, tenths = divmod(4 * pixel - 3, 10)
        weights[pixel, max(low, 0)] += 10 - tenths
        weights[pixel, min(low + 1, 7)] += tenths
    return weights


def enlarge(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images (N, 8, 8) with values 0 to 16 as (N, 28, 28) with values 0 to 255."""
    weights = bilinear_weights()
    values = weights @ images.astype(np.int64) @ weights.T  # 0 to 1,600
    pixels = (255 * values + 800) // 1600  # rounded to nearest, halves up
    return np.pad(pixels, ((0, 0), (BORDER, BORDER), (BORDER, BORDER))).astype(np.uint8)


def is_test(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mask (N,) of the 500 test images: stratified by label, evenly spaced within a class.

    Shares are rounded by the largest remainder. The choice is not random: the data are ordered by
    writer, and evenly spaced images put every writer into both parts.
    """
    counts = np.bincount(labels, minlength=DIGITS.classes)
    shares, remainders = np.divmod(DIGITS.test_size * counts, len(labels))
    left_over = DIGITS.test_size - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:left_over]] += 1
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for digit, (count, share) in enumerate(zip(counts, shares, strict=True)):
        positions = (2 * np.arange(share) + 1) * count // (2 * share)
        chosen[np.flatnonzero(labels == digit)[positions]] = True
    return chosen


def digits_files() -> dict[str, bytes]:
    """The four gzipped IDX files by name: 1,297 training and 500 test images."""
    # Importing scikit-learn takes seconds, and only the fallback needs it.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    source = load_digits()
    images, labels = enlarge(source.images.astype(np.uint8)), source.target.astype(np.uint8)
    test = is_test(labels)
    arrays = (images[~test], labels[~test], images[test], labels[test])
    return {name: encode_idx(array) for name, array in zip(IDX_FILES, arrays, strict=True)}
