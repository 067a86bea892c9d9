"""The figure of the learning curves: loss and accuracy by epoch, a printed run's marked."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from convchoice.analysis import old_text as wording
from convchoice.reporting.drawing import MARKERS, SERIES, Ink, new_figure, quiet_frame
from convchoice.reporting.svg import RenderedFigure, rendered

LEAST_EPOCHS = 2
"""A single epoch is a point, not a curve."""


def _printed_rows(comparison: Mapping[str, Any], curve: str) -> list[Mapping[str, Any]]:
    printed = comparison["printed"]
    return [row for row in printed["rows"] if row["metric"] == curve] if printed else []


def finding(comparison: Mapping[str, Any], curve: str) -> str:
    """Which arm ends highest and lowest, or how one arm ends beside a printed run."""
    arms = comparison["arms"]
    ends = {arm: item["learning_curves"][curve]["mean"][-1] for arm, item in arms.items()}
    what = "validation accuracy" if curve.startswith("val") else "training accuracy"
    epoch = max(item["learning_curves"]["epoch"][-1] for item in arms.values())
    best = max(ends, key=lambda arm: ends[arm])
    if len(ends) > 1:
        worst = min(ends, key=lambda arm: ends[arm])
        return (
            f"After epoch {epoch} {best} has the highest mean {what}"
            f" ({wording.percent(ends[best])} %) and {worst} the lowest"
            f" ({wording.percent(ends[worst])} %)"
        )
    rows = _printed_rows(comparison, curve)
    if rows and rows[-1]["epoch"] == epoch:
        return (
            f"After epoch {epoch} our mean {what} is {wording.percent(ends[best])} %,"
            f" the printed one {wording.percent(rows[-1]['printed'])} %"
        )
    return f"After epoch {epoch} the mean {what} of {best} is {wording.percent(ends[best])} %"


def learning_curves_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Training loss and held-out accuracy by epoch; None for a single epoch."""
    arms = comparison["arms"]
    curves = {arm: item["learning_curves"] for arm, item in arms.items()}
    if max(len(item["epoch"]) for item in curves.values()) < LEAST_EPOCHS:
        return None
    validated = all(item["val/accuracy"] is not None for item in curves.values())
    accuracy = "val/accuracy" if validated else "train/accuracy"
    panels = {
        "train/loss": ("training loss, nats", 1.0),
        accuracy: ("validation accuracy, %" if validated else "training accuracy, %", 100.0),
    }
    figure = new_figure(4.9)
    both = figure.subplots(2, 1, sharex=True)
    for axes, (name, (label, scale)) in zip(both, panels.items(), strict=True):
        for index, (arm, item) in enumerate(curves.items()):
            _curve(axes, item, name, scale, index, arm)
        rows = _printed_rows(comparison, name)
        if rows:
            axes.plot(
                [row["epoch"] for row in rows],
                [scale * row["printed"] for row in rows],
                "x",
                color=Ink.accent.stand_in,
                markersize=7,
                markeredgewidth=2,
                label="printed",
            )
        quiet_frame(axes, grid="y")
        axes.set_ylabel(label)
        axes.ticklabel_format(axis="y", useOffset=False)
    both[1].set_xlabel("epoch")
    both[1].xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = both[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, handletextpad=0.4)
    ends = [
        f"{arm}: {wording.number(item['train/loss']['mean'][-1], 4)} nats"
        f" and {wording.percent(item[accuracy]['mean'][-1])} %"
        for arm, item in curves.items()
    ]
    return rendered(
        figure,
        f"{comparison['study']['name']}-learning-curves",
        finding(comparison, accuracy),
        "Mean over seeds with its 95 % interval as a band. Training values are running means over"
        f" the epoch. {wording.seed_counts(item['n'] for item in arms.values())} an arm.",
        f"Two panels by epoch: {' and '.join(label for label, _ in panels.values())}. At the end"
        f" {'; '.join(ends)}.",
    )


def _curve(
    axes: Axes, curves: Mapping[str, Any], name: str, scale: float, index: int, arm: str
) -> None:
    """One arm's mean curve with its band."""
    curve, color = curves[name], SERIES[index % len(SERIES)]
    axes.plot(
        curves["epoch"],
        [scale * value for value in curve["mean"]],
        color=color,
        marker=MARKERS[index % len(MARKERS)],
        markersize=5,
        linewidth=1.6,
        label=arm,
    )
    if None not in curve["low"]:
        axes.fill_between(
            curves["epoch"],
            [scale * value for value in curve["low"]],
            [scale * value for value in curve["high"]],
            color=color,
            alpha=0.15,
            linewidth=0,
        )
