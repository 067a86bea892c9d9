"""Which images with wrong predictions a run stores."""

from pathlib import Path

import numpy as np

from convchoice.runs.pictures import kept_pictures
from convchoice.runs.run import read_run
from made_up_runs import MNIST, made_up_images, make_run


def test_the_narrowest_margins_by_hand_within_the_number_of_bytes() -> None:
    labels = np.array([0, 1, 0, 1], dtype=np.uint8)
    logits = np.array([[0, 3], [0, 1], [2, 3], [4, 2]], dtype=np.float32)
    images = made_up_images(4, (3, 4, 5))  # 60 bytes each
    # Wrong by 3, correct, wrong by 1, wrong by 2.
    for most, indices in ((300, [0, 2, 3]), (179, [2, 3]), (60, [2])):
        kept = kept_pictures(logits, labels, images, most)
        assert kept.indices.tolist() == indices
        assert np.array_equal(kept.pixels, images[indices])


def test_a_run_without_errors_stores_no_pictures(tmp_path: Path) -> None:
    kept = read_run(make_run(tmp_path, "max", 0, errors=0, picture_shape=(4, 4))).pictures()
    assert kept is not None
    assert kept.pixels.shape == (0, 4, 4)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, "max", 0, errors=7, picture_shape=(28, 28)))
    kept = run.pictures()
    assert kept is not None
    logits, labels = run.predictions()
    assert kept.indices.tolist() == np.flatnonzero(logits.argmax(1) != labels).tolist()
    images = made_up_images(MNIST["test_images"], (28, 28))
    assert np.array_equal(kept.pixels, images[kept.indices])
