"""The plots that most figures consist of: lines with bands, and rows of means with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from convchoice.analysis import text
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_arm import Band
from convchoice.reporting.drawing import Look, add_grid, legend, looks, panels

Bounds = Sequence[float] | None


class LinePanel(NamedTuple):
    """A panel of lines, one an arm."""

    label: str
    """Of the vertical axis."""
    lines: Mapping[str, tuple[Sequence[float], Band]]
    """By arm: places along the horizontal axis, and the values there."""
    title: str = ""
    scale: float = 1.0
    """Factor of the values."""


def line_panels(
    comparison: Comparison, every: Sequence[LinePanel], height_inches: float, *, share: bool = False
) -> tuple[Figure, list[Axes], str]:
    """Panels from top to bottom with a line and a band an arm, and their numbers in words.

    Missing values interrupt lines and bands. Arms keep the look that they have in the study.
    """
    styles = looks(comparison.arms)
    figure, places = panels(len(every), height_inches, share=share)
    words = []
    for axes, panel in zip(places, every, strict=True):
        for arm, (along, band) in panel.lines.items():
            parts = (band.mean, band.low, band.high)
            mean, low, high = (panel.scale * np.array(part, dtype=float) for part in parts)
            colour, marker = styles[arm]
            axes.plot(along, mean, color=colour, marker=marker)
            if not np.isnan(low).all():
                axes.fill_between(along, low, high, color=colour, alpha=0.15, linewidth=0)
            shown = sorted({0, len(along) // 2, len(along) - 1})
            points = [
                f"{text.short(mean[place])} at {along[place]:g}"
                for place in shown
                if not np.isnan(mean[place])
            ]
            words.append(f"{panel.title or panel.label}, {arm}: {', '.join(points) or text.NONE}")
        axes.set_title(panel.title)
        axes.set_ylabel(panel.label)
        add_grid(axes, "y")
    drawn = {arm for panel in every for arm in panel.lines}
    legend(figure, {arm: look for arm, look in styles.items() if arm in drawn})
    return figure, places, "; ".join(words)


def interval_rows(
    axes: Axes,
    heights: Sequence[float],
    means: Sequence[float],
    bounds: Sequence[Bounds],
    look: Look,
    **options: Any,
) -> None:
    """Means as markers over their intervals as lines, in rows; `options` are the markers'."""
    known = [(height, *each) for height, each in zip(heights, bounds, strict=True) if each]
    if known:
        axes.hlines(*np.transpose(known), color=look.colour, linewidth=1.6)
    axes.plot(means, heights, look.marker, color=look.colour, **options)


def rows_in_words(
    names: Sequence[str], means: Sequence[float], bounds: Sequence[Bounds], decimals: int
) -> str:
    """``max: 99.10 [99.00, 99.20]; average: …``."""
    rows = zip(names, means, bounds, strict=True)
    return "; ".join(
        f"{name}: {text.number(mean, decimals)} {text.interval(each, decimals)}"
        for name, mean, each in rows
    )
