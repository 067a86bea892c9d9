"""Forest plots of the paired differences: in the study's metric and in log-likelihood."""

import textwrap
from collections.abc import Callable, Sequence

from convchoice.analysis import sentences, text
from convchoice.analysis.measure import Measure, measure_of
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_contrast import Contrast, Difference
from convchoice.reporting.drawing import (
    BAND,
    MUTED,
    PAPER,
    SERIES,
    name_rows,
    new_figure,
    quiet_frame,
    row_inches,
)
from convchoice.reporting.svg import RenderedFigure, rendered

NLL = measure_of("test/nll")
AXIS_LABEL_CHARACTERS = 32
"""What fits beside the longest names of contrasts."""
MANY = 6
"""Up to this many contrasts a title names each one."""
INCONCLUSIVE = "inconclusive"


def _findings(contrasts: Sequence[Contrast], word: Callable[[Contrast], str]) -> str:
    """A word for each arm against its reference; arms with the same word together."""
    references: dict[str, dict[str, list[str]]] = {}
    for contrast in contrasts:
        words = references.setdefault(contrast.reference, {})
        words.setdefault(word(contrast), []).append(contrast.arm)
    clauses = [
        f"against {reference}, "
        + text.listed(
            [
                f"{text.listed(arms)} {'is' if len(arms) == 1 else 'are'} {found}"
                for found, arms in words.items()
            ]
        )
        for reference, words in references.items()
    ]
    return "; ".join(clauses)


def differences_finding(comparison: Comparison) -> str:
    """Each arm's verdict against its reference; of many, how many arms have each verdict."""
    if len(comparison.contrasts) > MANY:
        return sentences.grouped(comparison.contrasts)
    sentence = _findings(comparison.contrasts, lambda contrast: contrast.verdict)
    return sentence[0].upper() + sentence[1:]


def _side(contrast: Contrast) -> str:
    """The side of 0 on which the interval of the negative log-likelihood lies."""
    bounds = contrast.nll and contrast.nll.interval_95
    if not bounds or bounds.low <= 0 <= bounds.high:
        return INCONCLUSIVE
    return "worse" if bounds.low > 0 else "better"


def nll_finding(comparison: Comparison) -> str:
    """The side of 0 on which each arm's interval of the negative log-likelihood lies."""
    contrasts = comparison.contrasts
    if len(contrasts) > MANY:
        sides = ("better", "worse", INCONCLUSIVE)
        found = sentences.grouped(contrasts, _side, sides, sides[-1:])
        return f"By negative log-likelihood: {found[0].lower()}{found[1:]}"
    return f"By negative log-likelihood: {_findings(contrasts, _side)}"


def differences_figure(comparison: Comparison) -> RenderedFigure | None:
    """A forest plot of the study's metric over the band of the margin; None without a contrast."""
    if not comparison.contrasts:
        return None
    return _forest(
        comparison,
        [contrast.difference for contrast in comparison.contrasts],
        comparison.measure,
        ("differences", differences_finding(comparison)),
        margin=comparison.study.margin,
    )


def nll_figure(comparison: Comparison) -> RenderedFigure | None:
    """The same of the negative log-likelihood; None if unknown, or if it is the study's metric."""
    differences = [item.nll for item in comparison.contrasts if item.nll is not None]
    complete = differences and len(differences) == len(comparison.contrasts)
    if not complete or comparison.study.metric == NLL.metric:
        return None
    return _forest(comparison, differences, NLL, ("nll", nll_finding(comparison)))


def _forest(
    comparison: Comparison,
    differences: Sequence[Difference],
    measure: Measure,
    name_and_title: tuple[str, str],
    margin: float | None = None,
) -> RenderedFigure:
    """A forest plot with one difference a contrast, over the band of a margin if there is one."""
    contrasts = comparison.contrasts
    names = [f"{contrast.arm} − {contrast.reference}" for contrast in contrasts]
    figure = new_figure(1.1 + row_inches(names, 0.42) * len(names))
    axes = figure.subplots()
    if margin is not None:
        axes.axvspan(-margin, margin, color=BAND.stand_in, linewidth=0, zorder=0)
    axes.axvline(0, color=MUTED.stand_in, linewidth=1, zorder=1)
    look = {"color": SERIES[0], "solid_capstyle": "butt"}
    for row, item in enumerate(differences):
        for bounds, width in ((item.interval_95, 1.6), (item.interval_90, 4.2)):
            if bounds:
                axes.plot(bounds, [row, row], linewidth=width, **look)  # type: ignore[arg-type]
        axes.plot(
            [item.mean], [row], "o", markersize=7.5, markerfacecolor=PAPER.stand_in,
            markeredgecolor=SERIES[0], markeredgewidth=2,
        )  # fmt: skip
    name_rows(axes, names)
    axes.margins(x=0.06)
    left, right = ("worse", "better") if measure.higher_is_better else ("better", "worse")
    for words, x, align in ((f"← {left}", 0, "left"), (f"{right} →", 1, "right")):
        axes.text(
            x, 1.02, words, transform=axes.transAxes, ha=align, color=MUTED.stand_in, fontsize=9
        )
    quiet_frame(axes, grid="x")
    unit = f", {measure.short_unit}" if measure.short_unit else ""
    axes.set_xlabel(textwrap.fill(f"difference in {measure.label}{unit}", AXIS_LABEL_CHARACTERS))
    rows = [
        f"{contrast.arm} minus {contrast.reference}: {text.signed(item.mean, measure.decimals)}"
        f" {text.interval(item.interval_95, measure.decimals, with_signs=True)}"
        + (f", {contrast.verdict}" if margin is not None else "")
        for contrast, item in zip(contrasts, differences, strict=True)
    ]
    band = (
        "no margin is set"
        if margin is None
        else f"the band is the margin, {text.margin(comparison)}"
    )
    name, title = name_and_title
    return rendered(
        figure,
        f"{comparison.study.name}-{name}",
        title,
        "Mean paired difference with its 95 % interval (thin) and 90 % interval (thick);"
        f" {band}. {text.seed_counts(item.n for item in contrasts)}, paired.",
        f"Forest plot{' in ' if measure.unit else ''}{measure.unit}. {'; '.join(rows)}.",
    )
