"""The figures of a study's report, each from the comparison's numbers alone.

Every figure's title is its finding, in words made from the same numbers as its marks.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from convchoice import wording
from convchoice.consistency_figure import consistency_figure
from convchoice.curve_figures import ROBUSTNESS
from convchoice.drawing import (
    MARKERS,
    SERIES,
    Ink,
    Picture,
    finish,
    new_figure,
    quiet_frame,
    strip,
    style,
    ticks,
)
from convchoice.equivariance_figure import equivariance_figure
from convchoice.input_size_figure import input_size_figure
from convchoice.learning_curves import learning_curves_figure
from convchoice.measure import Measure, measure_of
from convchoice.printed_figure import printed_figure

ROW_INCHES = 0.42


def figures_of(comparison: Mapping[str, Any]) -> list[Picture]:
    """Every figure that a comparison has the numbers for, in the order of the report."""
    makers: tuple[Callable[[Mapping[str, Any]], Picture | None], ...] = (
        differences_figure,
        printed_figure,
        seeds_figure,
        accuracy_against_macs_figure,
        learning_curves_figure,
        *ROBUSTNESS,
        consistency_figure,
        input_size_figure,
        equivariance_figure,
    )
    with style():
        made = [maker(comparison) for maker in makers]
    return [picture for picture in made if picture is not None]


def _name(comparison: Mapping[str, Any], figure: str) -> str:
    return f"{comparison['study']['name']}-{figure}"


def _seeds_of(comparison: Mapping[str, Any]) -> str:
    return wording.seed_counts(arm["n"] for arm in comparison["arms"].values())


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)


def differences_finding(comparison: Mapping[str, Any]) -> str:
    """Each arm's verdict against its partner, those with the same verdict together."""
    partners: dict[str, dict[str, list[str]]] = {}
    for contrast in comparison["contrasts"]:
        verdicts = partners.setdefault(contrast["partner"], {})
        verdicts.setdefault(contrast["verdict"], []).append(contrast["arm"])
    clauses = []
    for partner, verdicts in partners.items():
        said = [
            f"{wording.listed(arms)} {'is' if len(arms) == 1 else 'are'} {verdict}"
            for verdict, arms in verdicts.items()
        ]
        clauses.append(f"against {partner}, {wording.listed(said)}")
    sentence = "; ".join(clauses)
    return sentence[0].upper() + sentence[1:]


def _sides(axes: Axes, *, higher_is_better: bool) -> None:
    """Say at the top which side of 0 is better."""
    sides = ("worse", "better") if higher_is_better else ("better", "worse")
    for text, x, align in ((f"← {sides[0]}", 0, "left"), (f"{sides[1]} →", 1, "right")):
        axes.text(
            x, 1.02, text, transform=axes.transAxes, ha=align, color=Ink.muted.stand_in, fontsize=9
        )


def differences_figure(comparison: Mapping[str, Any]) -> Picture | None:
    """A forest plot: each contrast's difference and 95 % interval over the band of the margin."""
    contrasts = comparison["contrasts"]
    if not contrasts:
        return None
    measure = measure_of(comparison["study"]["metric"])
    margin = comparison["study"]["margin"]
    figure = new_figure(1.1 + ROW_INCHES * len(contrasts))
    axes = figure.subplots()
    axes.axvspan(-margin, margin, color=Ink.band.stand_in, linewidth=0, zorder=0)
    axes.axvline(0, color=Ink.muted.stand_in, linewidth=1, zorder=1)
    for row, contrast in enumerate(contrasts):
        for key, width in (("interval_95", 1.6), ("interval_90", 4.2)):
            bounds = contrast[measure.key(key)]
            if bounds:
                axes.plot(
                    bounds, [row, row], color=SERIES[0], linewidth=width, solid_capstyle="butt"
                )
        axes.plot(
            [contrast[measure.key("difference")]],
            [row],
            "o",
            markersize=7.5,
            markerfacecolor=Ink.paper.stand_in,
            markeredgecolor=SERIES[0],
            markeredgewidth=2,
        )
    _rows(axes, [f"{contrast['arm']} − {contrast['partner']}" for contrast in contrasts])
    axes.margins(x=0.06)
    _sides(axes, higher_is_better=comparison["measure"]["higher_is_better"])
    quiet_frame(axes, grid="x")
    axes.xaxis.set_major_locator(ticks())
    unit = f", {measure.short_unit}" if measure.short_unit else ""
    axes.set_xlabel(f"difference in {measure.label}{unit}")
    said = [
        f"{item['arm']} minus {item['partner']}: {wording.difference(item)}"
        f" {wording.difference_interval(item)}, {item['verdict']}"
        for item in contrasts
    ]
    return finish(
        figure,
        _name(comparison, "differences"),
        differences_finding(comparison),
        f"Mean paired difference with its 95 % interval (thin) and 90 % interval (thick); the band"
        f" is the margin, {wording.margin(comparison['study'])}."
        f" {wording.seed_counts(item['n'] for item in contrasts)}, paired.",
        f"Forest plot{' in ' if measure.unit else ''}{measure.unit}. {'; '.join(said)}.",
    )


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


def seeds_figure(comparison: Mapping[str, Any]) -> Picture:
    """Every seed as a point, each arm's mean and 95 % interval over them."""
    measure = measure_of(comparison["study"]["metric"])
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
    return finish(
        figure,
        _name(comparison, "seeds"),
        seeds_finding(comparison, measure),
        "Each point is one seed; the stroke below is the arm's mean, the line its 95 % interval."
        f" {_seeds_of(comparison)} an arm.",
        f"Points on a line for each arm, {measure.axis_label}. {'; '.join(said)}.",
    )


def macs_finding(comparison: Mapping[str, Any], measure: Measure) -> str:
    """What each arm that costs more or less than its partner gives for it."""
    clauses = []
    partner = None
    for item in comparison["contrasts"]:
        ratio = item["price"]["macs_ratio"]
        if ratio in {None, 1.0}:
            continue
        score = f"{wording.difference(item)} {measure.short_unit}".strip()
        of_whom = (
            "" if partner == item["partner"] else f" the multiply-accumulates of {item['partner']}"
        )
        verb = " and" if partner == item["partner"] else " and scores"
        takes = "" if partner == item["partner"] else "takes "
        clauses.append(f"{item['arm']} {takes}{wording.ratio(ratio)}{of_whom}{verb} {score}")
        partner = item["partner"]
    return "; ".join(clauses) or "Arms with different costs are in no contrast"


def accuracy_against_macs_figure(comparison: Mapping[str, Any]) -> Picture | None:
    """Score against multiply-accumulates; None where all arms cost the same."""
    arms = comparison["arms"]
    costs = {arm: item["costs"]["macs"] for arm, item in arms.items()}
    if None in costs.values() or len(set(costs.values())) == 1:
        return None
    measure = measure_of(comparison["study"]["metric"])
    figure = new_figure(3.1)
    axes = figure.subplots()
    for index, (arm, item) in enumerate(arms.items()):
        block, color = item[measure.metric], SERIES[index % len(SERIES)]
        millions = costs[arm] / 1e6
        if block["interval_95"]:
            bounds = measure.shown(block["interval_95"])
            axes.plot([millions, millions], bounds, color=color, linewidth=1.6)
        marker = MARKERS[index % len(MARKERS)]
        mean = measure.shown([block["mean"]])
        axes.plot([millions], mean, marker, color=color, markersize=7.5, label=arm)
    quiet_frame(axes, grid="both")
    axes.margins(x=0.08, y=0.12)
    axes.set_xlim(left=0)
    axes.yaxis.set_major_locator(ticks())
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_xlabel("multiply-accumulates of one image's forward pass, millions")
    axes.set_ylabel(measure.axis_label)
    figure.legend(loc="outside upper left", ncols=min(4, len(arms)), handletextpad=0.3)
    said = [
        f"{arm}: {wording.whole(costs[arm])} multiply-accumulates,"
        f" {wording.score(item, measure)[0]}"
        for arm, item in arms.items()
    ]
    return finish(
        figure,
        _name(comparison, "accuracy-against-macs"),
        macs_finding(comparison, measure),
        f"Mean {measure.label} with its 95 % interval. {_seeds_of(comparison)} an arm.",
        f"Scatter of {measure.axis_label} against multiply-accumulates. {'; '.join(said)}.",
    )
