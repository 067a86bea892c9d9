"""Forest plots of paired differences: in the study's metric, and in errors by class."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from convchoice.analysis import text
from convchoice.analysis.result import Comparison
from convchoice.reporting.drawing import (
    BAND,
    MUTED,
    PAPER,
    SERIES,
    SMALL_TEXT,
    Look,
    name_rows,
    new_figure,
    panels,
    row_inches,
    wrapped,
)
from convchoice.reporting.plots import Bounds, interval_rows, rows_in_words
from convchoice.reporting.prediction_figures import class_names
from convchoice.reporting.svg import RenderedFigure, rendered

LOOK = Look(SERIES[0], "o")
AXIS_LABEL_CHARACTERS = 32
"""What fits beside the longest names of contrasts."""
PANEL_CHARACTERS = 30


def differences_figure(comparison: Comparison) -> RenderedFigure | None:
    """A forest plot of the study's metric over the band of the margin; None without a contrast."""
    differences = [contrast.difference for contrast in comparison.contrasts]
    measure = comparison.measure
    if not differences:
        return None
    names = [f"{contrast.arm} − {contrast.reference}" for contrast in comparison.contrasts]
    figure = new_figure(1.1 + row_inches(names, 0.42) * len(names))
    axes = figure.subplots()
    margins = np.array([item.margin for item in comparison.contrasts])
    axes.barh(range(len(names)), 2 * margins, 1.0, -margins, color=BAND.stand_in, zorder=0)
    means, bounds = [item.mean for item in differences], [item.interval_95 for item in differences]
    for row, item in enumerate(differences):
        if item.interval_90:
            axes.hlines(row, *item.interval_90, color=SERIES[0], linewidth=4.2)
    _rows_around_0(axes, names, means, bounds, size=7.5)
    axes.margins(x=0.06)
    left, right = ("worse", "better") if measure.higher_is_better else ("better", "worse")
    axes.set_title(f"← {left}", color=MUTED.stand_in, fontsize=SMALL_TEXT)
    axes.set_title(f"{right} →", color=MUTED.stand_in, fontsize=SMALL_TEXT, loc="right")
    unit = f", {measure.short_unit}" if measure.short_unit else ""
    label = f"difference in {measure.label}{unit}"
    axes.set_xlabel(textwrap.fill(label, AXIS_LABEL_CHARACTERS))
    named = [
        f"{name}, {each.verdict}" for name, each in zip(names, comparison.contrasts, strict=True)
    ]
    return rendered(
        figure,
        f"{comparison.study.name}-differences",
        f"Difference in {measure.label}",
        "Mean paired difference, arm minus reference, with its 95 % interval (thin) and 90 %"
        f" interval (thick); the band is the margin, {text.margin(comparison)}."
        f" {text.seed_counts(item.n for item in comparison.contrasts)}.",
        f"{label}: {rows_in_words(named, means, bounds, measure.decimals)}.",
    )


def _rows_around_0(
    axes: Axes, names: Sequence[str], means: Sequence[float], bounds: Sequence[Bounds], size: float
) -> None:
    axes.axvline(0, color=MUTED.stand_in, linewidth=1, zorder=1)
    hollow = {"markerfacecolor": PAPER.stand_in, "markeredgewidth": size / 4}
    interval_rows(axes, range(len(names)), means, bounds, LOOK, markersize=size, **hollow)
    name_rows(axes, names)


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
    figure, every = panels(len(found), 0.85 + 0.24 * len(names), columns=2, share=True)
    words = []
    for axes, (contrast, errors) in zip(every, found.items(), strict=True):
        _rows_around_0(axes, names, errors.mean, errors.interval_95, size=5)
        axes.set_title(wrapped(contrast, PANEL_CHARACTERS), fontsize=SMALL_TEXT)
        axes.set_xlabel("difference in errors per seed", fontsize=SMALL_TEXT)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.tick_params(labelbottom=True)
        words.append(f"{contrast}: {rows_in_words(names, errors.mean, errors.interval_95, 1)}")
    return rendered(
        figure,
        f"{comparison.study.name}-errors-by-class",
        "Differences in errors by class",
        "Wrong predictions by true class, arm minus reference: mean over common seeds with its 95 %"
        " interval. The intervals are not adjusted for their number: without any difference about"
        " 1 in 20 excludes 0, and no verdict is based on them."
        f" {text.seed_counts(item.n for item in comparison.contrasts)}.",
        f"{'. '.join(words)}.",
    )
