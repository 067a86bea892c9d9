"""The figures of how much use a network makes of each pixel: counted, and by gradient."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from convchoice.analysis import old_text as wording
from convchoice.analysis.old_text import unpacked
from convchoice.reporting.curve_figures import line
from convchoice.reporting.drawing import (
    WIDTH_INCHES,
    Ink,
    legend_columns,
    new_figure,
    quiet_frame,
    ticks,
)
from convchoice.reporting.inside_view import EDGES, Inside, first_arms, insides_of, moves, span
from convchoice.reporting.sheet import Numbers, frame, place, shades, sheet, write
from convchoice.reporting.svg import RenderedFigure, rendered

PANEL_INCHES = 1.75
MOST_ARMS = 8
MARGIN_INCHES = 0.08
LABEL_INCHES = 0.2
GAP_INCHES = 0.1
ARMS_A_ROW = 2

Band = Mapping[str, Sequence[float | None]]


def _shown(comparison: Mapping[str, Any]) -> dict[str, Inside]:
    """The arms with counts, in a study where something is done at the border; else none."""
    if not moves(comparison, EDGES):
        return {}
    return {arm: inside for arm, inside in insides_of(comparison).items() if inside["reads"]}


def _counted(rings: Sequence[float]) -> Band:
    nothing = [None] * len(rings)
    return {"mean": rings, "low": nothing, "high": nothing}


def _panels(insides: Mapping[str, Inside]) -> dict[str, dict[str, Band]]:
    """What each panel shows of each arm: reads of the first layer and of the last, gradients."""
    return {
        "counted, read by the first layer": {
            arm: _counted(inside["reads"][0]["rings"]) for arm, inside in insides.items()
        },
        "counted, ways to the last map": {
            arm: _counted(inside["reads"][-1]["rings"]) for arm, inside in insides.items()
        },
        "by gradient": {arm: inside["gradient"]["rings"] for arm, inside in insides.items()},
    }


def edge_finding(insides: Mapping[str, Inside]) -> str:
    """How much the outermost pixels are used beside the mean pixel: counted, and by gradient."""
    counted = span({arm: item["reads"][-1]["rings"][0] for arm, item in insides.items()}, 2)
    learned = span({arm: item["gradient"]["rings"]["mean"][0] for arm, item in insides.items()}, 2)
    return (
        f"Beside the mean pixel the outermost pixels are used {counted} times as much, counted, and"
        f" {learned} times by gradient"
    )


def edge_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Use of pixels over their distance from the border; None where no arm's border differs."""
    insides = _shown(comparison)
    if not insides:
        return None
    panels = _panels(insides)
    order = list(comparison["arms"])
    figure = new_figure(0.6 + PANEL_INCHES * len(panels))
    every = figure.subplots(len(panels), 1, sharex=True)
    said = []
    for axes, (title, bands) in zip(every, panels.items(), strict=True):
        axes.axhline(1, color=Ink.line.stand_in, linewidth=1)
        for arm, band in bands.items():
            series = {"value": list(range(len(band["mean"]))), "use": band}
            line(axes, series, "use", 1, order.index(arm), arm)
        axes.set_ylim(bottom=0)
        axes.set_title(title, fontsize=10, loc="left")
        axes.yaxis.set_major_locator(ticks())
        quiet_frame(axes, grid="y")
        parts = [
            f"{arm} {wording.number(float(band['mean'][0] or 0), 2)} outermost,"
            f" {wording.number(float(band['mean'][-1] or 0), 2)} in the middle"
            for arm, band in bands.items()
        ]
        said.append(f"{title}: {'; '.join(parts)}")
    figure.supylabel("use, as a multiple of the mean pixel’s", fontsize=10)
    every[-1].set_xlabel("distance from the border, pixels")
    every[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    handles, labels = every[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=legend_columns(list(insides)))
    first = next(iter(insides.values()))["gradient"]
    return rendered(
        figure,
        f"{comparison['study']['name']}-edge-pixels",
        edge_finding(insides),
        "Mean over the pixels at each distance from the border; 1 is the mean of all pixels."
        " Counted: how many windows of the first layer read a pixel, and how many ways lead from it"
        " through all windows to cells of the last map; both follow from sizes, strides and padding"
        " alone. By gradient: |∂ largest logit / ∂ pixel| of the trained networks, mean over seeds"
        f" with its 95 % interval as a band."
        f" {wording.seed_counts(item['gradient']['n'] for item in insides.values())} an arm,"
        f" {wording.whole(first['images'])} test images.",
        f"Lines over the distance from the border. {'. '.join(said)}.",
    )


def counts_of(reads: Mapping[str, Any]) -> Numbers:
    """How often each pixel is read, (H, W)."""
    counts: Numbers = np.outer(reads["rows"], reads["columns"]).astype(np.float64)
    return counts


def map_finding(insides: Mapping[str, Inside]) -> str:
    """How many pixels reach no cell of the last map at all."""
    counts = {arm: counts_of(inside["reads"][-1]) for arm, inside in insides.items()}
    unread = {arm: float((each == 0).sum()) for arm, each in counts.items()}
    pixels = wording.whole(next(iter(counts.values())).size)
    return f"Of {pixels} pixels, those that no cell of the last map can see: {span(unread, 0)}"


def use_map_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Maps of the use of each pixel by arm, on one scale; None where no arm's border differs."""
    insides, left_out = first_arms(_shown(comparison), MOST_ARMS)
    if not insides:
        return None
    uses = {}
    for arm, inside in insides.items():
        counts = counts_of(inside["reads"][-1])
        uses[arm] = (counts / (counts.mean() or 1.0), unpacked(inside["gradient"]))
    largest = max(float(use.max()) for both in uses.values() for use in both)
    side = (WIDTH_INCHES - 2 * MARGIN_INCHES - 3 * GAP_INCHES) / (2 * ARMS_A_ROW)
    row_height = 2 * LABEL_INCHES + side + GAP_INCHES
    rows = -(-len(uses) // ARMS_A_ROW)
    figure, axes = sheet(MARGIN_INCHES + rows * row_height)
    for number, (arm, both) in enumerate(uses.items()):
        top = MARGIN_INCHES / 2 + number // ARMS_A_ROW * row_height
        left = MARGIN_INCHES + number % ARMS_A_ROW * 2 * (side + GAP_INCHES)
        write(axes, arm, left, top)
        for column, (use, label) in enumerate(zip(both, ("counted", "by gradient"), strict=True)):
            at = left + column * (side + GAP_INCHES)
            write(axes, label, at, top + LABEL_INCHES, fontsize=8, color=Ink.muted.stand_in)
            place(axes, shades(use, largest), at, top + 2 * LABEL_INCHES, side, side)
            frame(axes, at, top + 2 * LABEL_INCHES, side, side)
    said = [
        f"{arm}: counted at most {wording.number(float(both[0].max()), 2)},"
        f" by gradient at most {wording.number(float(both[1].max()), 2)}"
        for arm, both in uses.items()
    ]
    first = next(iter(insides.values()))["gradient"]
    return rendered(
        figure,
        f"{comparison['study']['name']}-pixel-use",
        map_finding(insides),
        "Left: how many ways lead from a pixel to cells of the last map, by sizes, strides and"
        " padding alone. Right: |∂ largest logit / ∂ pixel| of the trained networks. Both relative"
        " to the mean pixel, on one scale for all: colourless is 0, full blue"
        f" {wording.number(largest, 2)} times the mean pixel."
        f" {wording.seed_counts(item['gradient']['n'] for item in insides.values())} an arm,"
        f" {wording.whole(first['images'])} test images.{left_out}",
        "Two maps of the image’s pixels an arm, in multiples of the mean pixel."
        f" {'; '.join(said)}.",
    )
