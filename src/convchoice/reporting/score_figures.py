"""Figures of the arms' scores: every seed, score against cost, a published run among ours."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from convchoice.analysis import text
from convchoice.analysis.measure import measure_of
from convchoice.analysis.result import Comparison, PublishedValue
from convchoice.reporting.drawing import (
    ACCENT,
    BAND,
    MUTED,
    PAPER,
    SERIES,
    TEXT,
    ArmStyle,
    arm_styles,
    legend,
    name_rows,
    new_figure,
    quiet_frame,
    row_inches,
    wrapped,
)
from convchoice.reporting.svg import RenderedFigure, rendered

AXIS_CHARACTERS = 36
"""Longest line of an axis label."""
FROM_ZERO = 2
"""Costs that differ by this factor are drawn from 0 on, so that their ratio can be seen."""
LOGARITHMIC_FROM = 20
"""Costs that differ by this factor are drawn on a logarithmic axis."""

Shown = tuple[Sequence[float], float, Sequence[float] | None]
"""Values, their mean and its interval, in the unit in which they are shown."""


def piled(values: Sequence[float], step: float) -> list[float]:
    """A height for each value: 0, 1, −1, 2, … for values within one `step`."""
    heights = [0.0] * len(values)
    levels: dict[int, int] = {}
    for index in sorted(range(len(values)), key=lambda place: values[place]):
        column = round(values[index] / step) if step > 0 else 0
        level = levels[column] = levels.get(column, 0) + 1
        heights[index] = level // 2 * (-1 if level % 2 else 1)
    return heights


def _strip(axes: Axes, sample: Shown, row: float, half_height: float, step: float) -> None:
    """Values as piled points; below them their mean as a stroke and its interval as a line.

    Args:
        axes: whose vertical axis runs downwards.
        sample: to draw.
        row: height of the strip's middle.
        half_height: of the strip.
        step: values closer than this are piled.
    """
    values, mean, bounds = sample
    heights = piled(values, step)
    tallest = max(4.0, *(abs(height) for height in heights))
    middle, below = row - 0.35 * half_height, row + 0.75 * half_height
    axes.plot(
        values, [middle - 0.6 * half_height * height / tallest for height in heights], "o",
        markersize=5, markeredgewidth=0, color=SERIES[0], alpha=0.6, zorder=3,
    )  # fmt: skip
    ink = TEXT.stand_in
    if bounds:
        axes.plot(bounds, [below, below], color=ink, linewidth=1.6, zorder=4)
    axes.plot([mean], [below], "|", markersize=11, markeredgewidth=2, color=ink, zorder=4)


def seeds_finding(comparison: Comparison) -> str:
    """How far apart the arms' means are, and how far the seeds of one arm spread."""
    measure = comparison.measure
    samples = {arm: item.scores[measure.metric] for arm, item in comparison.arms.items()}
    means = measure.shown([sample.mean for sample in samples.values()])
    ranges = measure.shown([max(each.values) - min(each.values) for each in samples.values()])
    spread = f"{text.number(max(ranges), measure.decimals)} {measure.short_unit}".strip()
    if len(samples) == 1:
        mean = f"{text.number(means[0], measure.decimals)} {measure.shown_unit}".strip()
        return f"{next(iter(samples))} has a mean of {mean}; its seeds spread over {spread}"
    apart = text.number(max(means) - min(means), measure.decimals)
    distance = f"{apart} {measure.short_unit}".strip()
    return f"Arm means differ by up to {distance}; the seeds of one arm spread over up to {spread}"


def seeds_figure(comparison: Comparison) -> RenderedFigure:
    """Every seed as a point, with each arm's mean and 95 % interval."""
    measure, arms = comparison.measure, comparison.arms
    figure = new_figure(0.95 + row_inches(list(arms), 0.52) * len(arms))
    axes = figure.subplots()
    samples = [item.scores[measure.metric] for item in arms.values()]
    everything = measure.shown([value for sample in samples for value in sample.values])
    step = (max(everything) - min(everything)) / 60
    for row, sample in enumerate(samples):
        bounds = sample.interval_95 and measure.shown(sample.interval_95)
        [mean] = measure.shown([sample.mean])
        _strip(axes, (measure.shown(sample.values), mean, bounds), row, 0.4, step)
    name_rows(axes, list(arms))
    quiet_frame(axes, grid="x")
    axes.set_xlabel(wrapped(measure.axis_label, AXIS_CHARACTERS))
    rows = [
        "{}: mean {}, 95 % interval {}".format(arm, *text.score(sample, measure))
        for arm, sample in zip(arms, samples, strict=True)
    ]
    return rendered(
        figure,
        f"{comparison.study.name}-seeds",
        seeds_finding(comparison),
        "Each point is one seed; the stroke below is the arm's mean, the line its 95 % interval."
        f" {text.seed_counts(arm.n for arm in arms.values())} per arm.",
        f"Points on a line for each arm, {measure.axis_label}. {'; '.join(rows)}.",
    )


def pareto_optimal(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The arms for which no other arm is at least as good on both sides, by ascending cost.

    Args:
        points: (cost, score) by arm; a lower cost and a higher score are better.
    """
    kept = [
        arm
        for arm, (cost, score) in points.items()
        if not any(
            other[0] <= cost and other[1] >= score and other != (cost, score)
            for other in points.values()
        )
    ]
    return sorted(kept, key=lambda arm: points[arm])


def macs_figure(comparison: Comparison) -> RenderedFigure | None:
    """Score against multiply-accumulates; None if unknown or the same for all arms."""
    arms, measure = comparison.arms, comparison.measure
    macs = {arm: item.costs.macs for arm, item in arms.items() if item.costs.macs is not None}
    if len(macs) < len(arms) or len(set(macs.values())) == 1:
        return None
    millions = {arm: count / 1e6 for arm, count in macs.items()}
    samples = {arm: item.scores[measure.metric] for arm, item in arms.items()}
    sign = 1 if measure.higher_is_better else -1
    best = pareto_optimal({arm: (millions[arm], sign * samples[arm].mean) for arm in arms})
    figure = new_figure(3.4)
    axes = figure.subplots()
    styles = arm_styles(list(arms))
    for arm, sample in samples.items():
        bounds = sample.interval_95 and measure.shown(sample.interval_95)
        [mean] = measure.shown([sample.mean])
        _cost_point(axes, millions[arm], (measure.shown(sample.values), mean, bounds), styles[arm])
    axes.step(
        [millions[arm] for arm in best], measure.shown([samples[arm].mean for arm in best]),
        where="post", color=MUTED.stand_in, linewidth=1, linestyle="--", zorder=1,
    )  # fmt: skip
    quiet_frame(axes, grid="both")
    axes.margins(x=0.08, y=0.12)
    ratio = max(macs.values()) / max(min(macs.values()), 1)
    if ratio >= LOGARITHMIC_FROM:
        axes.set_xscale("log")
        axes.minorticks_off()
    elif ratio >= FROM_ZERO:
        axes.set_xlim(left=0)
    axes.set_xlabel("multiply-accumulates of one image's forward pass, millions")
    axes.set_ylabel(wrapped(measure.axis_label, AXIS_CHARACTERS))
    legend(figure, styles, lines=False)
    rows = [
        f"{arm}: {text.number(millions[arm], 2)}, {text.score(samples[arm], measure)[0]}"
        for arm in arms
    ]
    return rendered(
        figure,
        f"{comparison.study.name}-accuracy-against-macs",
        f"Pareto-optimal in mean {measure.label} and multiply-accumulates: {text.listed(best)}",
        f"Each faint point is one seed; the mark is an arm's mean {measure.label} with its 95 %"
        " interval. The dashed line joins the means for which no other arm is at least as good on"
        " both axes; it does not account for the spread over seeds."
        f" {text.seed_counts(arm.n for arm in arms.values())} per arm.",
        f"Scatter of {measure.axis_label} against millions of multiply-accumulates."
        f" {'; '.join(rows)}.",
    )


def _cost_point(axes: Axes, cost: float, sample: Shown, arm: ArmStyle) -> None:
    """Every seed as a faint point, their mean as a mark with its interval."""
    values, mean, bounds = sample
    axes.plot(
        [cost] * len(values), values, arm.marker, color=arm.colour, markersize=4,
        markeredgewidth=0, alpha=0.45, zorder=2,
    )  # fmt: skip
    if bounds:
        axes.plot([cost, cost], bounds, color=arm.colour, linewidth=1.6, zorder=3)
    axes.plot(
        [cost], [mean], arm.marker, color=arm.colour, markersize=8.5,
        markeredgecolor=PAPER.stand_in, markeredgewidth=1, zorder=4,
    )  # fmt: skip


def published_finding(row: PublishedValue) -> str:
    """How many of our runs lie on each side of the published value."""
    n, value = len(row.ours.values), f"the published {text.percent(row.published)} %"
    if row.rank is None:
        return f"Our runs are not comparable with {value}"
    for side, count in (("below", row.rank.below), ("above", row.rank.above)):
        if count == n:
            runs = {1: "Our one run is", 2: "Both our runs are"}.get(n, f"All our {n} runs are")
            return f"{runs} {side} {value}"
    return f"{row.rank.below} of our {n} runs are below {value}, {row.rank.above} above"


def _shown_row(comparison: Comparison) -> PublishedValue | None:
    """The test accuracy if comparable, else the last training accuracy that is."""
    if comparison.published is None:
        return None
    final = [row for row in comparison.published.final if row.metric == "test/accuracy"]
    by_epoch = [row for row in comparison.published.by_epoch if row.metric == "train/accuracy"]
    return next((row for row in [*final, *reversed(by_epoch)] if row.comparable), None)


def published_figure(comparison: Comparison) -> RenderedFigure | None:
    """Each of our runs as a point, the published run as a line; None if not comparable."""
    row = _shown_row(comparison)
    if row is None or comparison.published is None:
        return None
    measure = measure_of(row.metric)
    ours = measure.shown(row.ours.values)
    [value, mean] = measure.shown([row.published, row.ours.mean])
    bounds = row.ours.interval_95 and measure.shown(row.ours.interval_95)
    low, high = min([*ours, value]), max([*ours, value])
    figure = new_figure(1.9)
    axes = figure.subplots()
    caption = "Each point is one seed; the stroke below is their mean, the line its 95 % interval"
    wilson = comparison.published.wilson_95
    if row.epoch is None and wilson:
        band = measure.shown(wilson.interval)
        axes.axvspan(band[0], band[1], color=BAND.stand_in, linewidth=0, zorder=0)
        caption += (
            "; the band is the Wilson 95 % interval of the published value"
            f" ({wilson.errors} errors in {text.whole(wilson.images)})"
        )
    _strip(axes, (ours, mean, bounds), 0.0, 0.8, (high - low) / 50)
    on_the_left = value <= (low + high) / 2
    axes.axvline(value, color=ACCENT.stand_in, linewidth=2, zorder=2)
    axes.annotate(
        f"published {text.number(value, 2)}", (value, 1.0), xycoords=("data", "axes fraction"),
        xytext=(4 if on_the_left else -4, 1), textcoords="offset points",
        ha="left" if on_the_left else "right", color=ACCENT.stand_in, annotation_clip=False,
    )  # fmt: skip
    axes.set_ylim(1.15, -1.15)
    axes.set_yticks([])
    quiet_frame(axes, grid="x")
    when = "after the last epoch" if row.epoch is None else f"of epoch {row.epoch}"
    axes.set_xlabel(wrapped(f"{measure.axis_label}, {when}", AXIS_CHARACTERS))
    return rendered(
        figure,
        f"{comparison.study.name}-published",
        published_finding(row),
        f"{caption}. {text.seed_counts([len(ours)])}.",
        f"Our {len(ours)} values of {measure.axis_label} {when}, from {text.number(min(ours), 2)}"
        f" to {text.number(max(ours), 2)}, with the published {text.number(value, 2)} marked.",
    )
