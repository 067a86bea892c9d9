"""Figures of other settings and other seeds: a study's survival map, and sources of variance."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from convchoice.analysis import text
from convchoice.analysis.notes import extended_looks
from convchoice.analysis.sentences import shares_text, spoken, survival_lines
from convchoice.analysis.survival import Cell, Survival, SurvivingContrast
from convchoice.analysis.training_length import training_length
from convchoice.analysis.variance_sources import SOURCES, VarianceSources
from convchoice.reporting import plots
from convchoice.reporting.rendering import RenderedFigure, rendered

Label = Callable[[str], str]
"""An arm's label."""
ROW_INCHES = 0.42
SHARE_COLOURS = ("#d9772b", "#8a6bbf", "#7f8a45", plots.OPEN_GROUND.stand_in)
"""Of the sources, in their order: no arm's and no finding's; interactions in the faintest."""
LEAST_WRITTEN = 0.1
"""A smaller share has no room for its number."""


def _axes_of(found: Survival) -> tuple[list[str], list[str], list[tuple[int, int]]]:
    """Names of rows and columns, and each setting's row and column.

    Columns are the values of the last key of the grid, rows the combinations of the others.
    """
    *others, last = found.grid
    columns = found.grid[last]
    rows: list[str] = []
    places = []
    for setting in found.settings:
        name = "\n".join(f"{spoken(key)} {setting[key]}" for key in others)
        if name not in rows:
            rows.append(name)
        places.append((rows.index(name), columns.index(setting[last])))
    return rows, [str(value) for value in columns], places


def survival_figures(found: Survival, label: Label) -> list[RenderedFigure]:
    """A map for each contrast: a cell a setting, with its estimate, coloured by its finding."""
    sentences = survival_lines(found, label)
    return [
        _survival_map(found, each, label, sentence)
        for each, sentence in zip(found.contrasts, sentences, strict=True)
    ]


def _survival_map(
    found: Survival, contrast: SurvivingContrast, label: Label, sentence: str
) -> RenderedFigure:
    rows, columns, places = _axes_of(found)
    cells = list(zip(places, contrast.cells, strict=True))
    height = ROW_INCHES * (len(rows) + (0.7 + 1 if contrast.tuned else 0)) + 0.8
    figure, [axes] = plots.panels(1, height)
    for (row, column), cell in cells:
        _draw_cell(axes, found, cell, (column, row, 1))
    ticks: list[float] = list(range(len(rows)))
    if contrast.tuned:
        ticks.append(len(rows) + 0.4)
        rows.append("each arm\ntuned")
        _draw_cell(axes, found, contrast.tuned, (0, ticks[-1], len(columns)))
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(max(ticks) + 0.5, -0.5)
    axes.set_yticks(ticks, rows)
    axes.set_xticks(range(len(columns)), columns)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(spoken(list(found.grid)[-1]))
    axes.spines[:].set_visible(False)
    arm, reference = label(contrast.arm), label(contrast.reference)
    seeds = text.seed_counts(len(cell.seeds) for cell in contrast.cells)
    unit = found.measure.short_unit or found.measure.label
    tuned = ""
    if contrast.tuned:
        both = (contrast.tuned.arm_setting, contrast.tuned.reference_setting)
        chosen = " and ".join(
            f"{name} {_setting(found, index)}"
            for name, index in zip((arm, reference), both, strict=True)
        )
        tuned = (
            " Last row, with an interval of its own: each arm with its best validation accuracy,"
            f" {chosen}."
        )
    family = contrast.family
    extended = f" ({extended_looks(family)})" if family.extended else ""
    margin = text.margin(found.margin, found.measure)
    words = [
        f"{_setting(found, cell.arm_setting)}: {_estimate(found, cell)} {cell.verdict}"
        for _, cell in cells
    ]
    return rendered(
        figure,
        f"{found.study}-survival-{contrast.arm}-{contrast.reference}",
        f"{arm} against {reference} with other settings",
        f"{sentence} In each cell: the mean paired difference, {unit}. The intervals of all cells"
        f" hold together{extended}. Margin: {margin}.{tuned} {seeds} per arm and setting.",
        f"{'; '.join(words)}.",
    )


def _setting(found: Survival, index: int) -> str:
    pairs = found.settings[index].items()
    return ", ".join(f"{spoken(key)} {value}" for key, value in pairs)


def _estimate(found: Survival, cell: Cell) -> str:
    return text.NONE if cell.mean is None else text.signed(cell.mean, found.measure.decimals)


def _draw_cell(axes: Axes, found: Survival, cell: Cell, place: tuple[float, float, int]) -> None:
    """A cell at a column and row, some columns wide: its ground, estimate and word."""
    column, row, width = place
    colour, ground = (ink.stand_in for ink in plots.FINDING_INKS[cell.verdict.finding])
    axes.add_patch(Rectangle((column - 0.47, row - 0.44), width - 0.06, 0.88, color=ground, lw=0))
    centre = column + (width - 1) / 2
    look: dict[str, Any] = {"ha": "center", "color": colour}
    axes.text(centre, row - 0.03, _estimate(found, cell), va="bottom", fontsize=9.5, **look)
    axes.text(centre, row + 0.03, cell.verdict.finding, va="top", fontsize=7.5, **look)


def variance_figure(found: VarianceSources, label: Label) -> RenderedFigure:
    """A bar for each arm and contrast, divided by each source's share of the variance."""
    names = [
        label(each.arm) + (f" − {label(each.reference)}" if each.reference else "")
        for each in found.decompositions
    ]
    unit = found.measure.short_unit
    spreads = [text.number(each.standard_deviation, 3) for each in found.decompositions]
    named = [
        f"{name}, ±{spread} {unit}".rstrip() for name, spread in zip(names, spreads, strict=True)
    ]
    figure, axes = plots.row_panel(named, 0.34)
    sources = list(found.decompositions[0].components)
    starts = [0.0] * len(named)
    for source, colour in zip(sources, SHARE_COLOURS, strict=False):
        shares = [each.shares[source] for each in found.decompositions]
        axes.barh(range(len(named)), shares, 0.62, starts, color=colour, label=source)
        for row, (share, start) in enumerate(zip(shares, starts, strict=True)):
            if share >= LEAST_WRITTEN:
                look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8.5}
                axes.text(start + share / 2, row, f"{share:.0%}", **look)
        starts = [start + share for start, share in zip(starts, shares, strict=True)]
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
    axes.set_xlabel("share of the variance, %")
    figure.legend(loc="outside upper left", ncols=2)
    words = [
        f"{name}: {shares_text(each)}"
        for name, each in zip(named, found.decompositions, strict=True)
    ]
    counts = text.listed(
        [f"{n} seeds of {SOURCES.get(key, key)}" for key, n in found.levels.items()]
    )
    return rendered(
        figure,
        f"{found.study}-variance",
        "Where the spread between runs comes from",
        f"Variance of {found.measure.label} by source, of each arm and of each paired difference;"
        " the number behind a name is the standard deviation over all runs. One run for each"
        f" combination of {counts}, after {training_length(found.provenance.recorded)}. From so few"
        " seeds shares are rough: those of 95 % of designs of this size with these components lie"
        f" within {_largest_deviation(found):.0f} points of them.",
        f"{'; '.join(words)}.",
    )


def _largest_deviation(found: VarianceSources) -> float:
    """How far a share's range reaches from the share at most, in percentage points."""
    return max(
        100 * abs(end - each.shares[source])
        for each in found.decompositions
        for source, ends in each.ranges.items()
        for end in ends
    )
