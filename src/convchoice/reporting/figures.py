"""The figures of a study's report, each from the comparison's numbers alone.

Every figure's title is its finding, in words made from the same numbers as its marks.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from convchoice.analysis import old_text as wording
from convchoice.analysis.measure import Measure
from convchoice.analysis.old_text import measure_in
from convchoice.reporting.class_error_figure import class_errors_figure
from convchoice.reporting.confusion_figures import confusion_difference_figure, confusion_figure
from convchoice.reporting.consistency_figure import consistency_figure
from convchoice.reporting.cost_figures import (
    accuracy_against_macs_figure,
    accuracy_against_seconds_figure,
)
from convchoice.reporting.curve_figures import ROBUSTNESS
from convchoice.reporting.difference_figures import differences_figure, nll_differences_figure
from convchoice.reporting.drawing import new_figure, quiet_frame, strip, style, ticks
from convchoice.reporting.equivariance_figure import equivariance_figure
from convchoice.reporting.filter_figure import filter_figure
from convchoice.reporting.flip_figures import flip_figures
from convchoice.reporting.input_size_figure import input_size_figure
from convchoice.reporting.learning_curves import learning_curves_figure
from convchoice.reporting.pixel_use_figures import edge_figure, use_map_figure
from convchoice.reporting.printed_figure import printed_figure
from convchoice.reporting.receptive_field_figures import field_figure, middle_figure
from convchoice.reporting.response_figure import response_figure
from convchoice.reporting.svg import RenderedFigure, rendered


def figures_of(comparison: Mapping[str, Any]) -> list[RenderedFigure]:
    """Every figure that a comparison has the numbers for, in the order of the report."""
    makers: tuple[Callable[[Mapping[str, Any]], RenderedFigure | None], ...] = (
        differences_figure,
        nll_differences_figure,
        printed_figure,
        seeds_figure,
        accuracy_against_macs_figure,
        accuracy_against_seconds_figure,
        learning_curves_figure,
        *ROBUSTNESS,
        consistency_figure,
        input_size_figure,
        equivariance_figure,
        edge_figure,
        use_map_figure,
        field_figure,
        middle_figure,
        filter_figure,
        response_figure,
        class_errors_figure,
        confusion_figure,
        confusion_difference_figure,
    )
    with style():
        made = [maker(comparison) for maker in makers] + flip_figures(comparison)
    return [picture for picture in made if picture is not None]


def _name(comparison: Mapping[str, Any], figure: str) -> str:
    return f"{comparison['study']['name']}-{figure}"


def _seeds_of(comparison: Mapping[str, Any]) -> str:
    return wording.seed_counts(arm["n"] for arm in comparison["arms"].values())


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)


def seeds_finding(comparison: Mapping[str, Any], measure: Measure) -> str:
    """Where the arms' means lie, and how far the seeds of one arm spread."""
    blocks = {arm: item[measure.metric] for arm, item in comparison["arms"].items()}
    means = measure.shown([block["mean"] for block in blocks.values()])
    ranges = measure.shown([max(item["values"]) - min(item["values"]) for item in blocks.values()])
    spread = f"{wording.number(max(ranges), measure.decimals)} {measure.short_unit}".strip()
    if len(blocks) == 1:
        mean = f"{wording.number(means[0], measure.decimals)} {measure.shown_unit}".strip()
        return f"{next(iter(blocks))} reaches {mean} on average; its seeds spread over {spread}"
    apart = wording.number(max(means) - min(means), measure.decimals)
    return (
        f"Arm means lie {apart} {measure.short_unit} apart;"
        f" the seeds of one arm spread over up to {spread}"
    )


def seeds_figure(comparison: Mapping[str, Any]) -> RenderedFigure:
    """Every seed as a point, each arm's mean and 95 % interval over them."""
    measure = measure_in(comparison)
    arms = comparison["arms"]
    figure = new_figure(0.95 + 0.52 * len(arms))
    axes = figure.subplots()
    everything = measure.shown(
        [value for item in arms.values() for value in item[measure.metric]["values"]]
    )
    step = (max(everything) - min(everything)) / 60
    for row, item in enumerate(arms.values()):
        block = item[measure.metric]
        [mean] = measure.shown([block["mean"]])
        bounds = block["interval_95"] and measure.shown(block["interval_95"])
        strip(axes, measure.shown(block["values"]), mean, bounds, row, 0.4, step)
    _rows(axes, list(arms))
    quiet_frame(axes, grid="x")
    axes.xaxis.set_major_locator(ticks())
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.set_xlabel(measure.axis_label)
    said = [
        "{}: mean {}, 95 % interval {}".format(arm, *wording.score(item, measure))
        for arm, item in arms.items()
    ]
    return rendered(
        figure,
        _name(comparison, "seeds"),
        seeds_finding(comparison, measure),
        "Each point is one seed; the stroke below is the arm's mean, the line its 95 % interval."
        f" {_seeds_of(comparison)} an arm.",
        f"Points on a line for each arm, {measure.axis_label}. {'; '.join(said)}.",
    )
