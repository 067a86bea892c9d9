"""The statistics of right and wrong answers, image by image.

Pure functions over numpy arrays; scipy's own where it has the method. Rows are seeds, columns test
images, and the same row of two arrays is a pair of runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Right = NDArray[np.bool_]


@dataclass(frozen=True)
class McNemar:
    """How one pair of runs disagrees on the same images, and the exact test of it."""

    only_ours: int
    """Images that the first run alone gets right."""
    only_theirs: int
    """Images that the second run alone gets right."""
    p: float
    """Two-sided; 1 where the runs agree on every image."""


def mcnemar(ours: Right, theirs: Right) -> McNemar:
    """McNemar's exact test: are two networks right equally often on images like these?

    Of the images that one network alone gets right, each is as likely to be the one's as the
    other's if they are: a binomial test with one half. It is about two trained networks, not about
    the choices that they were trained with: another seed makes another network.

    Args:
        ours: (images,), which ones the first run gets right.
        theirs: likewise of the second run.

    Source: McNemar (1947), Note on the sampling error of the difference between correlated
    proportions, Psychometrika 12; the exact form: scipy.stats.binomtest.
    """
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    disagreed = only_ours + only_theirs
    p = float(stats.binomtest(only_ours, disagreed).pvalue) if disagreed else 1.0
    return McNemar(only_ours, only_theirs, p)


def middle_seed(seeds: Sequence[int]) -> int:
    """The seed whose pair stands for one pair of runs: the lower median of the seeds' numbers.

    It follows from the seeds' names alone, so that no pair can be picked for what it shows.
    """
    ordered = sorted(seeds)
    return ordered[(len(ordered) - 1) // 2]


def confusion_counts(
    answers: NDArray[np.uint8], labels: NDArray[np.uint8], classes: int
) -> NDArray[np.int64]:
    """How often each class was answered by each, summed over runs.

    Args:
        answers: (seeds, images), the classes that were answered.
        labels: (images,), the true ones.
        classes: number of them.

    Returns:
        (classes, classes): true class by row, answer by column.
    """
    cells = labels.astype(np.int64) * classes + answers
    counts = np.bincount(cells.ravel(), minlength=classes * classes)
    return counts.astype(np.int64).reshape(classes, classes)


def errors_by_class(right: Right, labels: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Wrong answers by run and true class: (seeds, images) and (images,) to (seeds, classes)."""
    rows = np.arange(len(right))[:, None] * classes + labels.astype(np.int64)
    counts = np.bincount(rows[~right], minlength=len(right) * classes)
    return counts.astype(np.int64).reshape(len(right), classes)


@dataclass(frozen=True)
class Flips:
    """On how many common seeds an image is right in one arm alone; (images,) each."""

    gained: NDArray[np.int64]
    """Right in the arm and wrong in its partner."""
    lost: NDArray[np.int64]
    """Right in the partner and wrong in the arm."""

    @property
    def images(self) -> int:
        """Images that flip with at least one seed."""
        return int(((self.gained + self.lost) > 0).sum())

    def mostly(self, seeds: int) -> tuple[int, int]:
        """Images that flip one way, net of the other way, with more than half of the seeds.

        Args:
            seeds: common ones, of which the flips were counted.

        Returns:
            How many are gained so, and how many lost.
        """
        net = 2 * (self.gained - self.lost)
        return int((net > seeds).sum()), int((-net > seeds).sum())

    def most(self, count: int) -> tuple[list[int], list[int]]:
        """The images that flip most often one way, net of the other way.

        An image that flips as often to and fro tells nothing of the arms, so it is ranked by the
        difference of the two counts. Ties go to the lower index: that order is the file's.

        Args:
            count: at most so many each way.

        Returns:
            Indices of images that the arm gets right more often, then of those that its partner
            does, most flipping first.
        """
        net = self.gained - self.lost
        order = np.argsort(-net, kind="stable")[:count]
        gained = [int(index) for index in order if net[index] > 0]
        order = np.argsort(net, kind="stable")[:count]
        lost = [int(index) for index in order if net[index] < 0]
        return gained, lost


def flips(ours: Right, theirs: Right) -> Flips:
    """Which images are right in one arm and wrong in the other.

    Args:
        ours: (seeds, images), what the arm gets right.
        theirs: likewise its partner with the same seeds.
    """
    gained = (ours & ~theirs).sum(axis=0, dtype=np.int64)
    lost = (theirs & ~ours).sum(axis=0, dtype=np.int64)
    return Flips(gained, lost)
