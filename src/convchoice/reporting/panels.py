"""Small drawings of one kind side by side, one an arm or a contrast, on a figure's width."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from convchoice.reporting.drawing import new_figure

COLUMNS = 2


def panels(count: int, height_inches: float, *, share: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels in two columns, filled row by row; one alone has its width.

    Args:
        count: at least 1.
        height_inches: of a row.
        share: whether all have the same axes.

    Returns:
        The figure and the panels; places that are left over stay empty.
    """
    columns = min(COLUMNS, count)
    rows = math.ceil(count / columns)
    figure = new_figure(height_inches * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share)
    every: list[Axes] = list(grid.flat)
    for empty in every[count:]:
        empty.set_visible(False)
    return figure, every[:count]
