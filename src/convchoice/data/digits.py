"""scikit-learn's digits in MNIST's form: what stands in when no source of MNIST answers.

1,797 images of 8×8 pixels (the test half of Alpaydin and Kaynak's Optical Recognition of
Handwritten Digits, which scikit-learn carries) become 20×20 in the middle of 28×28, as MNIST's own
digits lie. All arithmetic is on whole numbers, so every machine makes the same pixels.
"""

import numpy as np
from numpy.typing import NDArray

from convchoice.config.known_datasets import (
    CLASSES,
    DIGITS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)
from convchoice.data.idx import encode_idx

SOURCE_SIDE = 8
SOURCE_MAXIMUM = 16
IMAGE_SIDE = 28
DIGIT_SIDE = 20
"""MNIST's digits fill at most 20×20 of their 28×28 pixels."""
WEIGHT_UNIT = 10
"""Bilinear weights from 8 to 20 pixels are whole tenths."""


def bilinear_weights() -> NDArray[np.int64]:
    """Weights (20, 8), in tenths, of the 8 source pixels of each of 20 pixels.

    Pixel i's centre lies at (i + 1/2)·8/20 − 1/2 = (4i − 3)/10 of the source's pixels; beyond the
    first or last source pixel's centre, that pixel is repeated.
    """
    weights = np.zeros((DIGIT_SIDE, SOURCE_SIDE), dtype=np.int64)
    for pixel in range(DIGIT_SIDE):
        low, tenths = divmod(4 * pixel - 3, WEIGHT_UNIT)
        weights[pixel, max(low, 0)] += WEIGHT_UNIT - tenths
        weights[pixel, min(low + 1, SOURCE_SIDE - 1)] += tenths
    return weights


def enlarge(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images (N, 8, 8) with values 0 to 16 as (N, 28, 28) with values 0 to 255."""
    weights = bilinear_weights()
    hundredths = weights @ images.astype(np.int64) @ weights.T
    whole = WEIGHT_UNIT**2 * SOURCE_MAXIMUM
    pixels = (2 * 255 * hundredths + whole) // (2 * whole)  # rounded to the nearest, halves up
    border = (IMAGE_SIDE - DIGIT_SIDE) // 2
    return np.pad(pixels, ((0, 0), (border, border), (border, border))).astype(np.uint8)


def is_test(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of `labels` (N,) are test digits: 500, each class by its share, spread evenly.

    Shares are rounded by the largest remainder. There is no random number in it: writers follow
    each other in the data, and evenly spread test digits have every writer in both parts.
    """
    counts = np.bincount(labels, minlength=CLASSES)
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
    images = enlarge(source.images.astype(np.uint8))
    labels = source.target.astype(np.uint8)
    test = is_test(labels)
    return {
        TRAIN_IMAGES: encode_idx(images[~test]),
        TRAIN_LABELS: encode_idx(labels[~test]),
        TEST_IMAGES: encode_idx(images[test]),
        TEST_LABELS: encode_idx(labels[test]),
    }
