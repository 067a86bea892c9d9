"""The figure of the equivariance errors of each layer, a panel a transform."""

import pandas as pd
from matplotlib.axes import Axes

from convchoice.analysis import text
from convchoice.analysis.result import Comparison
from convchoice.config.schema import Curve
from convchoice.reporting.curve_figures import seeds_and_images
from convchoice.reporting.drawing import (
    PAPER,
    ArmStyle,
    arm_styles,
    legend,
    name_rows,
    panels,
    quiet_frame,
)
from convchoice.reporting.svg import RenderedFigure, rendered

ROW_INCHES = 0.3
ROUNDING_ERROR = 1e-9
"""Float64 arithmetic in another order leaves about 1e-16; smaller errors are shown as 0."""
SMALLEST_SHIFT = 1.0
ROTATION = 90.0
SCALE = 1.2
DETECTOR = "detector"
INTERIOR, WHOLE = "error_interior", "error_whole"
COLUMNS = ("arm", "layer", "kind", "value", "jump", "measure", "mean", "low", "high")


def error_table(comparison: Comparison) -> pd.DataFrame:
    """A row an arm, layer, transform and measure; detectors are left out."""
    rows = [
        (arm, series.layer, series.kind, value, series.jump_pixels, measure, *point)
        for arm, result in comparison.arms.items()
        for series in result.curves
        if series.curve == Curve.equivariance.name and not series.layer.endswith(DETECTOR)
        for measure, band in series.bands.items()
        for value, *point in zip(series.values, band.mean, band.low, band.high, strict=True)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table[["mean", "low", "high"]] = table[["mean", "low", "high"]].astype(float)
    return table.dropna(subset="mean")


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
        for value in (*whole[:1], SMALLEST_SHIFT)
    } | {
        ("rotation", ROTATION): f"rotation by {ROTATION:g}°",
        ("scale", SCALE): f"change of scale by {SCALE:g}",
    }
    evaluated = set(zip(errors["kind"], errors["value"], strict=True))
    return {transform: name for transform, name in shown.items() if transform in evaluated}


def _of(errors: pd.DataFrame, transform: tuple[str, float]) -> pd.DataFrame:
    kind, value = transform
    return errors[(errors["kind"] == kind) & (errors["value"] == value)]


def _range(means: pd.Series) -> str:
    """Smallest to largest error, ``0`` below the rounding error."""
    ends = [
        "0" if value < ROUNDING_ERROR else text.number(value, 2)
        for value in (means.min(), means.max())
    ]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def equivariance_finding(errors: pd.DataFrame) -> str:
    """How large the layers' errors are away from borders, transform by transform."""
    interior = errors[errors["measure"] == INTERIOR]
    found = [
        f"{_range(rows['mean'])} for a {name}"
        for transform, name in transforms_of(errors).items()
        if len(rows := _of(interior, transform))
    ]
    if not found:
        return "No layer has cells that no border affects"
    return f"Away from borders the layers' equivariance errors are {text.listed(found)}"


def _draw(axes: Axes, errors: pd.DataFrame, layers: list[str], styles: dict[str, ArmStyle]) -> None:
    """An arm's errors: filled away from borders, hollow over the whole map."""
    arms = list(styles)
    for row in errors.sort_values("measure", ascending=False).itertuples():
        look = styles[row.arm]
        height = layers.index(row.layer) + 0.6 * ((arms.index(row.arm) + 0.5) / len(arms) - 0.5)
        axes.plot([row.low, row.high], [height] * 2, color=look.colour, linewidth=1.2)
        axes.plot(
            [row.mean], [height], look.marker, color=look.colour, markersize=5, clip_on=False,
            markerfacecolor=look.colour if row.measure == INTERIOR else PAPER.stand_in,
        )  # fmt: skip


def equivariance_figure(comparison: Comparison) -> RenderedFigure | None:
    """Relative errors of every layer but the detectors; None if none were evaluated."""
    errors = error_table(comparison)
    if errors.empty:
        return None
    every_style = arm_styles(list(comparison.arms))
    styles = {arm: every_style[arm] for arm in every_style if arm in set(errors["arm"])}
    layers = list(dict.fromkeys(errors["layer"]))
    transforms = transforms_of(errors)
    height = 0.5 + ROW_INCHES * len(layers)
    figure, every = panels(len(transforms), height, columns=1, share=True)
    words = []
    for axes, (transform, name) in zip(every, transforms.items(), strict=True):
        shown = _of(errors, transform)
        _draw(axes, shown, layers, styles)
        axes.set_title(name)
        name_rows(axes, [layer.replace(".", " ") for layer in layers])
        quiet_frame(axes, grid="x")
        parts = [
            f"{_range(rows['mean'])} {where}"
            for measure, where in ((INTERIOR, "away from borders"), (WHOLE, "on the whole map"))
            if len(rows := shown[shown["measure"] == measure])
        ]
        words.append(f"{name}: {text.listed(parts)}")
    every[-1].set_xlim(left=0)  # shared by all panels, so after the last one is drawn
    every[-1].set_xlabel("relative equivariance error")
    legend(figure, styles, lines=False)
    first = {
        arm: next(each for each in result.curves if each.curve == Curve.equivariance.name)
        for arm, result in comparison.arms.items()
        if arm in styles
    }
    return rendered(
        figure,
        f"{comparison.study.name}-equivariance",
        equivariance_finding(errors),
        "‖f(Tx) − T f(x)‖ / ‖f(x)‖ for a layer f and a transform T of the image or of its map."
        " Filled: away from borders; hollow: over the whole map. On a map whose cells are more than"
        " one pixel apart a shift is rounded to whole cells. Mean over seeds with its 95 %"
        f" interval. {seeds_and_images(first)}.",
        f"A row a layer, a panel a transform. {'; '.join(words)}.",
    )
