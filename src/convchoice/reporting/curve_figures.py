"""Figures over epochs, shifts, angles, scales, input sizes and layers.

A figure for which no arm has the numbers is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from convchoice.analysis import text
from convchoice.analysis.curves import CurveSeries
from convchoice.analysis.result import Comparison
from convchoice.config.schema import Curve
from convchoice.reporting import plots
from convchoice.reporting.rendering import RenderedFigure, rendered
from convchoice.runs.events import count

VISIBLE_INK = 0.01
"""A larger share of lost ink is shaded: from there on the object itself is cut."""
FEWEST_EPOCHS = 2
"""A single epoch is a point and not a curve."""
MEAN_AND_BAND = "Mean over seeds with its 95 % interval as a band."

Lines = Mapping[str, CurveSeries]
"""The series of one curve by arm; arms without it are left out."""


def seeds_and_images(series: Sequence[CurveSeries]) -> str:
    """``n = 3 seeds per arm, 2,000 test images``."""
    images = sorted({each.images for each in series})
    counts = text.seed_counts(each.n for each in series)
    return f"{counts} per arm, {' or '.join(map(text.whole, images))} test images"


def learning_curves_figure(comparison: Comparison) -> RenderedFigure | None:
    """Training loss and held-out accuracy by epoch; None if no arm has two epochs."""
    curves = {arm: item.learning_curves for arm, item in comparison.arms.items()}
    if max(len(each.epochs) for each in curves.values()) < FEWEST_EPOCHS:
        return None
    validated = all("val/accuracy" in each.bands for each in curves.values())
    part, accuracy = ("validation", "val/accuracy") if validated else ("training", "train/accuracy")
    shown = {"train/loss": ("training loss, nats", 1), accuracy: (f"{part} accuracy, %", 100)}
    every = [
        plots.LinePanel(
            label, {arm: (c.epochs, c.bands[metric]) for arm, c in curves.items()}, "", scale
        )
        for metric, (label, scale) in shown.items()
    ]
    figure, places, words = plots.line_panels(comparison.arms, every, 2.45)
    published = comparison.published.by_epoch if comparison.published else []
    for axes, (metric, (_, scale)) in zip(places, shown.items(), strict=True):
        rows = [row for row in published if row.metric == metric]
        epochs, values = [row.epoch or 0 for row in rows], [scale * row.published for row in rows]
        axes.plot(epochs, values, "x", color=plots.TEXT.stand_in, markersize=7, markeredgewidth=2)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    places[-1].set_xlabel("epoch")
    crosses = " Crosses: the published run." if published else ""
    return rendered(
        figure,
        f"{comparison.study.name}-learning-curves",
        f"Training loss and {part} accuracy by epoch",
        f"{MEAN_AND_BAND} Training values are running means over the epoch.{crosses}"
        f" {text.seed_counts(item.n for item in comparison.arms.values())} per arm.",
        f"{words}.",
    )


class Change(NamedTuple):
    """How accuracy over one kind of change of the images is drawn."""

    curve: Curve
    title: str
    axis: str
    unchanged: float = 0
    ticks: tuple[float, ...] | None = None
    kinds: tuple[str, ...] = ("",)
    note: str = ""

    def of_images(self) -> Self:
        """The same for images that are no digits."""
        title, axis, note = (
            each.replace("digit", "image") for each in (self.title, self.axis, self.note)
        )
        return self._replace(title=title, axis=axis, note=note)


CHANGES = (
    Change(
        Curve.shift, "Accuracy on shifted digits", "shift, pixels (right and down: positive)",
        ticks=(-10, -5, 0, 5, 10), kinds=("horizontal", "vertical", "diagonal"),
    ),
    Change(
        Curve.rotation, "Accuracy on rotated digits", "rotation, degrees anticlockwise",
        ticks=(0, 45, 90, 135, 180, 225, 270, 315),
    ),
    Change(
        Curve.scale, "Accuracy on larger and smaller digits", "size of the digit, as a factor",
        unchanged=1, ticks=(0.5, 0.75, 1, 1.25, 1.5),
    ),
    Change(
        Curve.input_size, "Accuracy by size of the input", "side of the input, pixels",
        note="The digit is resized and the trained layers are applied to it. A size without a point"
        " is one that the network does not accept. ",
    ),
)  # fmt: skip


def accuracy_figures(comparison: Comparison) -> list[RenderedFigure | None]:
    """Accuracy over each kind of change."""
    digits = comparison.provenance.dataset.shows_digits
    changes = (change if digits else change.of_images() for change in CHANGES)
    return [_accuracy_figure(comparison, change) for change in changes]


def _accuracy_figure(comparison: Comparison, change: Change) -> RenderedFigure | None:
    found = {
        kind: {
            arm: series
            for arm, result in comparison.arms.items()
            for series in result.curves
            if (series.curve, series.kind) == (change.curve.name, kind)
            if "accuracy" in series.bands
        }
        for kind in change.kinds
    }
    kinds = {kind: lines for kind, lines in found.items() if lines}
    if not kinds:
        return None
    every = [
        plots.LinePanel(
            "test accuracy, %",
            {arm: (series.values, series.bands["accuracy"]) for arm, series in lines.items()},
            kind,
            100,
        )
        for kind, lines in kinds.items()
    ]
    height = 3.1 if len(kinds) == 1 else 1.8
    figure, places, words = plots.line_panels(comparison.arms, every, height, share=True)
    shaded = [
        _shade_cut_images(axes, lines, change.unchanged)
        for axes, lines in zip(places, kinds.values(), strict=True)
    ]
    low, high = places[0].get_ylim()
    places[0].set_ylim(max(low, 0.0), min(high, 100.0))  # a t interval is not bounded by these
    if change.ticks:
        places[-1].set_xticks(change.ticks)
    places[-1].set_xlabel(change.axis)
    series = [each for lines in kinds.values() for each in lines.values()]
    return rendered(
        figure,
        f"{comparison.study.name}-{change.curve.name.replace('_', '-')}",
        change.title,
        f"{change.note}{MEAN_AND_BAND}{max(shaded)} {seeds_and_images(series)}.",
        f"{change.axis}: {words}.",
    )


def _shade_cut_images(axes: Axes, lines: Lines, unchanged: float) -> str:
    """Shade where ink leaves the canvas, if that is the same for all arms; describe the shade."""
    bands = [series.bands.get("ink_lost") for series in lines.values()]
    [lost, *others] = [[share or 0.0 for share in band.mean] if band else [] for band in bands]
    values = next(iter(lines.values())).values
    cut = [value for value, share in zip(values, lost, strict=False) if share > VISIBLE_INK]
    if not cut or any(other != lost for other in others):
        return ""
    below, above = ([v for v in cut if v < unchanged], [v for v in cut if v > unchanged])
    for side in filter(None, (below, above)):
        axes.axvspan(side[0], side[-1], color=plots.BAND.stand_in, linewidth=0, zorder=0)
    return (
        " Grey: more than 1 % of the ink is off the canvas, at most"
        f" {text.percent(max(lost), 0)} %."
    )


def equivariance_figure(comparison: Comparison) -> RenderedFigure | None:
    """Relative errors of every layer but the detectors; None if none were evaluated."""
    by_arm = {
        arm: [
            series
            for series in result.curves
            if series.curve == Curve.equivariance.name and not series.layer.endswith("detector")
        ]
        for arm, result in comparison.arms.items()
    }
    by_arm = {arm: series for arm, series in by_arm.items() if series}
    every = [each for series in by_arm.values() for each in series]
    transforms = _transforms(every)
    if not transforms:
        return None
    layers = list(dict.fromkeys(each.layer for each in every))
    styles = {arm: look for arm, look in plots.looks(comparison.arms).items() if arm in by_arm}
    figure, places = plots.panels(len(transforms), 0.5 + 0.3 * len(layers), share=True)
    words = []
    for axes, ((kind, value), title) in zip(places, transforms.items(), strict=True):
        for number, (arm, series) in enumerate(by_arm.items()):
            offset = 0.6 * ((number + 0.5) / len(by_arm) - 0.5)
            of_kind = [each for each in series if each.kind == kind]
            for measure, where, fill in (
                ("error_interior", "away from borders", styles[arm].colour),
                ("error_whole", "on the whole map", plots.PAPER.stand_in),
            ):
                rows = _errors(of_kind, value, measure)
                if not rows:
                    continue
                heights = [layers.index(layer) + offset for layer, *_ in rows]
                means, bounds = [mean for _, mean, _ in rows], [ends for *_, ends in rows]
                marker = {"markersize": 5, "markerfacecolor": fill, "clip_on": False}
                plots.interval_rows(axes, heights, means, bounds, styles[arm], **marker)
                least, most = text.number(min(means), 2), text.number(max(means), 2)
                words.append(f"{title}, {arm}, {where}: {least} to {most}")
        axes.set_title(title)
        plots.name_rows(axes, [layer.replace(".", " ") for layer in layers])
    places[-1].set_xlim(left=0)  # shared by all plots.panels, so after the last one is drawn
    places[-1].set_xlabel("relative equivariance error")
    plots.legend(figure, styles, line="")
    return rendered(
        figure,
        f"{comparison.study.name}-equivariance",
        "Equivariance error of each layer",
        "‖f(Tx) − T f(x)‖ / ‖f(x)‖ for a layer f and a transform T of the image or of its map."
        " Filled: away from borders; hollow: over the whole map. On a map whose cells are more than"
        " one pixel apart a shift is rounded to whole cells. Mean over seeds with its 95 %"
        f" interval. {seeds_and_images(every)}.",
        f"{'; '.join(words)}.",
    )


def _transforms(series: Sequence[CurveSeries]) -> dict[tuple[str, float], str]:
    """The transforms that are shown, by kind and value, with their titles.

    Of the shifts: the smallest one that is a whole number of cells in every layer (the largest one
    if there is none), and one pixel.
    """
    evaluated = {(each.kind, value) for each in series for value in each.values}
    shifts = [each for each in series if each.kind == "translation"]
    values = sorted({value for each in shifts for value in each.values})
    jumps = {each.jump_pixels or 1 for each in shifts}
    whole = [value for value in values if not any(value % jump for jump in jumps)] or values[-1:]
    titles = {
        ("translation", value): f"shift by {count(int(value), 'pixel')}"
        for value in (*whole[:1], 1.0)
    } | {("rotation", 90.0): "rotation by 90°", ("scale", 1.2): "change of scale by 1.2"}
    return {transform: title for transform, title in titles.items() if transform in evaluated}


def _errors(
    series: Iterable[CurveSeries], value: float, measure: str
) -> list[tuple[str, float, plots.Bounds]]:
    """Layer, mean and 95 % interval of the errors of one transform."""
    found: list[tuple[str, float, plots.Bounds]] = []
    for each in series:
        if value in each.values and (band := each.bands.get(measure)):
            place = each.values.index(value)
            mean, low, high = band.mean[place], band.low[place], band.high[place]
            if mean is not None:
                bounds = None if low is None or high is None else (low, high)
                found.append((each.layer, mean, bounds))
    return found
