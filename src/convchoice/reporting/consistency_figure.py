"""The figure of consistency: how often an arm answers alike to a digit that is moved twice."""

from collections.abc import Mapping, Sequence
from typing import Any

from convchoice.analysis import old_text as wording
from convchoice.config.schema import Curve
from convchoice.reporting.curve_figures import Series, seeds_and_images, series_of
from convchoice.reporting.drawing import MARKERS, SERIES, new_figure, quiet_frame, ticks
from convchoice.reporting.svg import RenderedFigure, rendered


def consistency_finding(series: Mapping[str, Series]) -> str:
    """Which arms answer most and least alike."""
    means = {arm: item["consistency"]["mean"][0] for arm, item in series.items()}
    best, worst = (choose(means, key=means.__getitem__) for choose in (max, min))
    what = "the same answer under two random shifts"
    if best == worst:
        return f"{best} gives {wording.percent(means[best], 1)} % of the images {what}"
    return (
        f"{best} gives {wording.percent(means[best], 1)} % of the images {what},"
        f" {worst} {wording.percent(means[worst], 1)} %"
    )


def consistency_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Each arm's share of images with one answer under two shifts, and its interval."""
    series = series_of(comparison, Curve.consistency)
    if not series:
        return None
    order = list(comparison["arms"])
    figure = new_figure(0.95 + 0.4 * len(series))
    axes = figure.subplots()
    for row, (arm, item) in enumerate(series.items()):
        color, band = SERIES[order.index(arm) % len(SERIES)], item["consistency"]
        if band["low"][0] is not None:
            bounds = [100 * band["low"][0], 100 * band["high"][0]]
            axes.plot(bounds, [row, row], color=color, linewidth=1.6)
        marker = MARKERS[order.index(arm) % len(MARKERS)]
        axes.plot([100 * band["mean"][0]], [row], marker, color=color, markersize=7)
    axes.set_yticks(range(len(series)), list(series))
    axes.set_ylim(len(series) - 0.5, -0.5)
    axes.margins(x=0.08)
    quiet_frame(axes, grid="x")
    axes.xaxis.set_major_locator(ticks())
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.set_xlabel("images with the same answer twice, %")
    pixels = next(iter(series.values()))["value"][0]
    said = [_consistency_said(arm, item) for arm, item in series.items()]
    return rendered(
        figure,
        f"{comparison['study']['name']}-consistency",
        consistency_finding(series),
        f"Each image is moved twice at random, by up to {pixels:g} pixels in either direction; the"
        " answer may be right or wrong. Mean over seeds with its 95 % interval."
        f" {seeds_and_images(series)}.",
        f"A point an arm, in percent. {'; '.join(said)}.",
    )


def _consistency_said(arm: str, item: Series) -> str:
    band = item["consistency"]
    known: Sequence[float] | None = (
        None if band["low"][0] is None else [band["low"][0], band["high"][0]]
    )
    return f"{arm}: {wording.percent(band['mean'][0], 1)} {wording.percent_interval(known, 1)}"
