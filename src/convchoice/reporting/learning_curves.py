"""The figure of losses and accuracies by epoch, with a published run's values."""

from matplotlib.ticker import MaxNLocator

from convchoice.analysis import text
from convchoice.analysis.result import Comparison, PublishedValue
from convchoice.reporting.drawing import (
    ACCENT,
    arm_styles,
    legend,
    line_with_band,
    panels,
    quiet_frame,
)
from convchoice.reporting.spans import span
from convchoice.reporting.svg import RenderedFigure, rendered

FEWEST_EPOCHS = 2
"""A single epoch is a point and not a curve."""


def _published(comparison: Comparison, metric: str) -> list[PublishedValue]:
    found = comparison.published.by_epoch if comparison.published else []
    return [row for row in found if row.metric == metric]


def finding(comparison: Comparison, metric: str) -> str:
    """The arms' mean accuracies after their last epoch, and a published one's."""
    curves = {arm: item.learning_curves for arm, item in comparison.arms.items()}
    ends = {arm: 100 * (each.bands[metric].mean[-1] or 0.0) for arm, each in curves.items()}
    epochs = sorted({each.epochs[-1] for each in curves.values()})
    when = f"After epoch {epochs[0]}"
    if len(epochs) > 1:
        when = f"After the last epoch ({epochs[0]} to {epochs[-1]})"
    name = "validation accuracy" if metric.startswith("val") else "training accuracy"
    published = [row for row in _published(comparison, metric) if [row.epoch] == epochs]
    beside = f"; published: {text.percent(published[0].published)} %" if published else ""
    return f"{when} the mean {name} is {span(ends, 2, ' %')}{beside}"


def learning_curves_figure(comparison: Comparison) -> RenderedFigure | None:
    """Training loss and held-out accuracy by epoch; None if no arm has two epochs."""
    curves = {arm: item.learning_curves for arm, item in comparison.arms.items()}
    if max(len(each.epochs) for each in curves.values()) < FEWEST_EPOCHS:
        return None
    validated = all("val/accuracy" in each.bands for each in curves.values())
    part, accuracy = ("validation", "val/accuracy") if validated else ("training", "train/accuracy")
    shown = (("train/loss", "training loss, nats", 1.0), (accuracy, f"{part} accuracy, %", 100.0))
    styles = arm_styles(list(curves))
    figure, every = panels(2, 2.45, columns=1, share=False)
    for axes, (metric, label, scale) in zip(every, shown, strict=True):
        for arm, each in curves.items():
            band = each.bands[metric]
            line_with_band(axes, each.epochs, (band.mean, band.low, band.high), styles[arm], scale)
        rows = _published(comparison, metric)
        axes.plot(
            [row.epoch or 0 for row in rows], [scale * row.published for row in rows], "x",
            color=ACCENT.stand_in, markersize=7, markeredgewidth=2,
        )  # fmt: skip
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        quiet_frame(axes, grid="y")
    every[-1].set_xlabel("epoch")
    legend(figure, styles)
    drawn = any(_published(comparison, metric) for metric, *_ in shown)
    published = " Red crosses: the published run." if drawn else ""
    ends = [
        f"{arm}: {text.number(each.bands['train/loss'].mean[-1] or 0, 4)} nats"
        f" and {text.percent(each.bands[accuracy].mean[-1] or 0)} %"
        for arm, each in curves.items()
    ]
    return rendered(
        figure,
        f"{comparison.study.name}-learning-curves",
        finding(comparison, accuracy),
        "Mean over seeds with its 95 % interval as a band. Training values are running means over"
        f" the epoch.{published}"
        f" {text.seed_counts(item.n for item in comparison.arms.values())} per arm.",
        f"Two panels by epoch: {' and '.join(label for _, label, _ in shown)}. At the end"
        f" {'; '.join(ends)}.",
    )
