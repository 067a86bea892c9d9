"""The fallback: scikit-learn's digits in MNIST's format."""

import gzip
import hashlib

import numpy as np
import pytest

from convchoice.config.datasets import IDX_FILES
from convchoice.data.download import bilinear_weights, digits_files, enlarge, is_test


def test_pixels_and_labels_never_change() -> None:
    """SHA-256s of the arrays; the files differ if zlib compresses differently."""
    headers = (16, 8, 16, 8)
    files = digits_files()
    assert tuple(files) == IDX_FILES
    assert [
        hashlib.sha256(gzip.decompress(content)[header:]).hexdigest()[:16]
        for content, header in zip(files.values(), headers, strict=True)
    ] == ["54195aef95043ec8", "47a9e4a373a96222", "23f6ef3b96a98d35", "63d505eee4167db0"]
    assert files == digits_files()


def test_enlarging_is_bilinear_interpolation() -> None:
    weights = bilinear_weights()
    assert weights.shape == (20, 8)
    assert (weights.sum(axis=1) == 10).all()
    ramp = weights @ np.arange(8) / 10
    assert ramp == pytest.approx(np.clip((4 * np.arange(20) - 3) / 10, 0, 7))
    image = np.zeros((1, 8, 8), dtype=np.uint8)
    image[0, 0, 0] = 16
    corner = enlarge(image)[0, 4:9, 4:9]
    # Weights of the first source pixel along one side: 10, 9, 5, 1, 0 tenths; 255 · 0.9 = 229.5.
    assert corner[0].tolist() == [255, 230, 128, 26, 0]
    assert corner[1].tolist() == [230, 207, 115, 23, 0]


def test_test_images_are_stratified_and_evenly_spaced() -> None:
    chosen = is_test(np.repeat(np.arange(10, dtype=np.uint8), 100))
    assert chosen.reshape(10, 100).sum(axis=1).tolist() == [50] * 10
    assert chosen.reshape(-1, 20).sum(axis=1).tolist() == [10] * 50
