"""Figures of accuracy over shift, angle, scale and input size, and of consistency.

A figure for which no arm has the numbers is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

from convchoice.analysis import text
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_curves import CurveSeries
from convchoice.config.schema import Curve
from convchoice.reporting.drawing import (
    BAND,
    arm_styles,
    legend,
    line_with_band,
    name_rows,
    new_figure,
    panels,
    quiet_frame,
    row_inches,
)
from convchoice.reporting.spans import span
from convchoice.reporting.svg import RenderedFigure, rendered

VISIBLE_INK = 0.01
"""A larger share of lost ink is shaded: from there on the digit itself is cut."""

Lines = Mapping[str, CurveSeries]
"""The series of one curve by arm; arms without it are left out."""


@dataclass(frozen=True)
class Robustness:
    """How a curve over one transform is drawn."""

    curve: Curve
    kinds: tuple[str, ...]
    axis: str
    unmoved: float
    compared: float
    """The finding compares this value with the unmoved digits."""
    event: str
    """The finding's subject: the transform by the compared value."""
    ticks: tuple[float, ...]


ROBUSTNESS = (
    Robustness(
        Curve.shift, ("horizontal", "vertical", "diagonal"),
        "shift, pixels (right and down: positive)", 0, 4,
        "A shift by 4 pixels down and to the right", (-10, -5, 0, 5, 10),
    ),
    Robustness(
        Curve.rotation, ("",), "rotation, degrees anticlockwise", 0, 45,
        "A rotation by 45°", (0, 45, 90, 135, 180, 225, 270, 315),
    ),
    Robustness(
        Curve.scale, ("",), "size of the digit, as a factor", 1, 0.7,
        "Shrinking to 0.7 of the size", (0.5, 0.75, 1, 1.25, 1.5),
    ),
)  # fmt: skip


def lines_of(comparison: Comparison, curve: Curve, kind: str = "") -> dict[str, CurveSeries]:
    """Each arm's series of a curve that has no layers."""
    return {
        arm: series
        for arm, result in comparison.arms.items()
        for series in result.curves
        if series.curve == curve.name and series.kind == kind
    }


def seeds_and_images(lines: Lines) -> str:
    """``n = 3 seeds per arm, 2,000 test images``."""
    images = sorted({series.images for series in lines.values()})
    counts = text.seed_counts(series.n for series in lines.values())
    return f"{counts} per arm, {' or '.join(map(text.whole, images))} test images"


def _draw(axes: Axes, comparison: Comparison, lines: Lines, measure: str) -> None:
    styles = arm_styles(list(comparison.arms))
    for arm, series in lines.items():
        if band := series.bands.get(measure):
            line_with_band(axes, series.values, (band.mean, band.low, band.high), styles[arm], 100)
    # A t interval is not bounded by 0 and 100 %.
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.0), min(high, 100.0))


def _at(series: CurveSeries, value: float) -> float | None:
    """The mean accuracy at a point; None if it was not evaluated there."""
    means = dict(zip(series.values, series.bands["accuracy"].mean, strict=True))
    return means.get(value)


def robustness_finding(transform: Robustness, lines: Lines) -> str:
    """What the compared transform costs each arm, in percentage points of accuracy."""
    costs = {
        arm: 100 * (unmoved - moved)
        for arm, series in lines.items()
        if (unmoved := _at(series, transform.unmoved)) is not None
        and (moved := _at(series, transform.compared)) is not None
    }
    if not costs:
        return f"Accuracy over {transform.axis.partition(',')[0]}"
    return f"{transform.event} costs {span(costs, 1)} percentage points of accuracy"


def _shade_cut_digits(axes: Axes, lines: Lines, unmoved: float) -> bool:
    """Shade where ink leaves the canvas, if that is the same for all arms."""
    table = pd.DataFrame({arm: series.bands["ink_lost"].mean for arm, series in lines.items()})
    table.index = next(iter(lines.values())).values
    if (table.nunique(axis=1) > 1).any():
        return False
    cut = table.index[table.iloc[:, 0] > VISIBLE_INK]
    for side in (cut[cut < unmoved], cut[cut > unmoved]):
        if len(side):
            axes.axvspan(side.min(), side.max(), color=BAND.stand_in, linewidth=0, zorder=0)
    return len(cut) > 0


def _ink_sentence(lines: Lines, *, shaded: bool) -> str:
    """How much ink leaves the canvas, so that a cut digit is not taken for a moved one."""
    bands = [series.bands["ink_lost"] for series in lines.values()]
    most = max(value or 0.0 for band in bands for value in band.mean)
    if most <= VISIBLE_INK:
        return ""
    grey = " Grey: more than 1 % of the ink is off the canvas." if shaded else ""
    return f"{grey} At most {text.percent(most, 0)} % of the ink is off the canvas."


def robustness_figure(comparison: Comparison, transform: Robustness) -> RenderedFigure | None:
    """Accuracy over one transform, a panel a kind."""
    kinds = {kind: lines_of(comparison, transform.curve, kind) for kind in transform.kinds}
    kinds = {kind: lines for kind, lines in kinds.items() if lines}
    if not kinds:
        return None
    height = 3.1 if len(kinds) == 1 else 0.3 + 1.5
    figure, every = panels(len(kinds), height, columns=1, share=True)
    shaded = False
    for axes, (kind, lines) in zip(every, kinds.items(), strict=True):
        _draw(axes, comparison, lines, "accuracy")
        shaded |= _shade_cut_digits(axes, lines, transform.unmoved)
        axes.set_ylabel("test accuracy, %")
        axes.set_title(kind)
        quiet_frame(axes, grid="y")
    every[-1].set_xticks(transform.ticks)
    every[-1].set_xlabel(transform.axis)
    *_, lines = kinds.values()
    styles = arm_styles(list(comparison.arms))
    shown = {arm for each in kinds.values() for arm in each}
    legend(figure, {arm: styles[arm] for arm in styles if arm in shown})
    return rendered(
        figure,
        f"{comparison.study.name}-{transform.curve.name}",
        robustness_finding(transform, lines),
        f"Mean over seeds with its 95 % interval as a band. {seeds_and_images(lines)}."
        f"{_ink_sentence(lines, shaded=shaded)}",
        f"Test accuracy in percent over {transform.axis}. {_points_in_words(transform, lines)}.",
    )


def _points_in_words(transform: Robustness, lines: Lines) -> str:
    """Each arm's accuracy at the first, the unmoved and the last point."""
    words = []
    for arm, series in lines.items():
        places = dict.fromkeys((series.values[0], float(transform.unmoved), series.values[-1]))
        points = [
            f"{text.percent(accuracy, 1)} at {text.number(place, 0 if place == int(place) else 1)}"
            for place in places
            if (accuracy := _at(series, place)) is not None
        ]
        words.append(f"{arm}: {text.listed(points)}")
    return "; ".join(words)


def consistency_figure(comparison: Comparison) -> RenderedFigure | None:
    """Each arm's share of images with one prediction under two shifts, with its interval."""
    lines = lines_of(comparison, Curve.consistency)
    if not lines:
        return None
    styles = arm_styles(list(comparison.arms))
    figure = new_figure(0.95 + row_inches(list(lines), 0.4) * len(lines))
    axes = figure.subplots()
    words, means = [], {}
    for row, (arm, series) in enumerate(lines.items()):
        band, look = series.bands["consistency"], styles[arm]
        means[arm] = 100 * (band.mean[0] or 0.0)
        ends = (band.low[0], band.high[0])
        bounds = None if None in ends else [100 * (end or 0.0) for end in ends]
        if bounds:
            axes.plot(bounds, [row, row], color=look.colour, linewidth=1.6)
        axes.plot([means[arm]], [row], look.marker, color=look.colour, markersize=7)
        words.append(f"{arm}: {text.number(means[arm], 1)} {text.interval(bounds, 1)}")
    name_rows(axes, list(lines))
    axes.margins(x=0.08)
    quiet_frame(axes, grid="x")
    axes.set_xlabel("images with the same prediction twice, %")
    pixels = next(iter(lines.values())).values[0]
    return rendered(
        figure,
        f"{comparison.study.name}-consistency",
        f"Under two random shifts, {span(means, 1, ' %')} of the images keep their prediction",
        f"Each image is shifted twice at random, by up to {pixels:g} pixels in each direction; the"
        " prediction may be right or wrong. Mean over seeds with its 95 % interval."
        f" {seeds_and_images(lines)}.",
        f"A point an arm, in percent. {'; '.join(words)}.",
    )


def accepted_sizes(series: CurveSeries) -> str:
    """The input sizes that an arm accepts: ``26 to 29 pixels``."""
    sizes = [
        size for size, accepted in zip(series.values, series.accepted, strict=True) if accepted
    ]
    if not sizes:
        return "none of them"
    return f"{sizes[0]:g} pixels" if len(sizes) == 1 else f"{sizes[0]:g} to {sizes[-1]:g} pixels"


def input_size_finding(lines: Lines) -> str:
    """Which sizes of input each arm accepts; arms that accept the same sizes together."""
    arms: dict[str, list[str]] = {}
    for arm, series in lines.items():
        arms.setdefault(accepted_sizes(series), []).append(arm)
    found = [
        f"{text.listed(names)} {'accepts' if len(names) == 1 else 'accept'} {sizes}"
        for sizes, names in arms.items()
    ]
    tried = next(iter(lines.values())).values
    return f"Of inputs of {tried[0]:g} to {tried[-1]:g} pixels, {text.listed(found)}"


def input_size_figure(comparison: Comparison) -> RenderedFigure | None:
    """Accuracy over the size of the input; crosses below mark sizes that do not fit."""
    lines = lines_of(comparison, Curve.input_size)
    if not lines:
        return None
    styles = arm_styles(list(comparison.arms))
    figure = new_figure(3.1)
    axes = figure.subplots()
    _draw(axes, comparison, lines, "accuracy")
    rejected = [
        (row, styles[arm].colour, size)
        for row, (arm, series) in enumerate(lines.items())
        for size, accepted in zip(series.values, series.accepted, strict=True)
        if not accepted
    ]
    for row, colour, size in rejected:
        axes.plot(
            [size], [-0.05 - 0.045 * row], "x", transform=axes.get_xaxis_transform(),
            color=colour, markersize=4, clip_on=False,
        )  # fmt: skip
    quiet_frame(axes, grid="y")
    axes.tick_params(axis="x", pad=8 + 6 * len(lines) if rejected else 3)
    axes.set_xlabel("side of the input, pixels")
    axes.set_ylabel("test accuracy, %")
    legend(figure, {arm: styles[arm] for arm in lines})
    words = []
    for arm, series in lines.items():
        band = series.bands.get("accuracy")
        means = [mean for mean in band.mean if mean is not None] if band else []
        ends = [text.percent(end(means), 1) for end in (min, max)] if means else []
        accuracies = f", {' to '.join(ends)} %" if ends else ""
        words.append(f"{arm}: {accepted_sizes(series)}{accuracies}")
    crosses = " Crosses: the network does not accept this size." if rejected else ""
    return rendered(
        figure,
        f"{comparison.study.name}-input-size",
        input_size_finding(lines),
        "The digit is resized and the trained layers are applied to it. Mean over seeds with its"
        f" 95 % interval as a band. {seeds_and_images(lines)}.{crosses}",
        f"Test accuracy in percent over the side of the input in pixels. {'; '.join(words)}.",
    )
