"""Which images with wrong predictions a run stores."""

from pathlib import Path

import numpy as np
import pytest

from convchoice.runs import pictures
from convchoice.runs.pictures import kept_pictures, narrowly_wrong
from convchoice.runs.run import read_run
from making import MNIST, made_up_images, make_run


def test_the_narrowest_margins_by_hand():
    labels = np.array([0, 1, 0, 1], dtype=np.uint8)
    logits = np.array([[0, 3], [0, 1], [2, 3], [4, 2]], dtype=np.float32)
    # Wrong by 3, correct, wrong by 1, wrong by 2.
    assert narrowly_wrong(logits, labels, 5).tolist() == [0, 2, 3]
    assert narrowly_wrong(logits, labels, 2).tolist() == [2, 3]
    assert narrowly_wrong(logits, labels, 1).tolist() == [2]


def test_the_number_of_pixels_is_bounded(monkeypatch: pytest.MonkeyPatch):
    labels = np.zeros(20, dtype=np.uint8)
    logits = np.zeros((20, 2), dtype=np.float32)
    logits[:, 1] = np.arange(20) - 9.5
    images = made_up_images(20, (3, 4, 5))
    monkeypatch.setattr(pictures, "KEPT_BYTES", 200)
    kept = kept_pictures(logits, labels, images)
    assert kept.indices.tolist() == [10, 11, 12]  # 60 bytes each
    assert np.array_equal(kept.pixels, images[10:13])
    assert kept.by_index().keys() == {10, 11, 12}


def test_a_run_without_errors_stores_no_pictures(tmp_path: Path):
    kept = read_run(make_run(tmp_path, "max", 0, errors=0, picture_shape=(4, 4))).pictures()
    assert kept is not None
    assert kept.pixels.shape == (0, 4, 4)


def test_what_is_written_is_read(tmp_path: Path):
    run = read_run(make_run(tmp_path, "max", 0, errors=7, picture_shape=(28, 28)))
    kept = run.pictures()
    assert kept is not None
    logits, labels = run.predictions()
    assert kept.indices.tolist() == np.flatnonzero(logits.argmax(1) != labels).tolist()
    images = made_up_images(MNIST["test_images"], (28, 28))
    assert np.array_equal(kept.pixels, images[kept.indices])
