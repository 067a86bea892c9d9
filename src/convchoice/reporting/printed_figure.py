"""The figure of a published run among ours: our distribution with the printed value marked."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from convchoice.analysis import old_text as wording
from convchoice.analysis.measure import measure_of
from convchoice.reporting.drawing import Ink, new_figure, quiet_frame, strip, ticks
from convchoice.reporting.svg import RenderedFigure, rendered


def _shown_row(printed: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The test accuracy where it compares, else the last training accuracy that does."""
    for row in printed["final"]:
        if row["metric"] == "test/accuracy" and row["comparable"]:
            found: Mapping[str, Any] = row
            return found
    rows = [row for row in printed["rows"] if row["metric"] == "train/accuracy"]
    return rows[-1] if rows else None


def finding(row: Mapping[str, Any]) -> str:
    """How many of our runs lie on each side of the printed value."""
    place, n = row["place"], len(row["ours"]["values"])
    value = f"the printed {wording.percent(row['printed'])} %"
    for side in ("below", "above"):
        if place[side] == n:
            ours = {1: "Our one run lies", 2: "Both our runs lie"}.get(n, f"All our {n} runs lie")
            return f"{ours} {side} {value}"
    return f"{place['below']} of our {n} runs lie below {value}, {place['above']} above"


def _mark_printed(axes: Axes, value: float, middle: float) -> None:
    to_the_right = value <= middle
    axes.axvline(value, color=Ink.accent.stand_in, linewidth=2, zorder=2)
    axes.annotate(
        f"printed {wording.number(value, 2)}",
        (value, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4 if to_the_right else -4, 1),
        textcoords="offset points",
        ha="left" if to_the_right else "right",
        color=Ink.accent.stand_in,
        annotation_clip=False,
    )


def printed_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Every run of ours as a point, the printed run as a line; None where nothing compares."""
    printed = comparison["printed"]
    row = _shown_row(printed) if printed else None
    if row is None:
        return None
    measure = measure_of(row["metric"])
    ours = measure.shown(row["ours"]["values"])
    [value, mean] = measure.shown([row["printed"], row["ours"]["mean"]])
    bounds = row["ours"]["interval_95"] and measure.shown(row["ours"]["interval_95"])
    low, high = min([*ours, value]), max([*ours, value])
    figure = new_figure(1.9)
    axes = figure.subplots()
    caption = "Each point is one seed; the stroke below is their mean, the line its 95 % interval"
    if row["epoch"] is None and printed["wilson_95"]:
        wilson = printed["wilson_95"]
        axes.axvspan(
            *measure.shown(wilson["interval"]), color=Ink.band.stand_in, linewidth=0, zorder=0
        )
        caption += (
            "; the band is the printed value's own Wilson 95 % interval"
            f" ({wilson['errors']} errors in {wording.whole(wilson['images'])})"
        )
    strip(axes, ours, mean, bounds, 0.0, 0.8, (high - low) / 50)
    _mark_printed(axes, value, (low + high) / 2)
    axes.set_ylim(1.15, -1.15)
    axes.set_yticks([])
    quiet_frame(axes, grid="x")
    axes.xaxis.set_major_locator(ticks())
    axes.ticklabel_format(axis="x", useOffset=False)
    when = "after the last epoch" if row["epoch"] is None else f"of epoch {row['epoch']}"
    axes.set_xlabel(f"{measure.axis_label}, {when}")
    return rendered(
        figure,
        f"{comparison['study']['name']}-printed",
        finding(row),
        f"{caption}. {wording.seed_counts([len(ours)])}.",
        f"Our {len(ours)} values of {measure.axis_label} {when}, from"
        f" {wording.number(min(ours), 2)} to {wording.number(max(ours), 2)}, with the printed"
        f" {wording.number(value, 2)} marked.",
    )
