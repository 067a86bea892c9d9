"""Figures of accuracy over epochs, shifts, angles, scales and input sizes, and of consistency.

A figure for which no arm has the numbers is left out.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from convchoice.analysis import text
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_arm import CurveSeries
from convchoice.config.schema import Curve
from convchoice.reporting.drawing import ACCENT, BAND, looks, name_rows, new_figure, row_inches
from convchoice.reporting.plots import LinePanel, interval_rows, line_panels, rows_in_words
from convchoice.reporting.svg import RenderedFigure, rendered

VISIBLE_INK = 0.01
"""A larger share of lost ink is shaded: from there on the digit itself is cut."""
FEWEST_EPOCHS = 2
"""A single epoch is a point and not a curve."""
MEAN_AND_BAND = "Mean over seeds with its 95 % interval as a band."

Lines = Mapping[str, CurveSeries]
"""The series of one curve by arm; arms without it are left out."""


def lines_of(comparison: Comparison, curve: Curve, kind: str = "") -> dict[str, CurveSeries]:
    """Each arm's series of a curve that has no layers."""
    return {
        arm: series
        for arm, result in comparison.arms.items()
        for series in result.curves
        if series.curve == curve.name and series.kind == kind
    }


def seeds_and_images(series: Iterable[CurveSeries]) -> str:
    """``n = 3 seeds per arm, 2,000 test images``."""
    every = list(series)
    images = sorted({each.images for each in every})
    counts = text.seed_counts(each.n for each in every)
    return f"{counts} per arm, {' or '.join(map(text.whole, images))} test images"


def learning_curves_figure(comparison: Comparison) -> RenderedFigure | None:
    """Training loss and held-out accuracy by epoch; None if no arm has two epochs."""
    curves = {arm: item.learning_curves for arm, item in comparison.arms.items()}
    if max(len(each.epochs) for each in curves.values()) < FEWEST_EPOCHS:
        return None
    validated = all("val/accuracy" in each.bands for each in curves.values())
    part, accuracy = ("validation", "val/accuracy") if validated else ("training", "train/accuracy")
    shown = {"train/loss": ("training loss, nats", 1), accuracy: (f"{part} accuracy, %", 100)}
    every = [
        LinePanel(label, {arm: (c.epochs, c.bands[metric]) for arm, c in curves.items()}, "", scale)
        for metric, (label, scale) in shown.items()
    ]
    figure, places, words = line_panels(comparison, every, 2.45)
    published = comparison.published.by_epoch if comparison.published else []
    for axes, (metric, (_, scale)) in zip(places, shown.items(), strict=True):
        rows = [row for row in published if row.metric == metric]
        epochs, values = [row.epoch or 0 for row in rows], [scale * row.published for row in rows]
        axes.plot(epochs, values, "x", color=ACCENT.stand_in, markersize=7, markeredgewidth=2)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    places[-1].set_xlabel("epoch")
    crosses = " Red crosses: the published run." if published else ""
    return rendered(
        figure,
        f"{comparison.study.name}-learning-curves",
        f"Training loss and {part} accuracy by epoch",
        f"{MEAN_AND_BAND} Training values are running means over the epoch.{crosses}"
        f" {text.seed_counts(item.n for item in comparison.arms.values())} per arm.",
        f"{words}.",
    )


class Robustness(NamedTuple):
    """How a curve over one transform is drawn."""

    curve: Curve
    title: str
    kinds: tuple[str, ...]
    axis: str
    unmoved: float
    ticks: tuple[float, ...]


ROBUSTNESS = (
    Robustness(
        Curve.shift, "Accuracy on shifted digits", ("horizontal", "vertical", "diagonal"),
        "shift, pixels (right and down: positive)", 0, (-10, -5, 0, 5, 10),
    ),
    Robustness(
        Curve.rotation, "Accuracy on rotated digits", ("",), "rotation, degrees anticlockwise", 0,
        (0, 45, 90, 135, 180, 225, 270, 315),
    ),
    Robustness(
        Curve.scale, "Accuracy on larger and smaller digits", ("",),
        "size of the digit, as a factor", 1, (0.5, 0.75, 1, 1.25, 1.5),
    ),
)  # fmt: skip


def _accuracy(lines: Lines, title: str = "") -> LinePanel:
    shown = {
        arm: (series.values, series.bands["accuracy"])
        for arm, series in lines.items()
        if "accuracy" in series.bands
    }
    return LinePanel("test accuracy, %", shown, title, 100)


def _within_0_and_100(axes: Axes) -> None:
    """A t interval is not bounded by 0 and 100 %."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.0), min(high, 100.0))


def _shade_cut_digits(axes: Axes, lines: Lines, unmoved: float) -> str:
    """Shade where ink leaves the canvas, if that is the same for all arms; describe the shade."""
    table = pd.DataFrame({arm: series.bands["ink_lost"].mean for arm, series in lines.items()})
    table.index = pd.Index(next(iter(lines.values())).values)
    cut = table.index[table.iloc[:, 0] > VISIBLE_INK]
    if (table.nunique(axis=1) > 1).any() or cut.empty:
        return ""
    for side in (cut[cut < unmoved], cut[cut > unmoved]):
        if len(side):
            axes.axvspan(side.min(), side.max(), color=BAND.stand_in, linewidth=0, zorder=0)
    most = text.percent(table.max(axis=None), 0)
    return f" Grey: more than 1 % of the ink is off the canvas, at most {most} %."


def robustness_figures(comparison: Comparison) -> list[RenderedFigure | None]:
    """Accuracy over each transform, a panel a kind."""
    return [_robustness_figure(comparison, transform) for transform in ROBUSTNESS]


def _robustness_figure(comparison: Comparison, transform: Robustness) -> RenderedFigure | None:
    kinds = {kind: lines_of(comparison, transform.curve, kind) for kind in transform.kinds}
    kinds = {kind: lines for kind, lines in kinds.items() if lines}
    if not kinds:
        return None
    height = 3.1 if len(kinds) == 1 else 1.8
    every = [_accuracy(lines, kind) for kind, lines in kinds.items()]
    figure, places, words = line_panels(comparison, every, height, share=True)
    shaded = ""
    for axes, lines in zip(places, kinds.values(), strict=True):
        shaded = _shade_cut_digits(axes, lines, transform.unmoved) or shaded
    _within_0_and_100(places[0])
    places[-1].set_xticks(transform.ticks)
    places[-1].set_xlabel(transform.axis)
    series = [each for lines in kinds.values() for each in lines.values()]
    return rendered(
        figure,
        f"{comparison.study.name}-{transform.curve.name}",
        transform.title,
        f"{MEAN_AND_BAND}{shaded} {seeds_and_images(series)}.",
        f"{transform.axis}: {words}.",
    )


def input_size_figure(comparison: Comparison) -> RenderedFigure | None:
    """Accuracy over the size of the input; a size that does not fit has no point."""
    lines = lines_of(comparison, Curve.input_size)
    panel = _accuracy(lines)
    if not panel.lines:
        return None
    figure, [axes], words = line_panels(comparison, [panel], 3.1)
    sizes = [size for series in lines.values() for size in series.values]
    axes.set_xlim(min(sizes) - 1, max(sizes) + 1)
    _within_0_and_100(axes)
    axes.set_xlabel("side of the input, pixels")
    return rendered(
        figure,
        f"{comparison.study.name}-input-size",
        "Accuracy by size of the input",
        "The digit is resized and the trained layers are applied to it. A size without a point is"
        f" one that the network does not accept. {MEAN_AND_BAND}"
        f" {seeds_and_images(lines.values())}.",
        f"{words}.",
    )


def consistency_figure(comparison: Comparison) -> RenderedFigure | None:
    """Each arm's share of images with one prediction under two shifts, with its interval."""
    lines = lines_of(comparison, Curve.consistency)
    if not lines:
        return None
    figure = new_figure(0.95 + row_inches(lines, 0.4) * len(lines))
    axes = figure.subplots()
    bands = [series.bands["consistency"] for series in lines.values()]
    means = [100 * (band.mean[0] or 0.0) for band in bands]
    ends = [(band.low[0], band.high[0]) for band in bands]
    bounds = [None if None in each else [100 * (end or 0.0) for end in each] for each in ends]
    for row, arm in enumerate(lines):
        look = looks(comparison.arms)[arm]
        interval_rows(axes, [row], [means[row]], [bounds[row]], look, markersize=7)
    name_rows(axes, list(lines))
    axes.margins(x=0.08)
    axes.set_xlabel("images with the same prediction twice, %")
    pixels = next(iter(lines.values())).values[0]
    return rendered(
        figure,
        f"{comparison.study.name}-consistency",
        "Consistency under two random shifts",
        f"Each image is shifted twice at random, by up to {pixels:g} pixels in each direction; the"
        " prediction may be right or wrong. Mean over seeds with its 95 % interval."
        f" {seeds_and_images(lines.values())}.",
        f"In percent: {rows_in_words(list(lines), means, bounds, 1)}.",
    )
