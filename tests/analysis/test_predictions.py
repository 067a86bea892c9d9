"""Right and wrong answers, image by image: by hand, by naive loops, against published cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from convchoice.analysis.predictions import (
    confusion_counts,
    errors_by_class,
    flips,
    mcnemar,
    middle_seed,
)


def pair_of_runs(both: int, ours: int, theirs: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Right answers of two runs, by how many images each combination has."""
    first = np.repeat([True, True, False, False], [both, ours, theirs, neither])
    second = np.repeat([True, False, True, False], [both, ours, theirs, neither])
    return first, second


def test_mcnemar_by_hand():
    # 1 against 5 of 6 images: two-sided 2 · (C(6,0) + C(6,1)) / 2^6 = 14 / 64.
    test = mcnemar(*pair_of_runs(90, 1, 5, 4))
    assert (test.only_ours, test.only_theirs) == (1, 5)
    assert test.p == pytest.approx(14 / 64)


def test_mcnemar_of_a_published_case():
    # Agresti (1990, Categorical Data Analysis, table 10.1): 150 and 86 changed their minds; R's
    # exact form, binom.test(86, 236), gives p = 3.716e-05.
    test = mcnemar(*pair_of_runs(794, 150, 86, 570))
    assert test.p == pytest.approx(3.716e-05, rel=1e-3)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_symmetric_and_its_tails_are_the_binomials(ours: int, theirs: int):
    test, mirrored = (
        mcnemar(*pair_of_runs(5, ours, theirs, 5)),
        mcnemar(*pair_of_runs(5, theirs, ours, 5)),
    )
    assert test.p == pytest.approx(mirrored.p)
    tail = stats.binom.cdf(min(ours, theirs), ours + theirs, 0.5)
    assert test.p == pytest.approx(min(1.0, 2 * tail))


def test_runs_that_agree_everywhere_are_not_told_apart():
    assert mcnemar(*pair_of_runs(7, 0, 0, 3)).p == 1.0


@pytest.mark.parametrize(
    ("seeds", "middle"), [([4], 4), ([0, 1], 0), ([2, 0, 1], 1), ([0, 1, 2, 30], 1)]
)
def test_the_pair_is_that_of_the_middle_seed(seeds: list[int], middle: int):
    assert middle_seed(seeds) == middle


@given(
    arrays(np.uint8, (3, 20), elements=st.integers(0, 3)),
    arrays(np.uint8, 20, elements=st.integers(0, 3)),
)
def test_confusion_and_errors_against_loops(answers: np.ndarray, labels: np.ndarray):
    expected = np.zeros((4, 4), dtype=int)
    wrong = np.zeros((3, 4), dtype=int)
    for seed in range(3):
        for image in range(20):
            expected[labels[image], answers[seed, image]] += 1
            wrong[seed, labels[image]] += answers[seed, image] != labels[image]
    counts = confusion_counts(answers, labels, 4)
    assert counts.tolist() == expected.tolist()
    by_class = errors_by_class(answers == labels, labels, 4)
    assert by_class.tolist() == wrong.tolist()
    assert by_class.sum() == counts.sum() - np.trace(counts)


def test_flips_by_hand():
    ours = np.array([[1, 0, 1, 0, 1], [1, 0, 0, 1, 1], [1, 0, 1, 1, 1]], dtype=bool)
    theirs = np.array([[0, 1, 0, 1, 1], [0, 1, 1, 0, 1], [0, 0, 1, 1, 1]], dtype=bool)
    found = flips(ours, theirs)
    assert found.gained.tolist() == [3, 0, 1, 1, 0]
    assert found.lost.tolist() == [0, 2, 1, 1, 0]
    assert found.images == 4
    # The third and fourth image flip to and fro, which tells nothing of the arms.
    assert found.most(5) == ([0], [1])
    assert found.mostly(3) == (1, 1)
    assert found.mostly(6) == (0, 0)


def test_images_that_flip_most_come_first_and_ties_by_index():
    ours = np.zeros((4, 6), dtype=bool)
    ours[:2, 4] = ours[:3, 1] = ours[:2, 0] = ours[:1, 5] = True
    found = flips(ours, np.zeros_like(ours))
    assert found.most(3) == ([1, 0, 4], [])
    assert flips(np.zeros_like(ours), ours).most(9) == ([], [1, 0, 4, 5])
