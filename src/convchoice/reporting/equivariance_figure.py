"""The figure of the equivariance errors of each layer, a panel a transform."""

from collections.abc import Iterable

import pandas as pd

from convchoice.analysis import text
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_arm import CurveSeries
from convchoice.config.schema import Curve
from convchoice.reporting.curve_figures import seeds_and_images
from convchoice.reporting.drawing import PAPER, legend, looks, name_rows, panels
from convchoice.reporting.plots import interval_rows
from convchoice.reporting.svg import RenderedFigure, rendered

ROW_INCHES = 0.3
COLUMNS = ("arm", "layer", "kind", "value", "jump", "measure", "mean", "low", "high")


def error_table(series: Iterable[tuple[str, CurveSeries]]) -> pd.DataFrame:
    """A row an arm, layer, transform and measure of (arm, series)."""
    rows = [
        (arm, each.layer, each.kind, value, each.jump_pixels, measure, *point)
        for arm, each in series
        for measure, band in each.bands.items()
        for value, *point in zip(each.values, band.mean, band.low, band.high, strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS).dropna(subset="mean")


def transforms_of(errors: pd.DataFrame) -> dict[tuple[str, float], str]:
    """The transforms that are shown, by kind and value, with their names.

    Of the shifts: the smallest one that is a whole number of cells in every layer (the largest one
    if there is none), and one pixel.
    """
    shifts = errors[errors["kind"] == "translation"]
    values = sorted(shifts["value"].unique())
    jumps = shifts["jump"].unique()
    whole = [value for value in values if not any(value % jump for jump in jumps)] or values[-1:]
    shown = {
        ("translation", value): f"shift by {text.count(int(value), 'pixel')}"
        for value in (*whole[:1], 1.0)
    } | {("rotation", 90.0): "rotation by 90°", ("scale", 1.2): "change of scale by 1.2"}
    evaluated = set(zip(errors["kind"], errors["value"], strict=True))
    return {transform: name for transform, name in shown.items() if transform in evaluated}


def equivariance_figure(comparison: Comparison) -> RenderedFigure | None:
    """Relative errors of every layer but the detectors; None if none were evaluated."""
    series = [
        (arm, each)
        for arm, result in comparison.arms.items()
        for each in result.curves
        if each.curve == Curve.equivariance.name and not each.layer.endswith("detector")
    ]
    errors = error_table(series)
    transforms = transforms_of(errors)
    if not transforms:
        return None
    arms, layers = list(errors["arm"].unique()), list(errors["layer"].unique())
    styles = {arm: look for arm, look in looks(comparison.arms).items() if arm in arms}
    height = 0.5 + ROW_INCHES * len(layers)
    figure, every = panels(len(transforms), height, share=True)
    words = []
    for axes, ((kind, value), name) in zip(every, transforms.items(), strict=True):
        shown = errors[(errors["kind"] == kind) & (errors["value"] == value)]
        for (arm, measure), rows in shown.groupby(["arm", "measure"], sort=False):
            offset = 0.6 * ((arms.index(arm) + 0.5) / len(arms) - 0.5)
            heights = [layers.index(layer) + offset for layer in rows["layer"]]
            ends = zip(rows["low"], rows["high"], strict=True)
            bounds = [None if pd.isna(low) else (low, high) for low, high in ends]
            inside = measure == "error_interior"
            fill = styles[arm].colour if inside else PAPER.stand_in
            look = {"markersize": 5, "markerfacecolor": fill, "clip_on": False}
            interval_rows(axes, heights, list(rows["mean"]), bounds, styles[arm], **look)
            where = "away from borders" if inside else "on the whole map"
            least, most = (text.number(end, 2) for end in (rows["mean"].min(), rows["mean"].max()))
            words.append(f"{name}, {arm}, {where}: {least} to {most}")
        axes.set_title(name)
        name_rows(axes, [layer.replace(".", " ") for layer in layers])
    every[-1].set_xlim(left=0)  # shared by all panels, so after the last one is drawn
    every[-1].set_xlabel("relative equivariance error")
    legend(figure, styles, line="")
    return rendered(
        figure,
        f"{comparison.study.name}-equivariance",
        "Equivariance error of each layer",
        "‖f(Tx) − T f(x)‖ / ‖f(x)‖ for a layer f and a transform T of the image or of its map."
        " Filled: away from borders; hollow: over the whole map. On a map whose cells are more than"
        " one pixel apart a shift is rounded to whole cells. Mean over seeds with its 95 %"
        f" interval. {seeds_and_images(each for _, each in series)}.",
        f"{'; '.join(words)}.",
    )
