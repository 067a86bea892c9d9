"""The picture of a whole report: every question, its answers, and every difference in margins."""

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from convchoice.analysis.contrast import Contrast
from convchoice.analysis.result import Comparison
from convchoice.analysis.verdict import Answer
from convchoice.reporting import drawing
from convchoice.reporting.rendering import RenderedFigure, rendered

SIGNS = {Answer.yes: "✓", Answer.no: "✗", Answer.partly: "◐", Answer.undecided: "?"}
LINE_INCHES = 0.17
LEFT, RIGHT = 0.36, 0.79
"""Ends of the drawing, as shares of the width: names are before it, verdicts behind it."""
NAME_CHARACTERS, TEXT_CHARACTERS = 28, 66
SMALL_TEXT = 8
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
            name = drawing.wrapped(f"{contrast.arm} − {contrast.reference}", NAME_CHARACTERS)
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
    figure = drawing.new_figure(height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((LEFT, bottom, RIGHT - LEFT, part))
    axes.set_xscale("symlog", linthresh=1, linscale=0.8)
    axes.set_xlim(-FURTHEST, FURTHEST)
    axes.set_ylim(lines - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xticks([-10, -1, 0, 1, 10], ["−10", "−1", "0", "1", "10"])
    axes.minorticks_off()
    axes.set_xlabel("← worse · difference, in margins · better →", fontsize=SMALL_TEXT + 1)
    words = []
    for middle, name, bold, contrast, sign in rows:
        look: dict[str, Any] = {"y": bottom + part * (1 - (middle + 0.5) / lines), "va": "center"}
        if contrast is None:
            figure.text(0.02, s=name, fontsize=9, weight="bold" if bold else "normal", **look)
            words.append(name)
            continue
        colour = drawing.FINDING_INKS[contrast.verdict.finding][0].stand_in
        _draw_row(axes, middle, contrast, sign, colour)
        figure.text(LEFT - 0.02, s=name, fontsize=SMALL_TEXT, ha="right", **look)
        figure.text(RIGHT + 0.02, s=contrast.verdict, fontsize=SMALL_TEXT, color=colour, **look)
        words.append(f"{' '.join(name.split())}: {contrast.verdict};")
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
    axes.barh(middle, 2, 1, -1, color=drawing.BAND.stand_in, zorder=0)
    axes.plot([0, 0], [middle - 0.5, middle + 0.5], color=drawing.MUTED.stand_in, lw=0.8, zorder=1)
    axes.hlines(middle, low, high, color=colour, linewidth=1.8)
    axes.plot([mean], [middle], marker="o", ms=5, color=colour, mfc=drawing.PAPER.stand_in, mew=1.5)
