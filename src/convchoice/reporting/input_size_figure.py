"""The figure of input sizes: which ones each arm takes, and how well it answers there."""

from collections.abc import Mapping
from typing import Any

from convchoice.analysis import old_text as wording
from convchoice.config.schema import Curve
from convchoice.reporting.curve_figures import (
    Series,
    bound_percent,
    line,
    seeds_and_images,
    series_of,
)
from convchoice.reporting.drawing import SERIES, legend_columns, new_figure, quiet_frame, ticks
from convchoice.reporting.svg import RenderedFigure, rendered


def _sizes(series: Series) -> str:
    """The input sizes that an arm takes: ``26 to 29``."""
    taken = [
        value
        for value, accepted in zip(series["value"], series["accepted"], strict=True)
        if accepted
    ]
    if not taken:
        return "none of them"
    if len(taken) == 1:
        return f"{taken[0]:g} pixels"
    return f"{taken[0]:g} to {taken[-1]:g} pixels"


def input_size_finding(series: Mapping[str, Series]) -> str:
    """Which sizes of input each arm takes, arms that take the same together."""
    arms: dict[str, list[str]] = {}
    for arm, item in series.items():
        arms.setdefault(_sizes(item), []).append(arm)
    said = [
        f"{wording.listed(names)} {'takes' if len(names) == 1 else 'take'} {sizes}"
        for sizes, names in arms.items()
    ]
    tried = next(iter(series.values()))["value"]
    return f"Of inputs of {tried[0]:g} to {tried[-1]:g} pixels, {wording.listed(said)}"


def input_size_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Accuracy over the size that the digit is fed in; sizes that do not fit are crosses below."""
    series = series_of(comparison, Curve.input_size)
    if not series:
        return None
    figure = new_figure(3.1)
    axes = figure.subplots()
    order = list(comparison["arms"])
    refused = False
    for row, (arm, item) in enumerate(series.items()):
        index = order.index(arm)
        if "accuracy" in item:
            line(axes, item, "accuracy", 100, index, arm)
        pairs = zip(item["value"], item["accepted"], strict=True)
        left_out = [value for value, accepted in pairs if not accepted]
        refused |= bool(left_out)
        axes.plot(
            left_out,
            [-0.05 - 0.045 * row] * len(left_out),
            "x",
            transform=axes.get_xaxis_transform(),
            color=SERIES[index % len(SERIES)],
            markersize=4,
            clip_on=False,
            label=None if "accuracy" in item else arm,
        )
    bound_percent(axes)
    quiet_frame(axes, grid="y")
    axes.tick_params(axis="x", pad=8 + 6 * len(series) if refused else 3)
    axes.yaxis.set_major_locator(ticks())
    axes.set_xlabel("side of the input, pixels")
    axes.set_ylabel("test accuracy, %")
    figure.legend(loc="outside upper left", ncols=legend_columns(list(series)))
    said = []
    for arm, item in series.items():
        found = [value for value in item.get("accuracy", {"mean": []})["mean"] if value is not None]
        span = (
            f", {wording.percent(min(found), 1)} to {wording.percent(max(found), 1)} %"
            if found
            else ""
        )
        said.append(f"{arm}: {_sizes(item)}{span}")
    crosses = " Crosses: the network does not take this size." if refused else ""
    return rendered(
        figure,
        f"{comparison['study']['name']}-input-size",
        input_size_finding(series),
        "The digit itself is resized and the trained layers are laid on it anew. Mean over seeds"
        f" with its 95 % interval as a band. {seeds_and_images(series)}.{crosses}",
        f"Test accuracy in percent over the side of the input in pixels. {'; '.join(said)}.",
    )
