"""Predictions image by image: by hand, against loops and published cases, and from run folders."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from convchoice.analysis.predictions import (
    Predictions,
    confusion,
    errors_by_class,
    flip_order,
    flips,
    mcnemar_p,
    pictures_of,
    read_predictions,
)
from convchoice.errors import RunFolderError
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import PICTURES
from made_up_runs import MNIST, Compare, altered, made_up_images, make_run


def predictions(correct: list[list[int]]) -> Predictions:
    """Predictions that are correct where the table has a 1: class 0, else class 1."""
    classes = 1 - np.array(correct, dtype=np.uint8)
    return Predictions(tuple(range(len(correct))), classes, np.zeros(classes.shape[1], np.uint8))


def test_mcnemar_by_hand():
    # 1 against 5 of 6 images: two-sided 2 · (C(6,0) + C(6,1)) / 2^6 = 14 / 64.
    assert mcnemar_p(1, 5) == pytest.approx(14 / 64)
    assert mcnemar_p(0, 0) == 1.0
    # Agresti (1990, Categorical Data Analysis, table 10.1); R's binom.test(86, 236).
    assert mcnemar_p(150, 86) == pytest.approx(3.716e-05, rel=1e-3)


@given(
    arrays(np.uint8, (3, 20), elements=st.integers(0, 3)),
    arrays(np.uint8, 20, elements=st.integers(0, 3)),
)
def test_confusion_and_errors_against_loops(classes: np.ndarray, labels: np.ndarray):
    expected = np.zeros((4, 4), dtype=int)
    wrong = np.zeros((3, 4), dtype=int)
    for seed in range(3):
        for image in range(20):
            expected[labels[image], classes[seed, image]] += 1
            wrong[seed, labels[image]] += classes[seed, image] != labels[image]
    given_ones = Predictions((0, 1, 2), classes, labels, 4)
    assert confusion(given_ones) == expected.tolist()
    assert errors_by_class(given_ones).tolist() == wrong.tolist()


def test_flips_count_net_of_the_reverse():
    # Gained with two seeds of three and lost with one: a net count of 1, below half of 3.
    ours, theirs = predictions([[1, 1], [1, 1], [0, 0]]), predictions([[0, 0], [0, 0], [1, 0]])
    found = flips(ours, theirs)
    assert (found.mostly_gained, found.mostly_lost) == (1, 0)
    assert [item.image for item in found.gained] == [1, 0]
    assert [item.only_arm_correct for item in found.gained] == [2, 2]


def test_flips_by_hand():
    ours = predictions([[1, 0, 1, 0, 1], [1, 0, 0, 1, 1], [1, 0, 1, 1, 1]])
    theirs = predictions([[0, 1, 0, 1, 1], [0, 1, 1, 0, 1], [0, 0, 1, 1, 1]])
    found = flips(ours, theirs)
    assert found.images == 4
    # The third and fourth image flip as often each way.
    assert [item.image for item in found.gained] == [0]
    assert [item.image for item in found.lost] == [1]
    assert (found.mostly_gained, found.mostly_lost) == (1, 1)
    [gained] = found.gained
    assert (gained.only_arm_correct, gained.only_reference_correct) == (3, 0)
    assert (gained.arm_predictions, gained.reference_predictions) == ({0: 3}, {1: 3})


def test_largest_flips_come_first_and_ties_by_index():
    net = np.array([2, 3, 0, -1, 2, 1])
    assert flip_order(net, 3) == ([1, 0, 4], [3])
    assert flip_order(-net, 9) == ([3], [1, 0, 4, 5])


def test_flips_come_with_their_pictures(comparison_of: Compare):
    keep = {arm: {"picture_shape": (28, 28)} for arm in ("max", "average")}
    result = comparison_of({"max": [10, 11, 12], "average": [30, 33, 31]}, options=keep)
    found = result.contrasts[0].flips
    images = made_up_images(MNIST["test_images"], (28, 28))
    assert found.lost
    for flip in (listed := [*found.gained, *found.lost]):
        assert flip.label == flip.image % 10
        assert sum(flip.arm_predictions.values()) == 3
        assert np.array_equal(result.pictures[flip.image].pixels(), images[flip.image])
    assert set(result.pictures) == {flip.image for flip in listed}


def test_runs_tested_on_other_images_are_refused(tmp_path: Path):
    runs = [make_run(tmp_path, "max", seed, picture_shape=(4, 4)) for seed in (0, 1)]
    first = read_run(runs[0]).pictures()
    with altered(runs[1]) as folder:
        other = [255 - pixels for pixels in first.values()]
        np.savez(folder / PICTURES, indices=list(first), pixels=other)
    with pytest.raises(RunFolderError, match="differs from another run's"):
        pictures_of(first, map(read_run, runs))
    many = make_run(tmp_path, "max", 2, dataset={**MNIST, "test_images": 2_000})
    with pytest.raises(RunFolderError, match="tested on other images"):
        read_predictions([read_run(runs[0]), read_run(many)])
