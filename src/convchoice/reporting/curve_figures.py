"""Figures of the curves: accuracy over shift, angle and scale, and what all curves' figures share.

From a comparison's numbers alone; a figure that no arm has the numbers for is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from convchoice.analysis import old_text as wording
from convchoice.config.schema import Curve
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

Series = Mapping[str, Any]
TWO_ARMS = 2
VISIBLE_INK = 0.01
"""A share of lost ink above this is shaded: from there on the digit itself is cut."""


@dataclass(frozen=True)
class _Shown:
    """How one curve is drawn and told."""

    curve: Curve
    name: str
    kinds: tuple[str, ...]
    axis: str
    unmoved: float
    told: float
    """Where the finding compares with the unmoved digits, if it was measured."""
    event: str
    """The finding's subject, with the told value."""
    ticks: tuple[float, ...]


SHOWN = (
    _Shown(
        Curve.shift, "shift", ("horizontal", "vertical", "diagonal"),
        "shift, pixels (right, down: positive)", 0, 4,
        "A shift by 4 pixels down and to the right", (-10, -5, 0, 5, 10),
    ),
    _Shown(
        Curve.rotation, "rotation", ("",), "rotation, degrees anticlockwise", 0, 45,
        "A rotation by 45°", (0, 45, 90, 135, 180, 225, 270, 315),
    ),
    _Shown(
        Curve.scale, "scale", ("",), "size of the digit, as a factor", 1, 0.7,
        "Shrinking to 0.7 of the size", (0.5, 0.75, 1, 1.25, 1.5),
    ),
)  # fmt: skip


def series_of(comparison: Mapping[str, Any], curve: Curve, kind: str = "") -> dict[str, Series]:
    """Each arm's series of a curve that has no layers; arms without it are left out.

    Files from before there were curves have none.
    """
    return {
        arm: series
        for arm, item in comparison["arms"].items()
        for series in item.get("curves", [])
        if series["curve"] == curve.name and series["kind"] == kind
    }


def seeds_and_images(series: Mapping[str, Series]) -> str:
    """``n = 3 seeds an arm, 2,000 test images``."""
    counts = wording.seed_counts(item["n"] for item in series.values())
    images = sorted({item["images"] for item in series.values()})
    return f"{counts} an arm, {' or '.join(wording.whole(count) for count in images)} test images"


def _at(series: Series, value: float, measure: str = "accuracy") -> float | None:
    """A measure's mean at a point; None where it was not measured there."""
    if value not in series["value"]:
        return None
    mean: float | None = series[measure]["mean"][series["value"].index(value)]
    return mean


def _cost_sentence(event: str, costs: Mapping[str, float]) -> str:
    """How many points of accuracy an event costs each arm, or the two that it costs most, least."""
    said = {arm: f"{wording.number(100 * cost, 1)} pp" for arm, cost in costs.items()}
    if len(said) <= TWO_ARMS:
        return f"{event} costs {wording.listed([f'{arm} {cost}' for arm, cost in said.items()])}"
    least, most = (choose(costs, key=costs.__getitem__) for choose in (min, max))
    return f"{event} costs between {said[least]} ({least}) and {said[most]} ({most})"


def robustness_finding(shown: _Shown, series: Mapping[str, Series]) -> str:
    """What the told transform costs each arm, in percentage points of accuracy."""
    costs = {}
    for arm, item in series.items():
        unmoved, moved = _at(item, shown.unmoved), _at(item, shown.told)
        if unmoved is not None and moved is not None:
            costs[arm] = unmoved - moved
    if not costs:
        return f"Accuracy over {shown.axis.partition(',')[0]}"
    return f"{_cost_sentence(shown.event, costs)} of accuracy"


def line(axes: Axes, series: Series, measure: str, scale: float, index: int, arm: str) -> None:
    """One arm's mean with its band; points without a value interrupt it."""
    band, color = series[measure], SERIES[index % len(SERIES)]

    def drawn(part: str) -> list[float]:
        return [float("nan") if value is None else scale * value for value in band[part]]

    axes.plot(
        series["value"],
        drawn("mean"),
        color=color,
        marker=MARKERS[index % len(MARKERS)],
        markersize=3.5,
        linewidth=1.4,
        label=arm,
    )
    axes.fill_between(
        series["value"], drawn("low"), drawn("high"), color=color, alpha=0.15, linewidth=0
    )


def bound_percent(axes: Axes) -> None:
    """Keep an axis of accuracies within 0 … 100 %: a t interval knows no such bounds."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.0), min(high, 100.0))


def _shade_cut_digits(axes: Axes, series: Mapping[str, Series], unmoved: float) -> bool:
    """Shade where ink leaves the canvas, if it is the same for all arms; whether any was shaded."""
    inks = [item["ink_lost"]["mean"] for item in series.values()]
    first = next(iter(series.values()))
    values = first["value"]
    if any(ink != inks[0] for ink in inks):
        return False
    cut = [value for value, lost in zip(values, inks[0], strict=True) if lost > VISIBLE_INK]
    sides = ([v for v in cut if v < unmoved], [v for v in cut if v > unmoved])
    for side in sides:
        if side:
            axes.axvspan(min(side), max(side), color=Ink.band.stand_in, linewidth=0, zorder=0)
    return bool(cut)


def _ink_sentences(series: Mapping[str, Series], *, shaded: bool) -> str:
    """What leaves the canvas at worst, so that no reader takes a cut digit for a moved one."""
    most = max(max(item["ink_lost"]["mean"]) for item in series.values())
    if most <= VISIBLE_INK:
        return ""
    said = "Grey: more than 1 % of the ink has left the canvas; " if shaded else ""
    sentence = f"{said}at most {wording.percent(most, 0)} % of the ink has."
    return f" {sentence[0].upper()}{sentence[1:]}"


def robustness_figure(comparison: Mapping[str, Any], shown: _Shown) -> RenderedFigure | None:
    """Accuracy over one transform, a panel a kind; None where no arm has the curve."""
    panels = {kind: series_of(comparison, shown.curve, kind) for kind in shown.kinds}
    panels = {kind: series for kind, series in panels.items() if series}
    if not panels:
        return None
    figure = new_figure(3.1 if len(panels) == 1 else 0.9 + 1.5 * len(panels))
    every = figure.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    order = list(comparison["arms"])
    shaded = False
    for axes, (kind, series) in zip(every, panels.items(), strict=True):
        for arm, item in series.items():
            line(axes, item, "accuracy", 100, order.index(arm), arm)
        shaded |= _shade_cut_digits(axes, series, shown.unmoved)
        quiet_frame(axes, grid="y")
        axes.set_ylabel("test accuracy, %")
        axes.yaxis.set_major_locator(ticks())
        bound_percent(axes)
        if kind:
            axes.set_title(kind, fontsize=10, loc="left")
    every[-1].set_xticks(shown.ticks)
    every[-1].set_xlabel(shown.axis)
    handles, labels = every[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=legend_columns(labels))
    last = panels[shown.kinds[-1]] if shown.kinds[-1] in panels else next(iter(panels.values()))
    return rendered(
        figure,
        f"{comparison['study']['name']}-{shown.name}",
        robustness_finding(shown, last),
        f"Mean over seeds with its 95 % interval as a band. {seeds_and_images(last)}."
        f"{_ink_sentences(last, shaded=shaded)}",
        f"Test accuracy in percent over {shown.axis}. {_said(shown, last)}.",
    )


def _place(value: float) -> str:
    return wording.number(value, 0 if value == int(value) else 1)


def _said(shown: _Shown, series: Mapping[str, Series]) -> str:
    """Each arm's accuracy where it begins, is unmoved and ends."""
    said = []
    for arm, item in series.items():
        places = dict.fromkeys((item["value"][0], float(shown.unmoved), item["value"][-1]))
        at = {place: _at(item, place) for place in places}
        told = [
            f"{wording.percent(accuracy, 1)} at {_place(place)}"
            for place, accuracy in at.items()
            if accuracy is not None
        ]
        said.append(f"{arm}: {wording.listed(told)}")
    return "; ".join(said)


ROBUSTNESS = tuple(partial(robustness_figure, shown=shown) for shown in SHOWN)
"""From a comparison to the figure of each transform, in the order of the report."""
