"""Figures of the metric: paired differences, every seed, score against cost, and the headline.

The headline is the picture of a whole report: every question, its answers, and every difference in
margins.
"""

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from convchoice.analysis import notes, text
from convchoice.analysis.contrast import Contrast
from convchoice.analysis.result import Comparison
from convchoice.analysis.verdict import Answer
from convchoice.reporting import plots
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
    figure, axes = plots.row_panel(names, 0.42)
    margins = np.array([item.margin for item in comparison.contrasts])
    axes.barh(range(len(names)), 2 * margins, 1.0, -margins, color=plots.BAND.stand_in, zorder=0)
    axes.axvline(0, color=plots.MUTED.stand_in, linewidth=1, zorder=1)
    means = [item.mean for item in differences]
    bounds = [item.interval for item in comparison.contrasts]
    hollow: dict[str, Any] = {"mfc": plots.PAPER.stand_in, "ms": 7.5, "mew": 1.9}
    plots.interval_rows(axes, range(len(names)), means, bounds, **hollow)
    axes.margins(x=0.06)
    left, right = ("worse", "better") if measure.higher_is_better else ("better", "worse")
    axes.set_title(f"← {left}", color=plots.MUTED.stand_in, fontsize=plots.SMALL_TEXT)
    axes.set_title(f"{right} →", color=plots.MUTED.stand_in, fontsize=plots.SMALL_TEXT, loc="right")
    unit = f", {measure.short_unit}" if measure.short_unit else ""
    label = f"difference in {measure.label}{unit}"
    axes.set_xlabel(textwrap.fill(label, AXIS_CHARACTERS))
    named = [
        f"{name}, {text.verdict(each)}"
        for name, each in zip(names, comparison.contrasts, strict=True)
    ]
    return rendered(
        figure,
        f"{comparison.study.name}-differences",
        f"Difference in {measure.label}",
        "Mean paired difference, arm minus reference, with its interval; the band is the margin,"
        f" {text.margin(comparison.study.margin, measure)}. {notes.intervals_line(comparison)}"
        f" {text.seed_counts(item.n for item in comparison.contrasts)}.",
        f"{label}: {plots.rows_in_words(named, means, bounds, measure.decimals)}.",
    )


def seeds_figure(comparison: Comparison) -> RenderedFigure:
    """Every seed as a point, with each arm's mean and 95 % interval, and a published value."""
    measure, arms = comparison.measure, comparison.arms
    figure, axes = plots.row_panel(list(arms), 0.52)
    samples, styles = [item.scores[measure.metric] for item in arms.values()], plots.looks(arms)
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
        stroke = plots.NO_ARM._replace(marker="|", group=look.group)
        plots.interval_rows(axes, [row + 0.2], [mean], [ends], stroke, ms=11, mew=2)
    published = _mark_published(axes, comparison)
    axes.set_xlabel(plots.wrapped(measure.axis_label, AXIS_CHARACTERS))
    return rendered(
        figure,
        f"{comparison.study.name}-seeds",
        f"Every seed’s {measure.label}",
        "Each point is one seed, the lowest number uppermost; the stroke below is the arm's mean,"
        f" the line its 95 % interval.{published}"
        f" {text.seed_counts(arm.n for arm in arms.values())} per arm.",
        f"{measure.axis_label}: {plots.rows_in_words(arms, means, bounds, measure.decimals)}.",
    )


def _mark_published(axes: Axes, comparison: Comparison) -> str:
    """Mark the published value if it is comparable, and describe the mark."""
    measure, published = comparison.measure, comparison.published
    final = published.final if published else []
    rows = [row for row in final if row.comparable and row.metric == measure.metric]
    if not published or not rows:
        return ""
    [value] = measure.shown([rows[0].published])
    axes.axvline(value, color=plots.TEXT.stand_in, linewidth=1.6, ls="--", zorder=1)
    found = f" Dashed: the published run, {text.number(value, measure.decimals)}"
    if published.wilson_95 is None:
        return f"{found}."
    band = measure.shown(published.wilson_95.interval)
    axes.axvspan(*band, color=plots.BAND.stand_in, linewidth=0, zorder=0)
    return f"{found}, with its Wilson 95 % interval as a band."


def macs_figure(comparison: Comparison) -> RenderedFigure | None:
    """Score against multiply-accumulates; None if unknown or if most arms share theirs."""
    arms, measure = comparison.arms, comparison.measure
    macs = {arm: item.costs.macs for arm, item in arms.items() if item.costs.macs is not None}
    if len(macs) < len(arms) or len(set(macs.values())) < max(2, len(arms) / 2):
        return None
    figure, [axes] = plots.panels(1, 3.4)
    styles = plots.looks(arms)
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
        axes.plot([cost], mean, ms=8.5, mec=plots.PAPER.stand_in, mew=1, **look)
        words.append(f"{arm}: {text.number(cost, 2)}, {text.score(sample, measure)[0]}")
    plots.add_grid(axes, "both")
    axes.margins(x=0.08, y=0.12)
    ratio = max(macs.values()) / max(min(macs.values()), 1)
    if ratio >= LOGARITHMIC_FROM:
        axes.set_xscale("log")
        axes.minorticks_off()
    elif ratio >= FROM_ZERO:
        axes.set_xlim(left=0)
    axes.set_xlabel("multiply-accumulates of one image's forward pass, millions")
    axes.set_ylabel(plots.wrapped(measure.axis_label, AXIS_CHARACTERS))
    plots.legend(figure, styles, line="")
    return rendered(
        figure,
        f"{comparison.study.name}-accuracy-against-macs",
        f"Cost and {measure.label}",
        f"Each faint point is one seed; the mark is an arm's mean {measure.label} with its 95 %"
        f" interval. {text.seed_counts(arm.n for arm in arms.values())} per arm.",
        f"Millions of multiply-accumulates, {measure.axis_label}: {'; '.join(words)}.",
    )


SIGNS = {Answer.yes: "✓", Answer.no: "✗", Answer.partly: "◐", Answer.undecided: "?"}
LINE_INCHES = 0.17
LEFT, RIGHT = 0.36, 0.79
"""Ends of the drawing, as shares of the width: names are before it, verdicts behind it."""
NAME_CHARACTERS, TEXT_CHARACTERS = 28, 66
ROW_TEXT = 8
FURTHEST = 20
"""Margins: a difference beyond is drawn at the end of the axis."""


class Row(NamedTuple):
    """A line of text, or a contrast with its name."""

    middle: float
    """Lines from the top."""
    text: str
    bold: bool = False
    contrast: Contrast | None = None
    sign: int = 1
    """−1 if a smaller value is better."""


def _rows(comparisons: Sequence[Comparison]) -> tuple[list[Row], int]:
    """The rows from top to bottom, and the number of lines that they take."""
    rows, down = [], 0
    for comparison in map(Comparison.labelled, comparisons):
        claims = [f"{SIGNS[each.answer]} {each.answer}: {each.says}" for each in comparison.claims]
        for number, line in enumerate([comparison.study.question, *claims]):
            for part in textwrap.wrap(line, TEXT_CHARACTERS):
                rows.append(Row(down, part, bold=number == 0))
                down += 1
        sign = 1 if comparison.measure.higher_is_better else -1
        for contrast in comparison.contrasts:
            name = plots.wrapped(f"{contrast.arm} − {contrast.reference}", NAME_CHARACTERS)
            lines = name.count("\n") + 1
            middle = down + (lines - 1) / 2
            rows.append(Row(middle, name, contrast=contrast, sign=sign))
            down += lines
        down += 1
    return rows, down


def headline_figure(comparisons: Sequence[Comparison]) -> RenderedFigure | None:
    """Each study's question, answers and differences; None if no study has a contrast.

    Differences are divided by their margin, so that studies of different measures share an axis,
    and turned so that better is right.
    """
    if not any(comparison.contrasts for comparison in comparisons):
        return None
    rows, lines = _rows(comparisons)
    height = LINE_INCHES * lines + 0.55
    bottom, part = 0.5 / height, LINE_INCHES * lines / height
    figure = plots.new_figure(height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((LEFT, bottom, RIGHT - LEFT, part))
    axes.set_xscale("symlog", linthresh=1, linscale=0.8)
    axes.set_xlim(-FURTHEST, FURTHEST)
    axes.set_ylim(lines - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xticks([-10, -1, 0, 1, 10], ["−10", "−1", "0", "1", "10"])
    axes.minorticks_off()
    axes.set_xlabel("← worse · difference, in margins · better →", fontsize=ROW_TEXT + 1)
    words = []
    for middle, name, bold, contrast, sign in rows:
        look: dict[str, Any] = {"y": bottom + part * (1 - (middle + 0.5) / lines), "va": "center"}
        if contrast is None:
            figure.text(0.02, s=name, fontsize=9, weight="bold" if bold else "normal", **look)
            words.append(name)
            continue
        colour = plots.FINDING_INKS[contrast.verdict.finding][0].stand_in
        _draw_row(axes, middle, contrast, sign, colour)
        figure.text(LEFT - 0.02, s=name, fontsize=ROW_TEXT, ha="right", **look)
        figure.text(RIGHT + 0.02, s=contrast.verdict, fontsize=ROW_TEXT, color=colour, **look)
        words.append(f"{' '.join(name.split())}: {text.verdict(contrast)};")
    return rendered(
        figure,
        "headline",
        "Which choices in a convolutional network matter?",
        "Each study's question, its claims with their answers, and its differences with their"
        " intervals, each divided by the study's margin; the band is the margin. The axis is"
        " logarithmic beyond it.",
        " ".join(words),
    )


def _draw_row(axes: Axes, middle: float, contrast: Contrast, sign: int, colour: str) -> None:
    """A contrast's band, interval and mean, in margins."""
    ends = contrast.interval or (contrast.difference.mean,) * 2
    low, high, mean = np.clip(
        sign * np.array([*ends, contrast.difference.mean]) / contrast.margin, -FURTHEST, FURTHEST
    )
    axes.barh(middle, 2, 1, -1, color=plots.BAND.stand_in, zorder=0)
    axes.plot([0, 0], [middle - 0.5, middle + 0.5], color=plots.MUTED.stand_in, lw=0.8, zorder=1)
    axes.hlines(middle, low, high, color=colour, linewidth=1.8)
    axes.plot([mean], [middle], marker="o", ms=5, color=colour, mfc=plots.PAPER.stand_in, mew=1.5)
