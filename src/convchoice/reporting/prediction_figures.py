"""Figures of predictions: confused classes, and images that flip between two arms."""

import math

import numpy as np

from convchoice.analysis import text
from convchoice.analysis.contrast import Contrast
from convchoice.analysis.predictions import FlippingImage
from convchoice.analysis.result import Comparison
from convchoice.reporting.image_grids import Picture, channels_last, picture_grid, shades
from convchoice.reporting.plots import SMALL_TEXT, panels, wrapped
from convchoice.reporting.rendering import RenderedFigure, rendered, slug
from convchoice.runs.events import count

PANEL_CHARACTERS = 30
HEADING_CHARACTERS = 56
AXIS_CHARACTERS = 30
"""Characters of all classes' names that fit along an axis; numbers replace longer ones."""
MOST_TICKS = 12
FLIPS_A_ROW = 6
MOST_FLIP_FIGURES = 3
CLASSES_A_TABLE = 12


def class_names(comparison: Comparison) -> list[str]:
    """The names of the classes; their numbers if the runs did not record names."""
    names = comparison.provenance.dataset.class_names
    errors = next(iter(comparison.arms.values())).class_errors
    return names or [str(label) for label in range(len(errors.images) if errors else 0)]


def shown_classes(comparison: Comparison) -> dict[int, str]:
    """The names of the classes by label: of many those with the most wrong predictions."""
    names = class_names(comparison)
    errors = [
        np.array(arm.class_errors.mean) for arm in comparison.arms.values() if arm.class_errors
    ]
    if not errors:
        return {}
    most = np.argsort(-np.sum(errors, axis=0), kind="stable")[:CLASSES_A_TABLE]
    return {int(label): names[label] for label in sorted(most)}


def confusion_figure(comparison: Comparison) -> RenderedFigure | None:
    """Each arm's wrong predictions by true and predicted class; None if not recorded."""
    arms, names = comparison.arms, class_names(comparison)
    found = {arm: np.array(item.confusion) / item.n for arm, item in arms.items() if item.confusion}
    if len(found) < len(arms):
        return None
    matrices = {arm: matrix * (1 - np.eye(len(matrix))) for arm, matrix in found.items()}
    numbers = [str(label) for label in range(len(names))]
    short = names if len(names) * max(map(len, names)) <= AXIS_CHARACTERS else numbers
    largest = max(float(matrix.max()) for matrix in matrices.values())
    figure, every = panels(len(matrices), 2.75 if len(matrices) > 1 else 4.4, columns=2)
    words = []
    for axes, (arm, matrix) in zip(every, matrices.items(), strict=True):
        axes.imshow(shades(matrix, largest), interpolation="none")
        for axis in (axes.xaxis, axes.yaxis):
            step = math.ceil(len(names) / MOST_TICKS)
            axis.set_ticks(range(0, len(names), step), short[::step], fontsize=8)
        axes.tick_params(pad=2)
        axes.set_title(wrapped(arm, PANEL_CHARACTERS), fontsize=SMALL_TEXT)
        axes.set_xlabel("predicted class", fontsize=SMALL_TEXT)
        axes.set_ylabel("true class", fontsize=SMALL_TEXT)
        row, column = np.unravel_index(matrix.argmax(), matrix.shape)
        rate = text.number(matrix.max(), 1)
        words.append(f"{arm}: {names[row]} predicted as {names[column]}, {rate} per seed")
    pairs = ", ".join(map(" ".join, zip(numbers, names, strict=True)))
    numbered = "" if short is names else f" Classes: {pairs}."
    return rendered(
        figure,
        f"{comparison.study.name}-confusion",
        "Confused classes",
        "Wrong predictions of the test images, mean over seeds, on one scale for all arms; correct"
        f" ones are not counted. Full orange: {text.number(largest, 1)} per seed.{numbered}"
        f" {text.seed_counts(item.n for item in arms.values())} per arm.",
        f"A grid of true by predicted class for each arm. Most often: {'; '.join(words)}.",
    )


def _flip(comparison: Comparison, contrast: Contrast, flip: FlippingImage) -> Picture:
    """An image with its true class, the usual wrong prediction, and the seeds that flip."""
    gained = flip.only_arm_correct > flip.only_reference_correct
    answers = flip.reference_predictions if gained else flip.arm_predictions
    names = class_names(comparison)
    wrong = [f", not {names[label]}" for label in answers if label != flip.label]
    classes = wrapped(names[flip.label] + "".join(wrong[:1]), 12)
    count = max(flip.only_arm_correct, flip.only_reference_correct)
    pixels = channels_last(comparison.pictures[flip.image])
    return Picture(pixels, below=f"{classes}\n{count} of {contrast.n}")


def flip_figure(comparison: Comparison, contrast: Contrast, key: str) -> RenderedFigure | None:
    """The images of a contrast with the largest net flips; None if no picture of them was kept."""
    flips, arm, reference = contrast.flips, contrast.arm, contrast.reference
    if flips is None:
        return None
    found = {
        f"correct in {arm}, wrong in {reference}": flips.gained,
        f"correct in {reference}, wrong in {arm}": flips.lost,
    }
    rows, words = [], []
    for heading, images in found.items():
        kept = [flip for flip in images if flip.image in comparison.pictures][:FLIPS_A_ROW]
        if kept:
            row = [_flip(comparison, contrast, flip) for flip in kept]
            below = [", ".join(picture.below.split("\n")) for picture in row]
            words.append(f"{heading}: {'; '.join(below)}")
            above = wrapped(heading, HEADING_CHARACTERS)
            rows.append([row[0]._replace(above=above), *row[1:]])
    if not rows:
        return None
    return rendered(
        picture_grid(rows, FLIPS_A_ROW),
        f"{comparison.study.name}-flips-{slug(key)}",
        f"Images that flip between {reference} and {arm}",
        f"With one seed or more {count(flips.images, 'image')}"
        f" {'is' if flips.images == 1 else 'are'} correct in one of the two alone. The net count of"
        " an image: the seeds with which one arm alone is correct, less those with which the other"
        f" is. It exceeds half of the seeds for {count(flips.mostly_gained, 'image')} in favour of"
        f" {arm} and {text.whole(flips.mostly_lost)} in favour of {reference}. Shown are the images"
        " with the largest net counts each way. Below each: its true class, the most frequent wrong"
        " prediction of the other arm, and with how many of the common seeds the one arm alone is"
        " correct. They were selected because they flip, so with new seeds they will flip less"
        f" often. {text.seed_counts([contrast.n])}.",
        f"Pictures of test images. {'; '.join(words)}.",
    )


def flip_figures(comparison: Comparison) -> list[RenderedFigure | None]:
    """Figures of flipping images: of a study's largest differences, in the study's order."""
    named, labelled = comparison.contrasts, comparison.labelled()
    by_size = sorted(range(len(named)), key=lambda place: -abs(named[place].difference.mean))
    return [
        flip_figure(labelled, labelled.contrasts[place], comparison.key(named[place]))
        for place in sorted(by_size[:MOST_FLIP_FIGURES])
    ]
