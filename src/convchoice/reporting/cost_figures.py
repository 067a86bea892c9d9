"""The figures of score against cost: which arms no other arm beats on both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from convchoice.analysis import old_text as wording
from convchoice.analysis.measure import Direction, Measure
from convchoice.analysis.old_text import measure_in
from convchoice.reporting.drawing import (
    MARKERS,
    SERIES,
    Ink,
    legend_columns,
    new_figure,
    quiet_frame,
    ticks,
)
from convchoice.reporting.svg import RenderedFigure, rendered

FROM_ZERO = 2
"""Costs that differ by this factor are drawn from 0 on, so that their ratio can be seen."""
LOGARITHMIC_FROM = 20
"""Costs that differ by this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Cost:
    """What a figure has along its axis: an arm's cost, one number or one a seed."""

    name: str
    """Of the figure: letters and ``-``."""
    what: str
    """As in a sentence: ``multiply-accumulates``."""
    label: str
    """Of the axis, with its unit."""
    each: str
    """Key of the seeds' values in an arm's costs, or of the one value that all seeds have."""
    scale: float

    def values(self, arm: Mapping[str, Any]) -> list[float] | None:
        """One a seed; None where not recorded."""
        found = arm["costs"][self.each]
        if found is None:
            return None
        return [value * self.scale for value in self._listed(found, arm["n"])]

    @staticmethod
    def _listed(found: Any, seeds: int) -> list[float]:
        return list(found) if isinstance(found, list) else [found] * seeds


MACS = Cost(
    "macs",
    "multiply-accumulates",
    "multiply-accumulates of one image's forward pass, millions",
    "macs",
    1e-6,
)
SECONDS = Cost(
    "seconds", "training seconds", "seconds of one training", "train_seconds_values", 1.0
)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def frontier(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The arms that no other arm beats or equals on both sides, from the cheapest on.

    Args:
        points: (cost, score) by arm; a lower cost and a higher score are better.
    """
    kept = [
        arm
        for arm, (cost, score) in points.items()
        if not any(
            other_cost <= cost
            and other_score >= score
            and (other_cost, other_score) != (cost, score)
            for other_cost, other_score in points.values()
        )
    ]
    return sorted(kept, key=lambda arm: points[arm])


def frontier_finding(points: Mapping[str, tuple[float, float]], what: str) -> str:
    """Which arms' means no cheaper arm reaches."""
    best = frontier(points)
    if len(best) == 1:
        return f"{best[0]} has the best mean with the fewest {what}"
    if len(best) == len(points):
        return f"Each arm that takes more {what} has a better mean: {wording.listed(best)}"
    beaten = [arm for arm in points if arm not in best]
    verb = "has" if len(beaten) == 1 else "have"
    return (
        f"No arm beats {wording.listed(best)} on mean and {what} at once;"
        f" {wording.listed(beaten)} {verb} an arm that does"
    )


def _draw_arm(
    axes: Axes, costs: Sequence[float], block: Mapping[str, Any], measure: Measure, index: int
) -> None:
    """Every seed as a faint point, the mean as a mark with its interval."""
    color, marker = SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]
    scores = measure.shown(block["values"])
    axes.plot(
        costs, scores, marker, color=color, markersize=4, markeredgewidth=0, alpha=0.45, zorder=2
    )
    place, [mean] = _mean(costs), measure.shown([block["mean"]])
    if block["interval_95"]:
        bounds = measure.shown(block["interval_95"])
        axes.plot([place, place], bounds, color=color, linewidth=1.6, zorder=3)
    axes.plot(
        [place], [mean], marker, color=color, markersize=8.5,
        markeredgecolor=Ink.paper.stand_in, markeredgewidth=1, zorder=4,
    )  # fmt: skip


def _draw_frontier(axes: Axes, places: Sequence[tuple[float, float]]) -> None:
    """Stairs through the means that no arm beats, cheapest first."""
    costs, scores = zip(*places, strict=True)
    axes.step(
        costs, scores, where="post", color=Ink.muted.stand_in, linewidth=1, linestyle="--", zorder=1
    )


def _figure(comparison: Mapping[str, Any], cost: Cost) -> RenderedFigure | None:
    arms = comparison["arms"]
    found = {arm: cost.values(item) for arm, item in arms.items()}
    costs = {arm: values for arm, values in found.items() if values is not None}
    distinct = {_mean(values) for values in costs.values()}
    if len(costs) < len(arms) or len(distinct) == 1:
        return None
    measure = measure_in(comparison)
    figure = new_figure(3.4)
    axes = figure.subplots()
    for index, (arm, item) in enumerate(arms.items()):
        _draw_arm(axes, costs[arm], item[measure.metric], measure, index)
        axes.plot(
            [], [], MARKERS[index % len(MARKERS)], color=SERIES[index % len(SERIES)], label=arm
        )
    side = 1 if measure.direction is Direction.higher else -1
    means = {arm: measure.shown([item[measure.metric]["mean"]])[0] for arm, item in arms.items()}
    points = {arm: (_mean(costs[arm]), side * means[arm]) for arm in arms}
    best = frontier(points)
    _draw_frontier(axes, [(points[arm][0], means[arm]) for arm in best])
    quiet_frame(axes, grid="both")
    axes.margins(x=0.08, y=0.12)
    ratio = max(distinct) / min(distinct) if min(distinct) > 0 else FROM_ZERO
    if ratio >= LOGARITHMIC_FROM:
        axes.set_xscale("log")
        axes.minorticks_off()
    elif ratio >= FROM_ZERO:
        axes.set_xlim(left=0)
    axes.yaxis.set_major_locator(ticks())
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_xlabel(cost.label)
    axes.set_ylabel(measure.axis_label)
    figure.legend(loc="outside upper left", ncols=legend_columns(list(arms)), handletextpad=0.3)
    said = [
        f"{arm}: {wording.number(points[arm][0], 2)}, {wording.score(item, measure)[0]}"
        for arm, item in arms.items()
    ]
    seeds = wording.seed_counts(arm["n"] for arm in arms.values())
    return rendered(
        figure,
        f"{comparison['study']['name']}-accuracy-against-{cost.name}",
        frontier_finding(points, cost.what),
        f"Each faint point is one seed; the mark is an arm's mean {measure.label} with its 95 %"
        " interval. The dashed stairs join the means that no other arm beats on both; they say"
        f" nothing of chance. {seeds} an arm.",
        f"Scatter of {measure.axis_label} against {cost.label}. {'; '.join(said)}.",
    )


def accuracy_against_macs_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Score against multiply-accumulates; None where all arms cost the same."""
    return _figure(comparison, MACS)


def accuracy_against_seconds_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Score against training time; None where it was not taken on one kind of device."""
    made = comparison["made"]
    if len(made["devices"]) > 1 or len(made["device_names"]) > 1 or len(comparison["arms"]) == 1:
        return None
    return _figure(comparison, SECONDS)
