"""Forest plots of each contrast's difference: in the study's metric, and in log-likelihood."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from convchoice.analysis import old_text as wording
from convchoice.analysis.measure import Direction, Measure, measure_of
from convchoice.analysis.old_text import measure_in
from convchoice.reporting.drawing import SERIES, Ink, new_figure, quiet_frame, ticks
from convchoice.reporting.svg import RenderedFigure, rendered

ROW_INCHES = 0.42
AXIS_LABEL_CHARACTERS = 32
"""What fits beside the longest names of contrasts."""
MANY = 6
"""Contrasts whose titles still say them one by one: the lines below show the rest."""
NOT_TOLD_APART = "not told apart"
Block = Mapping[str, Any]


def _each(contrasts: Sequence[Mapping[str, Any]], word: Callable[[Mapping[str, Any]], str]) -> str:
    """Each arm's word against its partner, those with the same word together."""
    partners: dict[str, dict[str, list[str]]] = {}
    for contrast in contrasts:
        words = partners.setdefault(contrast["partner"], {})
        words.setdefault(word(contrast), []).append(contrast["arm"])
    clauses = []
    for partner, words in partners.items():
        said = [
            f"{wording.listed(arms)} {'is' if len(arms) == 1 else 'are'} {found}"
            for found, arms in words.items()
        ]
        clauses.append(f"against {partner}, {wording.listed(said)}")
    return "; ".join(clauses)


def differences_finding(comparison: Mapping[str, Any]) -> str:
    """Each arm's verdict against its partner; of many, who was told apart and how many not."""
    contrasts = comparison["contrasts"]
    if len(contrasts) > MANY:
        return wording.grouped(contrasts)
    sentence = _each(contrasts, lambda contrast: contrast["verdict"])
    return sentence[0].upper() + sentence[1:]


def _side(interval: Sequence[float] | None, measure: Measure) -> str:
    """On which side of 0 a whole interval lies, in words."""
    if interval is None or interval[0] <= 0 <= interval[1]:
        return NOT_TOLD_APART
    return "better" if (interval[0] > 0) == (measure.direction is Direction.higher) else "worse"


def nll_finding(comparison: Mapping[str, Any]) -> str:
    """On which side of 0 each arm's interval of the negative log-likelihood lies."""
    contrasts, nll = comparison["contrasts"], measure_of("test/nll")

    def side(contrast: Mapping[str, Any]) -> str:
        return _side(contrast["nll"][nll.key("interval_95")], nll)

    if len(contrasts) > MANY:
        sides = ("better", "worse", NOT_TOLD_APART)
        said = wording.grouped(contrasts, side, sides, sides[-1:])
        return f"By negative log-likelihood, {said[0].lower()}{said[1:]}"
    return f"By negative log-likelihood, {_each(contrasts, side)}"


def _sides(axes: Axes, *, higher_is_better: bool) -> None:
    """Say at the top which side of 0 is better."""
    sides = ("worse", "better") if higher_is_better else ("better", "worse")
    for text, x, align in ((f"← {sides[0]}", 0, "left"), (f"{sides[1]} →", 1, "right")):
        axes.text(
            x, 1.02, text, transform=axes.transAxes, ha=align, color=Ink.muted.stand_in, fontsize=9
        )


def _row(axes: Axes, block: Block, measure: Measure, row: int) -> None:
    for key, width in (("interval_95", 1.6), ("interval_90", 4.2)):
        bounds = block[measure.key(key)]
        if bounds:
            axes.plot(bounds, [row, row], color=SERIES[0], linewidth=width, solid_capstyle="butt")
    axes.plot(
        [block[measure.key("difference")]],
        [row],
        "o",
        markersize=7.5,
        markerfacecolor=Ink.paper.stand_in,
        markeredgecolor=SERIES[0],
        markeredgewidth=2,
    )


def _forest(
    comparison: Mapping[str, Any],
    blocks: Sequence[Block],
    measure: Measure,
    margin: float | None,
    words: tuple[str, str, str],
) -> RenderedFigure:
    """The forest plot of some blocks, one a contrast.

    Args:
        comparison: the study's.
        blocks: of each contrast, with difference and intervals.
        measure: of the blocks.
        margin: shown as a band; None shows none.
        words: the figure's name, its title, and what its caption says of the margin.
    """
    contrasts = comparison["contrasts"]
    figure = new_figure(1.1 + ROW_INCHES * len(contrasts))
    axes = figure.subplots()
    if margin is not None:
        axes.axvspan(-margin, margin, color=Ink.band.stand_in, linewidth=0, zorder=0)
    axes.axvline(0, color=Ink.muted.stand_in, linewidth=1, zorder=1)
    for row, block in enumerate(blocks):
        _row(axes, block, measure, row)
    names = [f"{contrast['arm']} − {contrast['partner']}" for contrast in contrasts]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.margins(x=0.06)
    _sides(axes, higher_is_better=measure.direction is Direction.higher)
    quiet_frame(axes, grid="x")
    axes.xaxis.set_major_locator(ticks())
    unit = f", {measure.short_unit}" if measure.short_unit else ""
    label = f"difference in {measure.label}{unit}"
    axes.set_xlabel("\n".join(textwrap.wrap(label, AXIS_LABEL_CHARACTERS)))
    said = [
        f"{name.replace('−', 'minus')}: {wording.difference(block, measure)}"
        f" {wording.difference_interval(block, measure)}"
        f"{', ' + block['verdict'] if 'verdict' in block else ''}"
        for name, block in zip(names, blocks, strict=True)
    ]
    name, title, band = words
    return rendered(
        figure,
        f"{comparison['study']['name']}-{name}",
        title,
        "Mean paired difference with its 95 % interval (thin) and 90 % interval (thick);"
        f" {band}. {wording.seed_counts(item['n'] for item in contrasts)}, paired.",
        f"Forest plot{' in ' if measure.unit else ''}{measure.unit}. {'; '.join(said)}.",
    )


def differences_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Each contrast's difference over the band of the margin; None without a contrast."""
    contrasts = comparison["contrasts"]
    if not contrasts:
        return None
    words = (
        "differences",
        differences_finding(comparison),
        f"the band is the margin, {wording.margin(comparison)}",
    )
    measure = measure_in(comparison)
    return _forest(comparison, contrasts, measure, comparison["study"]["margin"], words)


def nll_differences_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """The same of the negative log-likelihood; None where unknown, or the study's own metric."""
    blocks = [contrast["nll"] for contrast in comparison["contrasts"]]
    nll = measure_of("test/nll")
    if not blocks or None in blocks or comparison["study"]["metric"] == nll.metric:
        return None
    words = ("nll", nll_finding(comparison), "lower is better, and no margin is set for it")
    return _forest(comparison, blocks, nll, None, words)
