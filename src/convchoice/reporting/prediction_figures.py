"""Figures of predictions: errors by class, confused classes, images that flip between two arms."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from convchoice.analysis import text
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_contrast import Contrast, FlippingImage, Flips
from convchoice.reporting.drawing import (
    MUTED,
    PAPER,
    SERIES,
    SMALL_TEXT,
    TEXT,
    name_rows,
    panels,
    quiet_frame,
    wrapped,
)
from convchoice.reporting.rasters import (
    Numbers,
    Panel,
    Section,
    channels_last,
    image_grid,
    shades,
)
from convchoice.reporting.rendering import slug
from convchoice.reporting.spans import span
from convchoice.reporting.svg import RenderedFigure, rendered

PANEL_INCHES = 2.75
PANEL_CHARACTERS = 30
SHORT_NAME = 3
"""Characters of a class's name that fit beside a cell."""
FLIPS_A_ROW = 6


def class_names(comparison: Comparison) -> list[str]:
    """The names of the classes; their numbers if the runs did not record names."""
    names = comparison.provenance.dataset.class_names
    errors = next(iter(comparison.arms.values())).class_errors
    return names or [str(label) for label in range(len(errors.images) if errors else 0)]


def class_errors_finding(comparison: Comparison) -> str:
    """How many of the intervals exclude 0."""
    bounds = [
        each
        for contrast in comparison.contrasts
        for each in (contrast.class_errors.interval_95 if contrast.class_errors else [])
    ]
    known = [each for each in bounds if each is not None]
    if not known:
        return "With a single seed the differences by class have no interval"
    apart = sum(not each.low <= 0 <= each.high for each in known)
    return f"{apart} of {text.count(len(known), 'interval')} by class exclude 0"


def class_errors_figure(comparison: Comparison) -> RenderedFigure | None:
    """Each contrast's difference in errors by true class; None if not recorded."""
    found = {
        f"{item.arm} − {item.reference}": item.class_errors
        for item in comparison.contrasts
        if item.class_errors is not None
    }
    if not found or len(found) < len(comparison.contrasts):
        return None
    names = class_names(comparison)
    figure, every = panels(len(found), 0.85 + 0.24 * len(names), share=True)
    words = []
    for axes, (contrast, errors) in zip(every, found.items(), strict=True):
        axes.axvline(0, color=MUTED.stand_in, linewidth=1, zorder=1)
        for row, bounds in enumerate(errors.interval_95):
            if bounds:
                axes.plot(bounds, [row, row], color=SERIES[0], linewidth=1.6)
        axes.plot(
            errors.mean, range(len(names)), "o", markersize=5, markeredgewidth=1.5,
            markerfacecolor=PAPER.stand_in, markeredgecolor=SERIES[0],
        )  # fmt: skip
        name_rows(axes, names)
        axes.set_title(wrapped(contrast, PANEL_CHARACTERS), fontsize=SMALL_TEXT)
        axes.set_xlabel("difference in errors per seed", fontsize=SMALL_TEXT)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.tick_params(labelbottom=True)
        quiet_frame(axes, grid="x")
        values = zip(names, errors.mean, strict=True)
        listed = ", ".join(f"{name} {text.signed(value, 1)}" for name, value in values)
        words.append(f"{contrast.replace('−', 'minus')}: {listed}")
    return rendered(
        figure,
        f"{comparison.study.name}-errors-by-class",
        class_errors_finding(comparison),
        "Wrong predictions by true class, arm minus reference: mean over common seeds with its 95 %"
        " interval. The intervals are not adjusted for their number: without any difference about"
        " 1 in 20 excludes 0, and no verdict is based on them."
        f" {text.seed_counts(item.n for item in comparison.contrasts)}, paired.",
        f"Points with intervals for each class. {'; '.join(words)}.",
    )


def _errors_per_seed(counts: list[list[int]], seeds: int) -> Numbers:
    """Wrong predictions per seed, (true class, predicted class)."""
    matrix = np.array(counts, dtype=np.float64) / seeds
    np.fill_diagonal(matrix, 0.0)
    return matrix


def _largest(matrix: Numbers) -> tuple[int, int]:
    row, column = np.unravel_index(matrix.argmax(), matrix.shape)
    return int(row), int(column)


def confusion_finding(matrices: dict[str, Numbers], names: list[str]) -> str:
    """The most frequent confusion over all arms, and how often the arms make it."""
    total = sum(matrices.values())
    if not np.any(total):
        return "No test image was predicted wrongly"
    row, column = _largest(np.asarray(total))
    rates = {arm: float(matrix[row, column]) for arm, matrix in matrices.items()}
    return (
        f"Most frequent confusion: {names[row]} predicted as {names[column]},"
        f" {span(rates, 1)} times per seed"
    )


def confusion_figure(comparison: Comparison) -> RenderedFigure | None:
    """Each arm's wrong predictions by true and predicted class; None if not recorded."""
    arms = comparison.arms
    matrices = {
        arm: _errors_per_seed(item.confusion, item.n)
        for arm, item in arms.items()
        if item.confusion is not None
    }
    if len(matrices) < len(arms):
        return None
    names = class_names(comparison)
    numbers = [str(label) for label in range(len(names))]
    short = names if max(map(len, names)) <= SHORT_NAME else numbers
    pairs = ", ".join(map(" ".join, zip(numbers, names, strict=True)))
    largest = max(float(matrix.max()) for matrix in matrices.values())
    figure, every = panels(len(matrices), PANEL_INCHES if len(matrices) > 1 else 4.4)
    words = []
    for axes, (arm, matrix) in zip(every, matrices.items(), strict=True):
        axes.imshow(shades(matrix, largest), interpolation="none")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(range(len(names)), short, fontsize=8)
        axes.tick_params(length=0, pad=2)
        axes.set_title(wrapped(arm, PANEL_CHARACTERS), fontsize=SMALL_TEXT)
        axes.set_xlabel("predicted class", fontsize=SMALL_TEXT)
        axes.set_ylabel("true class", fontsize=SMALL_TEXT)
        row, column = _largest(matrix)
        rate = text.number(float(matrix[row, column]), 1)
        words.append(f"{arm}: {names[row]} predicted as {names[column]} {rate}")
    images = next(iter(arms.values())).class_errors
    of = f" among {text.whole(sum(images.images))} test images" if images else ""
    numbered = "" if short is names else f" Classes: {pairs}."
    return rendered(
        figure,
        f"{comparison.study.name}-confusion",
        confusion_finding(matrices, names),
        f"Wrong predictions{of}, mean over seeds, on one scale for all arms; correct ones are not"
        f" counted. Full orange: {text.number(largest, 1)} per seed.{numbered}"
        f" {text.seed_counts(item.n for item in arms.values())} per arm.",
        "A grid of true by predicted class for each arm. Most often, per seed:"
        f" {'; '.join(words)}.",
    )


def flip_finding(contrast: Contrast, flips: Flips) -> str:
    """How many images only one of two arms predicts correctly: ever, and with most seeds."""
    return (
        f"With some seed {text.count(flips.images, 'image')} differ between {contrast.arm} and"
        f" {contrast.reference}; with most seeds {text.whole(flips.mostly_gained)} are correct in"
        f" {contrast.arm} alone and {text.whole(flips.mostly_lost)} in {contrast.reference} alone"
    )


def _flip_panel(
    comparison: Comparison, contrast: Contrast, flip: FlippingImage, *, gained: bool
) -> Panel:
    """An image with its true class, the usual wrong prediction, and the number of seeds."""
    names = class_names(comparison)
    answers = flip.reference_predictions if gained else flip.arm_predictions
    wrong = next(label for label in answers if label != flip.label)
    count = flip.only_arm_correct if gained else flip.only_reference_correct
    lines = (f"{names[flip.label]}, not {names[wrong]}", f"{count} of {contrast.n}")
    below = [(line, TEXT.stand_in) for each in lines for line in wrapped(each, 12).split("\n")]
    return Panel("", channels_last(comparison.pictures[flip.image]), below)


def flip_figure(comparison: Comparison, contrast: Contrast) -> RenderedFigure | None:
    """The images of a contrast that flip most often; None if no picture of them was kept."""
    flips, arm, reference = contrast.flips, contrast.arm, contrast.reference
    if flips is None:
        return None
    sections = [
        Section(
            [
                _flip_panel(comparison, contrast, flip, gained=gained)
                for flip in found
                if flip.image in comparison.pictures
            ],
            heading,
        )
        for gained, found, heading in (
            (True, flips.gained, f"correct in {arm}, wrong in {reference}"),
            (False, flips.lost, f"correct in {reference}, wrong in {arm}"),
        )
    ]
    sections = [section for section in sections if section.panels]
    if not sections:
        return None
    missing = sum(flip.image not in comparison.pictures for flip in [*flips.gained, *flips.lost])
    unseen = f" Of {missing} more no run kept a picture." if missing else ""
    words = [
        f"{section.heading}: "
        + ", ".join(" ".join(line for line, _ in panel.below) for panel in section.panels)
        for section in sections
    ]
    return rendered(
        image_grid(sections, FLIPS_A_ROW),
        f"{comparison.study.name}-flips-{slug(arm)}",
        flip_finding(contrast, flips),
        "The images that most often only one of the two arms predicts correctly. Below each: its"
        " true class, the most frequent wrong prediction of the other arm, and for how many of the"
        " common seeds this holds. They were selected because they flip, so with new seeds they"
        f" will flip less often.{unseen} {text.seed_counts([contrast.n])}, paired.",
        f"Pictures of test images. {'; '.join(words)}.",
    )


def flip_figures(comparison: Comparison) -> list[RenderedFigure]:
    """A figure for each contrast that has pictures of flipping images."""
    figures = [flip_figure(comparison, contrast) for contrast in comparison.contrasts]
    return [figure for figure in figures if figure is not None]
