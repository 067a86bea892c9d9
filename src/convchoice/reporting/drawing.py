"""The figures' shared style: colours, markers, sizes, axes, legends, lines with bands.

Matplotlib draws with the stand-in colour of each `Ink`; `svg` replaces them. Knows nothing about
studies.
"""

import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

WIDTH_INCHES = 5.0
"""On a phone a figure is then shown at nine tenths of its size and its text stays legible."""
LEGEND_CHARACTERS = 56
LABEL_CHARACTERS = 24
"""Longest line of an arm's name beside an axis or in a legend."""
SMALL_TEXT = 9


class Ink(NamedTuple):
    """A colour by its meaning: what matplotlib draws with, and its replacements."""

    stand_in: str
    in_page: str
    """A CSS colour that follows the page's light or dark scheme."""
    in_file: str
    """A plain colour on white."""


TEXT = Ink("#0f0f01", "currentColor", "#1c2128")
MUTED = Ink("#0f0f02", "var(--figure-muted)", "#59636e")
LINE = Ink("#0f0f03", "var(--figure-line)", "#b6bdc6")
BAND = Ink("#0f0f04", "var(--figure-band)", "#e6eaef")
PAPER = Ink("#0f0f05", "var(--figure-paper)", "#ffffff")
ACCENT = Ink("#0f0f06", "var(--figure-accent)", "#b3261e")
ARM_INKS = tuple(
    Ink(f"#0f0e{number:02}", f"var(--series-{number})", colour)
    for number, colour in enumerate(
        (
            "#0072b2", "#d55e00", "#009e73", "#b8629a", "#c58a00", "#3a9bd9", "#6b7280", "#882255",
            "#332288", "#117733", "#7a4b1e", "#008b95", "#8f8800", "#d81b60", "#1c2128",
        ),
        start=1,
    )
)  # fmt: skip
"""The first seven follow Okabe and Ito (2008, Color universal design), which people with any of the
common colour vision deficiencies can distinguish; arms also differ in their marker."""
INKS = (TEXT, MUTED, LINE, BAND, PAPER, ACCENT, *ARM_INKS)
SERIES = tuple(ink.stand_in for ink in ARM_INKS)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h", "d", "8", "H", "+")
"""One more than colours, so that a colour and a marker together repeat after 240 arms."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "convchoice",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": TEXT.stand_in,
    "axes.labelcolor": TEXT.stand_in,
    "axes.labelsize": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.edgecolor": LINE.stand_in,
    "axes.facecolor": "none",
    "axes.formatter.useoffset": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "grid.color": LINE.stand_in,
    "grid.alpha": 0.45,
    "grid.linewidth": 0.6,
    "xtick.color": LINE.stand_in,
    "ytick.color": LINE.stand_in,
    "xtick.labelcolor": TEXT.stand_in,
    "ytick.labelcolor": TEXT.stand_in,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "legend.handletextpad": 0.4,
}


@dataclass(frozen=True)
class ArmStyle:
    """How one arm is drawn in every figure of a study."""

    colour: str
    marker: str


def arm_styles(arms: Sequence[str]) -> dict[str, ArmStyle]:
    """A colour and a marker for each arm, in the order of the study."""
    return {
        arm: ArmStyle(SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)])
        for index, arm in enumerate(arms)
    }


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings while drawing and while writing, whatever a matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def new_figure(height_inches: float) -> Figure:
    """An empty figure with the report's width."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def panels(
    count: int, height_inches: float, *, columns: int = 2, share: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels, filled row by row.

    Args:
        count: at least 1.
        height_inches: of a row.
        columns: the most.
        share: whether all panels have the same axes.
    """
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = new_figure(height_inches * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share)
    every: list[Axes] = list(grid.flat)
    for unused in every[count:]:
        unused.set_visible(False)
    return figure, every[:count]


def wrapped(name: str, characters: int = LABEL_CHARACTERS) -> str:
    """A name on lines of at most `characters`, broken at spaces, else behind ``_ - = .``."""
    lines = textwrap.wrap(name, characters, break_long_words=False, break_on_hyphens=False)
    part = rf".{{1,{characters}}}"
    pieces = [re.findall(rf"{part}(?:(?<=[_\-=.])|$)|{part}", line) for line in lines]
    return "\n".join(piece for each in pieces for piece in each)


def quiet_frame(axes: Axes, *, grid: str) -> None:
    """Remove ticks, and draw a faint grid along an axis (``x``, ``y`` or ``both``)."""
    axes.grid(visible=True, axis=grid)  # type: ignore[arg-type]
    axes.tick_params(bottom=False, left=False)
    if grid == "x":
        axes.spines["left"].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        if isinstance(axis.get_major_locator(), mpl.ticker.AutoLocator):
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of a plot from top to bottom."""
    axes.set_yticks(range(len(names)), [wrapped(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)


def row_inches(names: Sequence[str], least: float) -> float:
    """Height of a row that holds the longest of some names."""
    return max(least, 0.17 * max(wrapped(name).count("\n") + 1 for name in names) + 0.12)


def legend(figure: Figure, styles: Mapping[str, ArmStyle], *, lines: bool = True) -> None:
    """Name the arms above a figure.

    Args:
        figure: without another legend.
        styles: of the arms that it shows.
        lines: whether they are shown as lines with markers, or as markers alone.
    """
    handles = [
        Line2D(
            [], [], color=each.colour, marker=each.marker, markersize=5,
            linestyle="-" if lines else "", linewidth=1.6, label=wrapped(arm),
        )
        for arm, each in styles.items()
    ]  # fmt: skip
    longest = max(len(line) for arm in styles for line in wrapped(arm).split("\n"))
    columns = max(1, min(4, LEGEND_CHARACTERS // (longest + 6)))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)


def line_with_band(
    axes: Axes,
    places: Sequence[float],
    values: tuple[Sequence[float | None], Sequence[float | None], Sequence[float | None]],
    arm: ArmStyle,
    scale: float = 1.0,
) -> None:
    """An arm's means as a line and their intervals as a band; missing values interrupt both.

    Args:
        axes: of the plot.
        places: along the horizontal axis.
        values: mean, low and high at each place.
        arm: how the arm is drawn.
        scale: factor of the values.
    """
    mean, low, high = (
        [math.nan if value is None else scale * value for value in part] for part in values
    )
    axes.plot(places, mean, color=arm.colour, marker=arm.marker, markersize=4, linewidth=1.4)
    if not all(math.isnan(value) for value in low):
        axes.fill_between(places, low, high, color=arm.colour, alpha=0.15, linewidth=0)
