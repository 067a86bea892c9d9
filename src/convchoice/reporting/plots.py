"""The style of all figures, and the plots that most consist of: lines with bands, rows of means.

Matplotlib draws with the stand-in colour of each `Ink`; `rendering` replaces them. A colour has one
meaning: it is an arm's (blue is the baseline), or a finding's (green better, red worse, teal
equivalent). What belongs to no single arm is drawn in the colour of text.
"""

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import AutoLocator, MaxNLocator

from convchoice.analysis import text
from convchoice.analysis.curves import Band

STYLE = Path(__file__).with_name("figures.mplstyle")
WIDTH_INCHES = 5.0
"""On a phone a figure is then shown at nine tenths of its size and its text stays legible."""
LEGEND_CHARACTERS = 56
LABEL_CHARACTERS = 24
"""Longest line of an arm's name beside an axis or in a legend."""
SMALL_TEXT = 9

Bounds = Sequence[float] | None


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
GOOD = Ink("#0f0f06", "var(--good)", "#11663f")
BAD = Ink("#0f0f07", "var(--bad)", "#a0241b")
EVEN = Ink("#0f0f08", "var(--even)", "#0b5f66")
OPEN = Ink("#0f0f09", "var(--open)", "#4d5661")
GOOD_GROUND = Ink("#0f0f10", "var(--good-ground)", "#dff3e7")
BAD_GROUND = Ink("#0f0f11", "var(--bad-ground)", "#fbe4e1")
EVEN_GROUND = Ink("#0f0f12", "var(--even-ground)", "#d9eff0")
OPEN_GROUND = Ink("#0f0f13", "var(--open-ground)", "#eceef1")
FINDING_INKS = {
    "better": (GOOD, GOOD_GROUND),
    "worse": (BAD, BAD_GROUND),
    "equivalent": (EVEN, EVEN_GROUND),
    "inconclusive": (OPEN, OPEN_GROUND),
}
"""Of what a verdict says: the colour of its text and of the ground under it."""
ARM_INKS = tuple(
    Ink(f"#0f0e{number:02}", f"var(--series-{number})", colour)
    for number, colour in enumerate(
        (
            "#0072b2", "#d55e00", "#009e73", "#b8629a", "#c58a00", "#6b7280", "#882255", "#117733",
            "#7a4b1e", "#008b95", "#8f8800", "#5f9e14", "#8a4fd6", "#3a9bd9", "#332288",
        ),
        start=1,
    )
)  # fmt: skip
"""The first six follow Okabe and Ito (2008, Color universal design), which people with any of the
common colour vision deficiencies can distinguish; arms also differ in their marker. No other arm is
blue before the fourteenth."""
INKS = (TEXT, MUTED, LINE, BAND, PAPER, *chain(*FINDING_INKS.values()), *ARM_INKS)
SERIES = tuple(ink.stand_in for ink in ARM_INKS)
Marker = str | tuple[int, Literal[1], int]
"""Matplotlib's name of a marker, or a star by its points, 1, and its angle."""
MARKERS: tuple[Marker, ...] = (
    "o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "d", (4, 1, 0), (3, 1, 0), "h", "8",
)  # fmt: skip
"""One more than colours, so that a colour and a marker together repeat after 240 arms."""


class Look(NamedTuple):
    """How one arm is drawn in every figure of a study."""

    colour: str
    marker: Marker
    group: str = ""
    """The class of the arm's elements in a figure, by which the page shows and hides them."""


NO_ARM = Look(TEXT.stand_in, "o")
"""The look of what belongs to no single arm, such as a difference."""


def looks(arms: Iterable[str]) -> dict[str, Look]:
    """A colour and a marker for each arm, in the order of the study."""
    return {
        arm: Look(SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)], f"arm-{index + 1}")
        for index, arm in enumerate(arms)
    }


def style() -> AbstractContextManager[None]:
    """Matplotlib's settings while drawing and while writing, whatever a matplotlibrc says."""
    return mpl.rc_context(fname=STYLE)


def new_figure(height_inches: float) -> Figure:
    """An empty figure with the report's width."""
    return Figure(figsize=(WIDTH_INCHES, height_inches))


def panels(
    count: int, height_inches: float, *, columns: int = 1, share: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels, filled row by row."""
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


def legend(figure: Figure, shown: Mapping[str, Look], *, line: str = "-") -> None:
    """Name the arms above a figure, each with its marker and, unless `line` is empty, a line."""
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, ms=5, ls=line, lw=1.6,
               label=wrapped(arm))
        for arm, look in shown.items()
    ]  # fmt: skip
    longest = max(len(part) for arm in shown for part in wrapped(arm).split("\n"))
    columns = max(1, min(4, LEGEND_CHARACTERS // (longest + 6)))
    made = figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    for handle, name, look in zip(
        made.legend_handles, made.get_texts(), shown.values(), strict=True
    ):
        for artist in filter(None, (handle, name)):
            artist.set_gid(look.group)


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
    arms: Iterable[str], every: Sequence[LinePanel], height_inches: float, *, share: bool = False
) -> tuple[Figure, list[Axes], str]:
    """Panels from top to bottom with a line and a band an arm, and their numbers in words.

    Missing values interrupt lines and bands.
    """
    styles = looks(arms)
    figure, places = panels(len(every), height_inches, share=share)
    words = []
    for axes, panel in zip(places, every, strict=True):
        for arm, (along, band) in panel.lines.items():
            parts = (band.mean, band.low, band.high)
            mean, low, high = (panel.scale * np.array(part, dtype=float) for part in parts)
            colour, marker, group = styles[arm]
            axes.plot(along, mean, color=colour, marker=marker, gid=group)
            if not np.isnan(low).all():
                axes.fill_between(
                    along, low, high, color=colour, alpha=0.15, linewidth=0, gid=group
                )
            points = [
                f"{text.short(mean[place])} at {along[place]:g}"
                for place in sorted({0, len(along) // 2, len(along) - 1})
                if not np.isnan(mean[place])
            ]
            words.append(f"{panel.title or panel.label}, {arm}: {', '.join(points) or text.NONE}")
        axes.set_title(panel.title)
        axes.set_ylabel(panel.label)
        add_grid(axes, "y")
    drawn = {arm for panel in every for arm in panel.lines}
    legend(figure, {arm: look for arm, look in styles.items() if arm in drawn})
    return figure, places, "; ".join(words)


def row_panel(names: Sequence[str], least_inches: float) -> tuple[Figure, Axes]:
    """A figure with one named row for each name, high enough for the longest of them."""
    lines = max(wrapped(name).count("\n") + 1 for name in names)
    figure, [axes] = panels(1, 1.1 + max(least_inches, 0.17 * lines + 0.12) * len(names))
    name_rows(axes, names)
    return figure, axes


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of a plot from top to bottom."""
    axes.set_yticks(range(len(names)), [wrapped(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    add_grid(axes, "x")


def interval_rows(
    axes: Axes,
    heights: Sequence[float],
    means: Sequence[float],
    bounds: Sequence[Bounds],
    look: Look = NO_ARM,
    **options: Any,
) -> None:
    """Means as markers over their intervals as lines, in rows; `options` are the markers'."""
    known = [(height, *each) for height, each in zip(heights, bounds, strict=True) if each]
    if known:
        axes.hlines(*np.transpose(known), color=look.colour, linewidth=1.6, gid=look.group)
    axes.plot(
        means, heights, ls="", marker=look.marker, color=look.colour, gid=look.group, **options
    )


def rows_in_words(
    names: Iterable[str], means: Sequence[float], bounds: Sequence[Bounds], decimals: int
) -> str:
    """``max: 99.10 [99.00, 99.20]; average: …``."""
    rows = zip(names, means, bounds, strict=True)
    return "; ".join(
        f"{name}: {text.number(mean, decimals)} {text.interval(each, decimals)}"
        for name, mean, each in rows
    )
