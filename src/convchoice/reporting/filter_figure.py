"""The figure of the first layer's filters, a row an arm."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from convchoice.analysis import old_text as wording
from convchoice.analysis.old_text import unpacked
from convchoice.reporting.drawing import WIDTH_INCHES, Ink
from convchoice.reporting.inside_view import (
    LAYERS,
    Inside,
    first_arms,
    insides_of,
    moves,
    seed_said,
)
from convchoice.reporting.sheet import (
    COLOUR_CHANNELS,
    Numbers,
    Raster,
    mosaic,
    place,
    shades,
    sheet,
    signed_colours,
    write,
)
from convchoice.reporting.svg import RenderedFigure, rendered

MOST_ARMS = 12
MARGIN_INCHES = 0.08
LABEL_INCHES = 0.2
ROW_GAP_INCHES = 0.1
CONTRASTING = 0.5
"""A filter contrasts pixels where its weights' sum is smaller than this part of their sizes' sum;
one that only adds pixels up has a part of 1."""


def contrasting(filters: Numbers) -> int:
    """How many filters (F, C, h, w) weigh some pixels up and others down, about evenly."""
    flat = filters.reshape(len(filters), -1)
    return int((np.abs(flat.sum(axis=1)) < CONTRASTING * np.abs(flat).sum(axis=1)).sum())


def filter_finding(filters: Mapping[str, Numbers]) -> str:
    """How many of the filters shown contrast pixels, in the arms with the fewest and the most."""
    counts = {arm: contrasting(weights) for arm, weights in filters.items()}
    shares = {arm: counts[arm] / len(weights) for arm, weights in filters.items()}

    def said(arm: str) -> str:
        return f"{counts[arm]} of {len(filters[arm])}"

    least, most = (choose(shares, key=lambda arm: shares[arm]) for choose in (min, max))
    what = "first-layer filters shown contrast pixels rather than add them up"
    if shares[least] == shares[most]:
        return f"{said(most)} {what}{' in every arm' if len(filters) > 1 else ''}"
    return f"{said(least)} ({least}) to {said(most)} ({most}) {what}"


def scales(filters: Mapping[str, Numbers]) -> dict[str, float]:
    """The weight of the strongest colour: one for all arms whose filters have the same size."""
    largest: dict[tuple[int, ...], float] = {}
    for weights in filters.values():
        size = weights.shape[1:]
        largest[size] = max(largest.get(size, 0.0), float(np.abs(weights).max()))
    return {arm: largest[weights.shape[1:]] for arm, weights in filters.items()}


def _tiles(weights: Numbers, largest: float) -> list[Raster]:
    if weights.shape[1] == COLOUR_CHANNELS:
        return [signed_colours(one, largest) for one in weights]
    return [shades(one[0], largest) for one in weights]


def _weights(insides: Mapping[str, Inside]) -> dict[str, Numbers]:
    return {arm: unpacked(inside["filters"]) for arm, inside in insides.items()}


def filter_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """The first filters of each arm; None where no arm kept them or none differs in its layers."""
    insides, left_out = first_arms(insides_of(comparison), MOST_ARMS)
    if not insides or not moves(comparison, LAYERS):
        return None
    filters = _weights(insides)
    largest = scales(filters)
    across = WIDTH_INCHES - 2 * MARGIN_INCHES
    rasters = {
        arm: mosaic(_tiles(weights, largest[arm]), len(weights)) for arm, weights in filters.items()
    }
    widest = max(len(weights) for weights in filters.values())
    widths = {arm: across * len(weights) / widest for arm, weights in filters.items()}
    heights = {
        arm: widths[arm] * raster.shape[0] / raster.shape[1] for arm, raster in rasters.items()
    }
    figure, axes = sheet(
        MARGIN_INCHES + sum(LABEL_INCHES + height + ROW_GAP_INCHES for height in heights.values())
    )
    top, said = MARGIN_INCHES / 2, []
    for arm, weights in filters.items():
        _, channels, high, wide = weights.shape
        size = f"{high}×{wide}" + (f"×{channels}" if channels > 1 else "")
        strongest = wording.number(largest[arm], 2)
        write(axes, arm, MARGIN_INCHES, top)
        write(
            axes, f"{size}, −{strongest} to {strongest}", WIDTH_INCHES - MARGIN_INCHES, top,
            ha="right", fontsize=8, color=Ink.muted.stand_in,
        )  # fmt: skip
        top += LABEL_INCHES
        place(axes, rasters[arm], MARGIN_INCHES, top, widths[arm], heights[arm])
        top += heights[arm] + ROW_GAP_INCHES
        low, high_weight = float(weights.min()), float(weights.max())
        said.append(
            f"{arm}: {len(weights)} filters of {size}, weights {wording.number(low, 2)} to"
            f" {wording.number(high_weight, 2)}, {contrasting(weights)} contrast pixels"
        )
    return rendered(
        figure,
        f"{comparison['study']['name']}-filters",
        filter_finding(filters),
        "Weights of the first filters of the first layer, blue above 0, orange below, of three"
        " colours each in its own; arms whose filters have one size share a scale, which stands"
        " at the right. Where a layer does not share its weights, those of the output in the"
        " middle. A filter contrasts pixels where its weights add up to less than half of what"
        f" their sizes do. n = 1: {seed_said(insides)}, after training.{left_out}",
        f"A row of small squares for each arm. {'; '.join(said)}.",
    )
