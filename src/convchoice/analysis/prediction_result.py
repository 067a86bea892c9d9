"""What the answers of runs say, image by image, as plain values for a comparison's JSON.

Which class is taken for which, errors by class, what one pair of runs disagrees on, and which test
images flip between two arms, with their pictures as far as runs kept them. Reads run folders
through `run_folder`; never imports torch.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convchoice.analysis.predictions import (
    Flips,
    confusion_counts,
    errors_by_class,
    flips,
    mcnemar,
    middle_seed,
)
from convchoice.analysis.statistics import mean_interval, two_way_bootstrap_interval
from convchoice.config.datasets import CLASSES
from convchoice.errors import RunFolderError
from convchoice.runs.pictures import Pixels
from convchoice.runs.run import Run

FLIPS_EACH_WAY = 6
"""Images of a contrast that are named, each way: a row of the report's figure."""


@dataclass(frozen=True)
class Answers:
    """What some runs of one arm answered on the test set.

    Attributes:
        seeds: of the runs.
        answers: classes, (seeds, images).
        labels: the true classes, (images,).
    """

    seeds: tuple[int, ...]
    answers: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which answers are right, (seeds, images)."""
        right: NDArray[np.bool_] = self.answers == self.labels
        return right

    def of(self, seeds: Sequence[int]) -> "Answers":
        """The answers of some of the seeds, in their order."""
        rows = [self.seeds.index(seed) for seed in seeds]
        return Answers(tuple(seeds), self.answers[rows], self.labels)


def read_answers(runs: Sequence[Run]) -> Answers:
    """What each run of an arm answered.

    Raises:
        RunFolderError: if the runs saw different test images, or a run's predictions are not what
            its test accuracy was counted from.
    """
    rows = []
    first_labels: NDArray[np.uint8] | None = None
    for run in runs:
        logits, labels = run.predictions()
        if first_labels is None:
            first_labels = labels
        elif not np.array_equal(labels, first_labels):
            raise RunFolderError(f"{run.path}: was tested on other images than {runs[0].path}.")
        answers = logits.argmax(axis=1).astype(np.uint8)
        right = float((answers == labels).mean())
        told = run.metrics["test/accuracy"]
        # A tie between two logits may be broken either way, so a few images are let pass.
        if abs(right - told) > max(0.001, 1.5 / len(labels)):
            raise RunFolderError(
                f"{run.path}: its predictions give a test accuracy of {right:.4f}, and its"
                f" metrics say {told:.4f}. Evaluate it again."
            )
        rows.append(answers)
    if first_labels is None:
        raise ValueError("no runs")
    return Answers(tuple(run.seed for run in runs), np.stack(rows), first_labels)


def _mean_and_intervals(counts: NDArray[Any]) -> tuple[list[float], list[list[float] | None]]:
    """Of each column of (seeds, classes): the mean over seeds and its 95 % t interval."""
    intervals = [mean_interval(column) for column in counts.T]
    return (
        [float(mean) for mean in counts.mean(axis=0)],
        [None if interval is None else [interval.low, interval.high] for interval in intervals],
    )


def class_errors(answers: Answers) -> dict[str, Any]:
    """Wrong answers by true class, as means over seeds, beside the number of images."""
    counts = errors_by_class(answers.right, answers.labels, CLASSES)
    means, intervals = _mean_and_intervals(counts)
    return {
        "images": np.bincount(answers.labels, minlength=CLASSES).tolist(),
        "errors_mean": means,
        "interval_95": intervals,
    }


def class_error_differences(ours: Answers, theirs: Answers) -> dict[str, Any]:
    """Paired differences of wrong answers by true class, arm minus partner."""
    counts = errors_by_class(ours.right, ours.labels, CLASSES)
    partners = errors_by_class(theirs.right, theirs.labels, CLASSES)
    means, intervals = _mean_and_intervals(counts - partners)
    return {"difference_errors": means, "interval_95": intervals}


def confusion(answers: Answers) -> list[list[int]]:
    """How often each class was answered by each, summed over seeds: true class by row."""
    counts: list[list[int]] = confusion_counts(answers.answers, answers.labels, CLASSES).tolist()
    return counts


def confusion_difference(ours: Answers, theirs: Answers) -> list[list[int]]:
    """Arm minus partner, over the same seeds."""
    difference = np.subtract(confusion(ours), confusion(theirs))
    counts: list[list[int]] = difference.tolist()
    return counts


def one_pair(ours: Answers, theirs: Answers) -> dict[str, Any]:
    """McNemar's exact test of the pair with the middle seed."""
    seed = middle_seed(ours.seeds)
    test = mcnemar(ours.of([seed]).right[0], theirs.of([seed]).right[0])
    return {
        "seed": seed,
        "only_arm_right": test.only_ours,
        "only_partner_right": test.only_theirs,
        "p": test.p,
    }


def new_images(ours: Answers, theirs: Answers, generator: np.random.Generator) -> dict[str, Any]:
    """The interval of the difference in accuracy where seeds and images are both drawn again."""
    interval = two_way_bootstrap_interval(
        ours.right.astype(np.int8) - theirs.right.astype(np.int8), generator
    )
    return {"interval_95_percentage_points": interval and [100 * interval.low, 100 * interval.high]}


def flipping_images(ours: Answers, theirs: Answers) -> dict[str, Any]:
    """The images that most often are right in one of two arms alone, over common seeds."""
    found = flips(ours.right, theirs.right)
    gained, lost = found.most(FLIPS_EACH_WAY)
    mostly_gained, mostly_lost = found.mostly(len(ours.seeds))
    return {
        "images": found.images,
        "mostly_gained": mostly_gained,
        "mostly_lost": mostly_lost,
        "gained": [_flip(ours, theirs, found, index) for index in gained],
        "lost": [_flip(ours, theirs, found, index) for index in lost],
    }


def _flip(ours: Answers, theirs: Answers, found: Flips, index: int) -> dict[str, Any]:
    return {
        "image": index,
        "label": int(ours.labels[index]),
        "only_arm_right": int(found.gained[index]),
        "only_partner_right": int(found.lost[index]),
        "arm_answers": _answered(ours, index),
        "partner_answers": _answered(theirs, index),
    }


def _answered(answers: Answers, index: int) -> dict[str, int]:
    """How many seeds gave each answer to an image, the most frequent first."""
    counts = np.bincount(answers.answers[:, index], minlength=CLASSES)
    order = np.argsort(-counts, kind="stable")
    return {str(answer): int(counts[answer]) for answer in order if counts[answer]}


def pictures_of(images: Iterable[int], runs: Iterable[Run]) -> dict[str, Any]:
    """Pictures of some test images, as far as any run kept them, in the images' order.

    Raises:
        RunFolderError: if a run's pictures cannot be read, or two runs' differ.
    """
    wanted, found = set(images), dict[int, Pixels]()
    for run in runs:
        kept = run.pictures()
        pixels_of: Mapping[int, Pixels] = {} if kept is None else kept.by_index()
        for index in wanted & pixels_of.keys():
            if not np.array_equal(found.setdefault(index, pixels_of[index]), pixels_of[index]):
                raise RunFolderError(
                    f"{run.path}: its picture of test image {index} is not another run's: they were"
                    " evaluated on different images. Evaluate them again."
                )
    return {
        str(index): {
            "shape": list(found[index].shape),
            "pixels_base64": base64.b64encode(found[index].tobytes()).decode("ascii"),
        }
        for index in sorted(found)
    }
