"""The figures' shared style: colours, sizes, axes, legends. Knows nothing about studies."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

WIDTH_INCHES = 5.0
"""On a phone a figure is then shown at nine tenths of its size, so its text can still be read."""
LEGEND_CHARACTERS = 56


class Ink(Enum):
    """A colour by its meaning: (stand-in, in a page, in a file).

    The series are Okabe and Ito's (2008, Color universal design), which people with any of the
    common colour vision deficiencies tell apart; the page lightens them in the dark.
    """

    text = ("#0f0f01", "currentColor", "#1c2128")
    muted = ("#0f0f02", "var(--figure-muted, #59636e)", "#59636e")
    line = ("#0f0f03", "var(--figure-line, #b6bdc6)", "#b6bdc6")
    band = ("#0f0f04", "var(--figure-band, #e6eaef)", "#e6eaef")
    paper = ("#0f0f05", "var(--figure-paper, #ffffff)", "#ffffff")
    accent = ("#0f0f06", "var(--figure-accent, #b3261e)", "#b3261e")
    series_1 = ("#0f0f11", "var(--series-1, #0072b2)", "#0072b2")
    series_2 = ("#0f0f12", "var(--series-2, #d55e00)", "#d55e00")
    series_3 = ("#0f0f13", "var(--series-3, #009e73)", "#009e73")
    series_4 = ("#0f0f14", "var(--series-4, #b8629a)", "#b8629a")
    series_5 = ("#0f0f15", "var(--series-5, #c58a00)", "#c58a00")
    series_6 = ("#0f0f16", "var(--series-6, #3a9bd9)", "#3a9bd9")
    series_7 = ("#0f0f17", "var(--series-7, #6b7280)", "#6b7280")

    @property
    def stand_in(self) -> str:
        """What matplotlib draws with."""
        return self.value[0]

    @property
    def in_page(self) -> str:
        """A CSS colour that follows the page's light or dark scheme."""
        return self.value[1]

    @property
    def in_file(self) -> str:
        """A plain colour on white."""
        return self.value[2]


SERIES = tuple(ink.stand_in for ink in Ink if ink.name.startswith("series"))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""One a series, so that no two are told apart by colour alone."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "convchoice",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": Ink.text.stand_in,
    "axes.labelcolor": Ink.text.stand_in,
    "axes.labelsize": 10,
    "axes.edgecolor": Ink.line.stand_in,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "grid.color": Ink.line.stand_in,
    "grid.alpha": 0.45,
    "grid.linewidth": 0.6,
    "xtick.color": Ink.line.stand_in,
    "ytick.color": Ink.line.stand_in,
    "xtick.labelcolor": Ink.text.stand_in,
    "ytick.labelcolor": Ink.text.stand_in,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings while drawing and while writing."""
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever a person's own matplotlibrc says
        mpl.rcParams.update(STYLE)
        yield


def new_figure(height_inches: float) -> Figure:
    """An empty figure with the report's width."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def quiet_frame(axes: Axes, *, grid: str) -> None:
    """Leave the axis that carries numbers, and a faint grid along it (``x``, ``y`` or ``both``)."""
    axes.grid(visible=True, axis=grid)  # type: ignore[arg-type]
    axes.tick_params(length=0)
    if grid == "x":
        axes.spines["left"].set_visible(False)


def ticks() -> MaxNLocator:
    """At most six ticks at round numbers."""
    return MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])


def legend_columns(names: Sequence[str]) -> int:
    """How many entries of a legend fit beside each other on a figure's width, four at the most."""
    longest = max((len(name) for name in names), default=0)
    return max(1, min(4, LEGEND_CHARACTERS // (longest + 6)))


def stacked(values: Sequence[float], step: float) -> list[float]:
    """A height for each value: 0, 1, −1, 2, … where several lie within one `step`."""
    heights = [0.0] * len(values)
    levels: dict[int, int] = {}
    for index in sorted(range(len(values)), key=lambda position: values[position]):
        column = round(values[index] / step) if step > 0 else 0
        level = levels.get(column, 0)
        levels[column] = level + 1
        heights[index] = (level + 1) // 2 * (1 if level % 2 else -1)
    return heights


def strip(
    axes: Axes,
    values: Sequence[float],
    mean: float,
    bounds: Sequence[float] | None,
    row: float,
    half_height: float,
    step: float,
) -> None:
    """Values as piled points, below them their mean as a stroke and its interval as a line.

    Args:
        axes: where the vertical axis runs downwards.
        values: shown as points.
        mean: of the values.
        bounds: of its interval, or None.
        row: height of the strip's middle.
        half_height: of the strip.
        step: values closer than this are piled.
    """
    heights = stacked(values, step)
    tallest = max(4.0, *(abs(height) for height in heights))
    points, below = row - 0.35 * half_height, row + 0.75 * half_height
    axes.plot(
        values,
        [points - 0.6 * half_height * height / tallest for height in heights],
        "o",
        markersize=5,
        markeredgewidth=0,
        color=SERIES[0],
        alpha=0.6,
        zorder=3,
    )
    if bounds:
        axes.plot(bounds, [below, below], color=Ink.text.stand_in, linewidth=1.6, zorder=4)
    axes.plot(
        [mean], [below], "|", markersize=11, markeredgewidth=2, color=Ink.text.stand_in, zorder=4
    )
