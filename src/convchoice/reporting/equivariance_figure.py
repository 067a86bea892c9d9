"""The figure of the equivariance errors: how far each layer is from following a moved image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from convchoice.analysis import old_text as wording
from convchoice.config.schema import Curve
from convchoice.reporting.curve_figures import seeds_and_images
from convchoice.reporting.drawing import (
    MARKERS,
    SERIES,
    Ink,
    legend_columns,
    new_figure,
    quiet_frame,
)
from convchoice.reporting.svg import RenderedFigure, rendered

ROW_INCHES = 0.3
ZERO = 1e-9
"""Float64 arithmetic in another order leaves about 1e-16; below this an error is said to be 0."""
SHOWN_SCALE = 1.2
SMALLEST_SHIFT = 1
DETECTOR = "detector"

Series = Mapping[str, Any]


@dataclass(frozen=True)
class _Panel:
    """One transform, by its kind and value."""

    kind: str
    value: float
    label: str


def _series(comparison: Mapping[str, Any]) -> dict[str, list[Series]]:
    """Each arm's series, a layer and kind each; arms without any are left out."""
    found = {
        arm: [
            series
            for series in item.get("curves", [])
            if series["curve"] == Curve.equivariance.name and not series["layer"].endswith(DETECTOR)
        ]
        for arm, item in comparison["arms"].items()
    }
    return {arm: series for arm, series in found.items() if series}


def _whole_shift(arms: Mapping[str, Sequence[Series]]) -> float:
    """The smallest shift that is a whole number of cells in every layer shown, else the largest."""
    shifts = [item for series in arms.values() for item in series if item["kind"] == "translation"]
    jumps = {item["jump_pixels"] for item in shifts}
    values = sorted(set.intersection(*(set(item["value"]) for item in shifts)))
    whole = [value for value in values if all(value % jump == 0 for jump in jumps)]
    return float((whole or values[-1:])[0])


def panels_of(arms: Mapping[str, Sequence[Series]]) -> list[_Panel]:
    """The transforms that are shown, those that no arm was measured with left out."""
    whole = _whole_shift(arms)

    def pixels(count: float) -> str:
        return f"shift by {count:g} pixel{'' if count == 1 else 's'}"

    wanted = [
        _Panel("translation", whole, pixels(whole)),
        _Panel("translation", SMALLEST_SHIFT, pixels(SMALLEST_SHIFT)),
        _Panel("rotation", 90, "rotation by 90°"),
        _Panel("scale", SHOWN_SCALE, f"change of scale by {SHOWN_SCALE:g}"),
    ]
    measured = {
        (item["kind"], value)
        for series in arms.values()
        for item in series
        for value in item["value"]
    }
    return [
        panel
        for panel in dict.fromkeys(wanted)
        if (panel.kind, panel.value) in measured
    ]  # fmt: skip


def _at(series: Series, panel: _Panel, measure: str) -> dict[str, Any] | None:
    """Mean, low and high of a layer's error under a panel's transform, where there is one."""
    if series["kind"] != panel.kind or panel.value not in series["value"]:
        return None
    if measure not in series:
        return None
    index = series["value"].index(panel.value)
    found: dict[str, Any] = {part: series[measure][part][index] for part in series[measure]}
    return None if found["mean"] is None else found


def _errors(arms: Mapping[str, Sequence[Series]], panel: _Panel, measure: str) -> list[float]:
    """Every layer's mean error under a transform."""
    found = [_at(item, panel, measure) for series in arms.values() for item in series]
    return [float(band["mean"]) for band in found if band is not None]


def _span(errors: Sequence[float]) -> str:
    """From the smallest to the largest, ``0`` where float64 cannot tell it from 0."""
    said = [
        "0" if value < ZERO else wording.number(value, 2) for value in (min(errors), max(errors))
    ]
    return said[0] if said[0] == said[1] else f"{said[0]} to {said[1]}"


def equivariance_finding(arms: Mapping[str, Sequence[Series]], panels: Sequence[_Panel]) -> str:
    """How large the layers' errors are away from borders, transform by transform."""
    said = [
        f"{_span(errors)} for a {panel.label}"
        for panel in panels
        if (errors := _errors(arms, panel, "error_interior"))
    ]
    if not said:
        return "No layer has cells that no border reaches"
    return f"Away from borders the layers' equivariance errors are {wording.listed(said)}"


def _marks(
    axes: Axes, arms: Mapping[str, Sequence[Series]], panel: _Panel, rows: Sequence[str],
    order: Sequence[str],
) -> None:  # fmt: skip
    """An arm's errors in a panel: filled away from borders, hollow over the whole map."""
    for place, (arm, series) in enumerate(arms.items()):
        index = order.index(arm)
        color, marker = SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]
        offset = 0.6 * ((place + 0.5) / len(arms) - 0.5)
        for item in series:
            height = rows.index(item["layer"]) + offset
            for measure, filled in (("error_whole", False), ("error_interior", True)):
                band = _at(item, panel, measure)
                if band is None:
                    continue
                if band["low"] is not None:
                    axes.plot([band["low"], band["high"]], [height] * 2, color=color, linewidth=1.2)
                axes.plot(
                    [band["mean"]],
                    [height],
                    marker,
                    color=color,
                    markersize=5,
                    markerfacecolor=color if filled else Ink.paper.stand_in,
                    markeredgewidth=1.2,
                    clip_on=False,
                )


def _legend(arms: Mapping[str, Sequence[Series]], order: Sequence[str]) -> list[Line2D]:
    handles = []
    for arm in arms:
        index = order.index(arm)
        handles.append(
            Line2D(
                [], [], linestyle="", marker=MARKERS[index % len(MARKERS)], markersize=5,
                color=SERIES[index % len(SERIES)], label=arm,
            )
        )  # fmt: skip
    return handles


def equivariance_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Relative errors of every layer but the detectors, a panel a transform; None without any."""
    arms = _series(comparison)
    if not arms:
        return None
    panels = panels_of(arms)
    order = list(comparison["arms"])
    rows = list(dict.fromkeys(item["layer"] for series in arms.values() for item in series))
    figure = new_figure(0.8 + len(panels) * (0.35 + ROW_INCHES * len(rows)))
    every = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, panel in zip(every, panels, strict=True):
        _marks(axes, arms, panel, rows, order)
        axes.set_yticks(range(len(rows)), [name.replace(".", " ") for name in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_title(panel.label, fontsize=10, loc="left")
        quiet_frame(axes, grid="x")
    every[-1].set_xlim(left=0)  # shared by all, so only once all have drawn
    every[-1].set_xlabel("relative equivariance error")
    figure.legend(
        handles=_legend(arms, order), loc="outside upper left", ncols=legend_columns(list(arms))
    )
    said = []
    for panel in panels:
        whole = _errors(arms, panel, "error_whole")
        inside = _errors(arms, panel, "error_interior")
        parts = [
            f"{_span(errors)} {where}"
            for errors, where in ((inside, "away from borders"), (whole, "on the whole map"))
            if errors
        ]
        said.append(f"{panel.label}: {wording.listed(parts)}")
    first = {arm: series[0] for arm, series in arms.items()}
    return rendered(
        figure,
        f"{comparison['study']['name']}-equivariance",
        equivariance_finding(arms, panels),
        "‖f(Tx) − T f(x)‖ / ‖f(x)‖ for a layer f and a transform T of the image or of its map."
        " Filled: away from borders; hollow: over the whole map. On a map whose cells lie more"
        " than one pixel apart a shift is rounded to whole cells. Mean over seeds with its 95 %"
        " interval."
        f" {seeds_and_images(first)}.",
        f"A row a layer, a panel a transform. {'; '.join(said)}.",
    )
