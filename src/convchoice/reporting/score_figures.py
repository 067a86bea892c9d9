"""Figures of the arms' scores: every seed, beside a published value, and against the cost."""

import numpy as np
from matplotlib.axes import Axes

from convchoice.analysis import text
from convchoice.analysis.result import Comparison
from convchoice.reporting.drawing import (
    ACCENT,
    BAND,
    PAPER,
    SERIES,
    TEXT,
    Look,
    add_grid,
    legend,
    looks,
    name_rows,
    new_figure,
    row_inches,
    wrapped,
)
from convchoice.reporting.plots import interval_rows, rows_in_words
from convchoice.reporting.svg import RenderedFigure, rendered

AXIS_CHARACTERS = 36
"""Longest line of an axis label."""
FROM_ZERO = 2
"""Costs that differ by this factor are drawn from 0 on, so that their ratio can be seen."""
LOGARITHMIC_FROM = 20
"""Costs that differ by this factor are drawn on a logarithmic axis."""


def seeds_figure(comparison: Comparison) -> RenderedFigure:
    """Every seed as a point, with each arm's mean and 95 % interval, and a published value."""
    measure, arms = comparison.measure, comparison.arms
    figure = new_figure(1.1 + row_inches(arms, 0.52) * len(arms))
    axes = figure.subplots()
    samples = [item.scores[measure.metric] for item in arms.values()]
    for row, sample in enumerate(samples):
        heights = row - np.linspace(0.35, 0.05, len(sample.values))
        values = measure.shown(sample.values)
        axes.plot(values, heights, "o", ms=5, mew=0, color=SERIES[0], alpha=0.6)
    means = measure.shown([sample.mean for sample in samples])
    bounds = [each.interval_95 and measure.shown(each.interval_95) for each in samples]
    below = [row + 0.2 for row in range(len(arms))]
    interval_rows(axes, below, means, bounds, Look(TEXT.stand_in, "|"), ms=11, mew=2)
    published = _mark_published(axes, comparison)
    name_rows(axes, list(arms))
    axes.set_xlabel(wrapped(measure.axis_label, AXIS_CHARACTERS))
    return rendered(
        figure,
        f"{comparison.study.name}-seeds",
        f"Every seed’s {measure.label}",
        "Each point is one seed, the lowest number uppermost; the stroke below is the arm's mean,"
        f" the line its 95 % interval.{published}"
        f" {text.seed_counts(arm.n for arm in arms.values())} per arm.",
        f"{measure.axis_label}: {rows_in_words(list(arms), means, bounds, measure.decimals)}.",
    )


def _mark_published(axes: Axes, comparison: Comparison) -> str:
    """Mark the published value if it is comparable, and describe the mark."""
    measure, published = comparison.measure, comparison.published
    final = published.final if published else []
    rows = [row for row in final if row.comparable and row.metric == measure.metric]
    if not published or not rows:
        return ""
    [value] = measure.shown([rows[0].published])
    axes.axvline(value, color=ACCENT.stand_in, linewidth=2, zorder=1)
    found = f" Red: the published run, {text.number(value, measure.decimals)}"
    if published.wilson_95 is None:
        return f"{found}."
    band = measure.shown(published.wilson_95.interval)
    axes.axvspan(*band, color=BAND.stand_in, linewidth=0, zorder=0)
    return f"{found}, with its Wilson 95 % interval as a band."


def macs_figure(comparison: Comparison) -> RenderedFigure | None:
    """Score against multiply-accumulates; None if unknown or the same for all arms."""
    arms, measure = comparison.arms, comparison.measure
    macs = {arm: item.costs.macs for arm, item in arms.items() if item.costs.macs is not None}
    if len(macs) < len(arms) or len(set(macs.values())) == 1:
        return None
    figure = new_figure(3.4)
    axes = figure.subplots()
    styles = looks(arms)
    words = []
    for arm, item in arms.items():
        cost, sample = macs[arm] / 1e6, item.scores[measure.metric]
        values, (colour, marker) = measure.shown(sample.values), styles[arm]
        axes.plot([cost] * len(values), values, marker, color=colour, mew=0, alpha=0.45)
        if sample.interval_95:
            low, high = measure.shown(sample.interval_95)
            axes.vlines(cost, low, high, color=colour, linewidth=1.6)
        mean = measure.shown([sample.mean])
        axes.plot([cost], mean, marker, color=colour, ms=8.5, mec=PAPER.stand_in, mew=1)
        words.append(f"{arm}: {text.number(cost, 2)}, {text.score(sample, measure)[0]}")
    add_grid(axes, "both")
    axes.margins(x=0.08, y=0.12)
    ratio = max(macs.values()) / max(min(macs.values()), 1)
    if ratio >= LOGARITHMIC_FROM:
        axes.set_xscale("log")
        axes.minorticks_off()
    elif ratio >= FROM_ZERO:
        axes.set_xlim(left=0)
    axes.set_xlabel("multiply-accumulates of one image's forward pass, millions")
    axes.set_ylabel(wrapped(measure.axis_label, AXIS_CHARACTERS))
    legend(figure, styles, line="")
    return rendered(
        figure,
        f"{comparison.study.name}-accuracy-against-macs",
        f"Cost and {measure.label}",
        f"Each faint point is one seed; the mark is an arm's mean {measure.label} with its 95 %"
        f" interval. {text.seed_counts(arm.n for arm in arms.values())} per arm.",
        f"Millions of multiply-accumulates, {measure.axis_label}: {'; '.join(words)}.",
    )
