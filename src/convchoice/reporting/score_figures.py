"""Figures of the study's metric: paired differences, every seed, and score against cost."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from convchoice.analysis import cautions, text
from convchoice.analysis.result import Comparison
from convchoice.reporting import drawing
from convchoice.reporting.rendering import RenderedFigure, rendered

AXIS_CHARACTERS = 32
"""Longest line of an axis label: what fits beside the longest names of contrasts."""
FROM_ZERO = 2
"""Costs that differ by this factor are drawn from 0 on, so that their ratio can be seen."""
LOGARITHMIC_FROM = 20
"""Costs that differ by this factor are drawn on a logarithmic axis."""


def differences_figure(comparison: Comparison) -> RenderedFigure | None:
    """A forest plot of the study's metric over the band of the margin; None without a contrast."""
    differences = [contrast.difference for contrast in comparison.contrasts]
    measure = comparison.measure
    if not differences:
        return None
    names = [f"{contrast.arm} − {contrast.reference}" for contrast in comparison.contrasts]
    figure, axes = drawing.row_panel(names, 0.42)
    margins = np.array([item.margin for item in comparison.contrasts])
    axes.barh(range(len(names)), 2 * margins, 1.0, -margins, color=drawing.BAND.stand_in, zorder=0)
    axes.axvline(0, color=drawing.MUTED.stand_in, linewidth=1, zorder=1)
    means = [item.mean for item in differences]
    bounds = [item.interval for item in comparison.contrasts]
    hollow: dict[str, Any] = {"mfc": drawing.PAPER.stand_in, "ms": 7.5, "mew": 1.9}
    drawing.interval_rows(axes, range(len(names)), means, bounds, **hollow)
    axes.margins(x=0.06)
    left, right = ("worse", "better") if measure.higher_is_better else ("better", "worse")
    axes.set_title(f"← {left}", color=drawing.MUTED.stand_in, fontsize=drawing.SMALL_TEXT)
    axes.set_title(
        f"{right} →", color=drawing.MUTED.stand_in, fontsize=drawing.SMALL_TEXT, loc="right"
    )
    unit = f", {measure.short_unit}" if measure.short_unit else ""
    label = f"difference in {measure.label}{unit}"
    axes.set_xlabel(textwrap.fill(label, AXIS_CHARACTERS))
    named = [
        f"{name}, {each.verdict}" for name, each in zip(names, comparison.contrasts, strict=True)
    ]
    return rendered(
        figure,
        f"{comparison.study.name}-differences",
        f"Difference in {measure.label}",
        "Mean paired difference, arm minus reference, with its interval; the band is the margin,"
        f" {text.margin(comparison)}. {cautions.intervals_line(comparison)}"
        f" {text.seed_counts(item.n for item in comparison.contrasts)}.",
        f"{label}: {drawing.rows_in_words(named, means, bounds, measure.decimals)}.",
    )


def seeds_figure(comparison: Comparison) -> RenderedFigure:
    """Every seed as a point, with each arm's mean and 95 % interval, and a published value."""
    measure, arms = comparison.measure, comparison.arms
    figure, axes = drawing.row_panel(list(arms), 0.52)
    samples, styles = [item.scores[measure.metric] for item in arms.values()], drawing.looks(arms)
    for row, (sample, look) in enumerate(zip(samples, styles.values(), strict=True)):
        heights = row - np.linspace(0.35, 0.05, len(sample.values))
        values = measure.shown(sample.values)
        colour, marker, group = look
        axes.plot(
            values, heights, ls="", marker=marker, ms=5, mew=0, color=colour, alpha=0.7, gid=group
        )
    means = measure.shown([sample.mean for sample in samples])
    bounds = [each.interval_95 and measure.shown(each.interval_95) for each in samples]
    for row, (mean, ends, look) in enumerate(zip(means, bounds, styles.values(), strict=True)):
        stroke = drawing.NO_ARM._replace(marker="|", group=look.group)
        drawing.interval_rows(axes, [row + 0.2], [mean], [ends], stroke, ms=11, mew=2)
    published = _mark_published(axes, comparison)
    axes.set_xlabel(drawing.wrapped(measure.axis_label, AXIS_CHARACTERS))
    return rendered(
        figure,
        f"{comparison.study.name}-seeds",
        f"Every seed’s {measure.label}",
        "Each point is one seed, the lowest number uppermost; the stroke below is the arm's mean,"
        f" the line its 95 % interval.{published}"
        f" {text.seed_counts(arm.n for arm in arms.values())} per arm.",
        f"{measure.axis_label}: {drawing.rows_in_words(arms, means, bounds, measure.decimals)}.",
    )


def _mark_published(axes: Axes, comparison: Comparison) -> str:
    """Mark the published value if it is comparable, and describe the mark."""
    measure, published = comparison.measure, comparison.published
    final = published.final if published else []
    rows = [row for row in final if row.comparable and row.metric == measure.metric]
    if not published or not rows:
        return ""
    [value] = measure.shown([rows[0].published])
    axes.axvline(value, color=drawing.TEXT.stand_in, linewidth=1.6, ls="--", zorder=1)
    found = f" Dashed: the published run, {text.number(value, measure.decimals)}"
    if published.wilson_95 is None:
        return f"{found}."
    band = measure.shown(published.wilson_95.interval)
    axes.axvspan(*band, color=drawing.BAND.stand_in, linewidth=0, zorder=0)
    return f"{found}, with its Wilson 95 % interval as a band."


def macs_figure(comparison: Comparison) -> RenderedFigure | None:
    """Score against multiply-accumulates; None if unknown or if most arms share theirs."""
    arms, measure = comparison.arms, comparison.measure
    macs = {arm: item.costs.macs for arm, item in arms.items() if item.costs.macs is not None}
    if len(macs) < len(arms) or len(set(macs.values())) < max(2, len(arms) / 2):
        return None
    figure, [axes] = drawing.panels(1, 3.4)
    styles = drawing.looks(arms)
    words = []
    for arm, item in arms.items():
        cost, sample = macs[arm] / 1e6, item.scores[measure.metric]
        values, (colour, marker, group) = measure.shown(sample.values), styles[arm]
        look: dict[str, Any] = {"ls": "", "marker": marker, "color": colour, "gid": group}
        axes.plot([cost] * len(values), values, mew=0, alpha=0.45, **look)
        if sample.interval_95:
            low, high = measure.shown(sample.interval_95)
            axes.vlines(cost, low, high, color=colour, linewidth=1.6, gid=group)
        mean = measure.shown([sample.mean])
        axes.plot([cost], mean, ms=8.5, mec=drawing.PAPER.stand_in, mew=1, **look)
        words.append(f"{arm}: {text.number(cost, 2)}, {text.score(sample, measure)[0]}")
    drawing.add_grid(axes, "both")
    axes.margins(x=0.08, y=0.12)
    ratio = max(macs.values()) / max(min(macs.values()), 1)
    if ratio >= LOGARITHMIC_FROM:
        axes.set_xscale("log")
        axes.minorticks_off()
    elif ratio >= FROM_ZERO:
        axes.set_xlim(left=0)
    axes.set_xlabel("multiply-accumulates of one image's forward pass, millions")
    axes.set_ylabel(drawing.wrapped(measure.axis_label, AXIS_CHARACTERS))
    drawing.legend(figure, styles, line="")
    return rendered(
        figure,
        f"{comparison.study.name}-accuracy-against-macs",
        f"Cost and {measure.label}",
        f"Each faint point is one seed; the mark is an arm's mean {measure.label} with its 95 %"
        f" interval. {text.seed_counts(arm.n for arm in arms.values())} per arm.",
        f"Millions of multiply-accumulates, {measure.axis_label}: {'; '.join(words)}.",
    )
