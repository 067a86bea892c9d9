"""The figures' shared style: colours, markers, sizes, names of arms, legends.

Matplotlib draws with the stand-in colour of each `Ink`; `svg` replaces them. Knows nothing about
studies.
"""

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import AutoLocator, MaxNLocator

STYLE = Path(__file__).with_name("figures.mplstyle")
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


class Look(NamedTuple):
    """How one arm is drawn in every figure of a study."""

    colour: str
    marker: str


def looks(arms: Iterable[str]) -> dict[str, Look]:
    """A colour and a marker for each arm, in the order of the study."""
    return {
        arm: Look(SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)])
        for index, arm in enumerate(arms)
    }


def style() -> AbstractContextManager[None]:
    """Matplotlib's settings while drawing and while writing, whatever a matplotlibrc says."""
    return mpl.rc_context(fname=STYLE)


def new_figure(height_inches: float) -> Figure:
    """An empty figure with the report's width."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches))
    FigureCanvasSVG(figure)
    return figure


def panels(
    count: int, height_inches: float, *, columns: int = 1, share: bool = False
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


def add_grid(axes: Axes, along: str) -> None:
    """A faint grid along an axis (``x``, ``y`` or ``both``), at no more than six places."""
    axes.grid(visible=True, axis=along)  # type: ignore[arg-type]
    for axis in (axes.xaxis, axes.yaxis):
        if isinstance(axis.get_major_locator(), AutoLocator):
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of a plot from top to bottom."""
    axes.set_yticks(range(len(names)), [wrapped(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    add_grid(axes, "x")


def row_inches(names: Iterable[str], least: float) -> float:
    """Height of a row that holds the longest of some names."""
    return max(least, 0.17 * max(wrapped(name).count("\n") + 1 for name in names) + 0.12)


def legend(figure: Figure, shown: Mapping[str, Look], *, line: str = "-") -> None:
    """Name the arms above a figure, each with its marker and, unless `line` is empty, a line."""
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=5, ls=line, lw=1.6, label=wrapped(arm))
        for arm, (colour, marker) in shown.items()
    ]
    longest = max(len(part) for arm in shown for part in wrapped(arm).split("\n"))
    columns = max(1, min(4, LEGEND_CHARACTERS // (longest + 6)))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)
