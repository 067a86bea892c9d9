"""Predictions of runs, image by image: errors by class, confusions, one pair of runs, flips.

Rows are seeds, columns test images; the same row of two arms is a pair of runs.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
import scipy  # loads its submodules when they are first used
from numpy.typing import NDArray
from pydantic import Field, model_validator

from convchoice.analysis.measure import measure_of
from convchoice.analysis.provenance import dataset_of
from convchoice.analysis.result_types import (
    Count,
    ImagePixels,
    Interval,
    Model,
    Probability,
    Scale,
    same_length,
)
from convchoice.analysis.statistics import mean_interval, new_images_interval
from convchoice.config.datasets import MOST_CONFUSED
from convchoice.errors import RunFolderError
from convchoice.runs.run import Run

MOST_FLIPS = 6
"""Images of a contrast that are listed, each way."""
ACCURACY_TOLERANCE = 0.001
"""A tie between two logits may be broken either way, so a few images may differ."""
CLASSES = 10
"""Of runs that did not record the names of the classes, which were of MNIST."""
Labels = NDArray[np.unsignedinteger[Any]]


class ClassErrors(Model):
    """Wrong predictions by true class, or their paired differences."""

    images: list[Count] = Field(default=[], description="Of each class; empty for differences.")
    mean: list[float] = Field(description="Wrong predictions of each class, mean over seeds.")
    interval_95: list[Interval | None] = Field(
        description="Of each mean, not adjusted for their number; null for a single seed."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        same_length("classes", [self.images or self.mean, self.mean, self.interval_95])
        return self


class McNemar(Model):
    """McNemar's exact test of one pair of runs."""

    seed: Count = Field(description="The pair's seed: the lower median of the common seeds.")
    only_arm_correct: Count = Field(description="Images correct in the arm's run alone.")
    only_reference_correct: Count = Field(description="Images correct in the reference's alone.")
    p: Probability = Field(description="Two-sided p of these two networks.")


class FlippingImage(Model):
    """A test image that one of two arms classifies correctly more often than the other."""

    image: Count = Field(description="Index in the test set.")
    label: Count = Field(description="True class.")
    only_arm_correct: Count = Field(description="Seeds with which the arm alone is correct.")
    only_reference_correct: Count = Field(description="Seeds with which the reference alone is.")
    arm_predictions: dict[Count, Count] = Field(description="The arm's seeds by predicted class.")
    reference_predictions: dict[Count, Count] = Field(description="The reference's, likewise.")


class Flips(Model):
    """Test images that are correct in one of two arms alone.

    An image's net count: the common seeds with which the arm alone is correct, less those with
    which the reference alone is.
    """

    images: Count = Field(description="Images that flip with at least one seed.")
    mostly_gained: Count = Field(description="Images whose net count is above half of the seeds.")
    mostly_lost: Count = Field(description="Images whose net count is below minus that.")
    gained: list[FlippingImage] = Field(description="Largest net counts above 0, largest first.")
    lost: list[FlippingImage] = Field(description="Smallest net counts below 0, smallest first.")


@dataclass(frozen=True)
class Predictions:
    """The predictions of one arm's runs: classes (seeds, images), true labels (images,)."""

    seeds: tuple[int, ...]
    classes: Labels
    labels: Labels
    class_count: int = CLASSES

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which predictions are correct, (seeds, images)."""
        return np.equal(self.classes, self.labels)

    def of(self, seeds: Sequence[int]) -> "Predictions":
        """The predictions of some of the seeds, in their order."""
        rows = [self.seeds.index(seed) for seed in seeds]
        return replace(self, seeds=tuple(seeds), classes=self.classes[rows])


def read_predictions(runs: Sequence[Run]) -> Predictions:
    """The predictions of each run of an arm.

    Raises:
        RunFolderError: if runs were tested on different images, or a run's predictions do not give
            its test accuracy.
    """
    found = [run.classes() for run in runs]
    _, first_labels = found[0]
    for run, (classes, labels) in zip(runs, found, strict=True):
        if not np.array_equal(labels, first_labels):
            raise RunFolderError(f"{run.path}: was tested on other images than {runs[0].path}.")
        accuracy, recorded = float((classes == labels).mean()), run.metrics["test/accuracy"]
        if abs(accuracy - recorded) > max(ACCURACY_TOLERANCE, 1.5 / len(labels)):
            raise RunFolderError(
                f"{run.path}: its predictions give a test accuracy of {accuracy:.4f}, and its"
                f" metrics.json has {recorded:.4f}. Evaluate it again."
            )
    classes = np.stack([classes for classes, _ in found])
    names = dataset_of(runs[0]).class_names
    seeds, count = tuple(run.seed for run in runs), len(names) if names else CLASSES
    return Predictions(seeds, classes, first_labels, count)


def check_same_images(read: Mapping[str, Predictions]) -> None:
    """Refuse arms that were tested on different images, or in a different order.

    Raises:
        RunFolderError: naming two such arms.
    """
    for (first, a), (arm, b) in pairwise(read.items()):
        if not np.array_equal(a.labels, b.labels):
            raise RunFolderError(
                f"arm {arm}: its test labels differ from those of {first}, so the images cannot be"
                " paired. Evaluate both again: convchoice evaluate."
            )


def confusion(predictions: Predictions) -> list[list[int]] | None:
    """Predictions summed over seeds: a row a true class, a column a predicted class.

    None if there are more than `MOST_CONFUSED` classes.
    """
    classes = predictions.class_count
    if classes > MOST_CONFUSED:
        return None
    cells = predictions.labels.astype(np.int64) * classes + predictions.classes
    counts = np.bincount(cells.ravel(), minlength=classes * classes)
    rows: list[list[int]] = counts.reshape(classes, classes).tolist()
    return rows


def errors_by_class(predictions: Predictions) -> NDArray[np.int64]:
    """Wrong predictions by run and true class, (seeds, classes)."""
    wrong, labels, classes = ~predictions.correct, predictions.labels, predictions.class_count
    return np.stack([np.bincount(labels[row], minlength=classes) for row in wrong])


def _class_errors(counts: NDArray[np.int64], images: list[int]) -> ClassErrors:
    """Wrong predictions (seeds, classes), or their paired differences without `images`."""
    scale = Scale.log if images else Scale.natural  # differences may be below 0
    intervals = [mean_interval(column, scale=scale) for column in counts.T]
    return ClassErrors(images=images, mean=counts.mean(axis=0).tolist(), interval_95=intervals)


def mcnemar_p(only_ours: int, only_theirs: int) -> float:
    """McNemar's exact test: are two networks correct equally often?

    Of the images that one network alone classifies correctly, each belongs to either with
    probability one half: a binomial test, two-sided. It concerns two trained networks, not the
    choices they were trained with. Source: McNemar (1947), Psychometrika 12.
    """
    disagreed = only_ours + only_theirs
    return float(scipy.stats.binomtest(only_ours, disagreed).pvalue) if disagreed else 1.0


def mcnemar(ours: Predictions, theirs: Predictions) -> McNemar:
    """McNemar's exact test of the pair of runs with the middle seed."""
    seed = sorted(ours.seeds)[(len(ours.seeds) - 1) // 2]  # not chosen by its outcome
    [a], [b] = ours.of([seed]).correct, theirs.of([seed]).correct
    only_ours, only_theirs = int((a & ~b).sum()), int((b & ~a).sum())
    p = mcnemar_p(only_ours, only_theirs)
    return McNemar(seed=seed, only_arm_correct=only_ours, only_reference_correct=only_theirs, p=p)


def flip_order(net: NDArray[np.int64], most: int = MOST_FLIPS) -> tuple[list[int], list[int]]:
    """The images with the largest net flips (images,) each way, largest first; ties by index."""
    gained = np.argsort(-net, kind="stable")[:most]
    lost = np.argsort(net, kind="stable")[:most]
    return [int(i) for i in gained if net[i] > 0], [int(i) for i in lost if net[i] < 0]


def flips(ours: Predictions, theirs: Predictions) -> Flips:
    """Images that are correct in one of two arms alone, with the same seeds."""
    only_ours = (ours.correct & ~theirs.correct).sum(axis=0, dtype=np.int64)
    only_theirs = (theirs.correct & ~ours.correct).sum(axis=0, dtype=np.int64)
    # An image that flips as often each way does not distinguish the arms.
    net, half = only_ours - only_theirs, len(ours.seeds) / 2

    def image(index: int) -> FlippingImage:
        return FlippingImage(
            image=index,
            label=int(ours.labels[index]),
            only_arm_correct=int(only_ours[index]),
            only_reference_correct=int(only_theirs[index]),
            arm_predictions=_counts(ours.classes[:, index]),
            reference_predictions=_counts(theirs.classes[:, index]),
        )

    gained, lost = flip_order(net)
    return Flips(
        images=int((only_ours + only_theirs > 0).sum()),
        mostly_gained=int((net > half).sum()),
        mostly_lost=int((-net > half).sum()),
        gained=[image(index) for index in gained],
        lost=[image(index) for index in lost],
    )


def _counts(classes: Labels) -> dict[int, int]:
    """How many seeds predict each class, the most frequent first, ties by class."""
    return dict(Counter(sorted(classes.tolist())).most_common())


def recorded_of_arm(predictions: Predictions) -> dict[str, Any]:
    """The fields of an arm's result that come from its predictions."""
    images = np.bincount(predictions.labels, minlength=predictions.class_count).tolist()
    return {
        "class_errors": _class_errors(errors_by_class(predictions), images),
        "confusion": confusion(predictions),
    }


def recorded_of_contrast(
    ours: Predictions, theirs: Predictions, seeds: Sequence[int]
) -> dict[str, Any]:
    """The fields of a contrast that come from predictions with its common seeds."""
    pair = ours.of(seeds), theirs.of(seeds)
    interval = new_images_interval(pair[0].correct.astype(np.int8) - pair[1].correct)
    points = interval and Interval(*(100 * end for end in interval))
    return {
        "new_images_interval_95": measure_of("test/accuracy").bounded(points),
        "mcnemar": mcnemar(*pair),
        "class_errors": _class_errors(errors_by_class(pair[0]) - errors_by_class(pair[1]), []),
        "flips": flips(*pair),
    }


def pictures_of(images: Iterable[int], runs: Iterable[Run]) -> dict[int, ImagePixels]:
    """Test images that any of the runs kept, in their order.

    Raises:
        RunFolderError: if a run's pictures cannot be read, or two runs' differ.
    """
    wanted, found = set(images), dict[int, NDArray[np.uint8]]()
    for run in runs:
        pixels = run.pictures()
        for index in wanted & pixels.keys():
            if not np.array_equal(found.setdefault(index, pixels[index]), pixels[index]):
                raise RunFolderError(
                    f"{run.path}: its picture of test image {index} differs from another run's:"
                    " they were evaluated on different images. Evaluate them again."
                )
    return {index: ImagePixels.of(found[index]) for index in sorted(found)}
