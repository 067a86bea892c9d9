"""Figures of trained networks: filters, responses to an image, use of pixels near the border.

A figure is part of a study only if what it shows can differ: if an arm differs from its reference
in a configuration key that affects it, or if the study has a single arm.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from convchoice.analysis import text
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_curves import Band
from convchoice.analysis.result_introspection import Introspection, PixelReads
from convchoice.reporting.drawing import (
    LINE,
    arm_styles,
    legend,
    line_with_band,
    panels,
    quiet_frame,
)
from convchoice.reporting.prediction_figures import class_names
from convchoice.reporting.rasters import (
    COLOUR_CHANNELS,
    Numbers,
    Panel,
    Section,
    channels_last,
    image_grid,
    mosaic,
    shades,
    signed_colours,
)
from convchoice.reporting.spans import span
from convchoice.reporting.svg import RenderedFigure, rendered

LAYER_KEYS = ("conv.", "downsample.", "model.first_layer", "data.permutation_seed")
"""Keys, or beginnings of keys, that affect what layers learn."""
BORDER_KEYS = ("conv.padding", "conv.padding_mode")
"""Keys that affect what is computed at the border."""
MOST_ARMS = 12
CONTRASTING = 0.5
"""A filter contrasts pixels if |sum of weights| is below this part of the sum of |weights|; the
part is 1 for a filter that only adds pixels up."""
MAP_COLUMNS = 2

Arms = dict[str, Introspection]


def arms_of(comparison: Comparison, keys: Sequence[str]) -> Arms:
    """The arms whose runs recorded their networks; none if the keys differ in no arm."""
    differs = len(comparison.arms) == 1 or any(
        key.startswith(tuple(keys))
        for arm in comparison.arms.values()
        for key in arm.differs_from_reference
    )
    if not differs:
        return {}
    found = {arm: item.introspection for arm, item in comparison.arms.items()}
    return {arm: item for arm, item in found.items() if item is not None}


def first_arms(arms: Arms) -> tuple[Arms, str]:
    """As many arms as a figure holds, and a sentence on the others for its caption."""
    shown = dict(list(arms.items())[:MOST_ARMS])
    left_out = [arm for arm in arms if arm not in shown]
    return shown, f" Not shown: {text.listed(left_out)}." if left_out else ""


def image_words(comparison: Comparison, arms: Arms) -> str:
    """The image that is shown: ``test image 1, of class 2``."""
    image = next(iter(arms.values())).image
    return f"test image {image.index}, of class {class_names(comparison)[image.label]}"


def _seed_words(arms: Arms) -> str:
    seeds = sorted({item.seed for item in arms.values()})
    return f"seed {' or '.join(map(str, seeds))}{' of each arm' if len(arms) > 1 else ''}"


def contrasting(filters: Numbers) -> int:
    """How many filters (F, C, h, w) weigh some pixels up and others down, about evenly."""
    flat = filters.reshape(len(filters), -1)
    return int((np.abs(flat.sum(axis=1)) < CONTRASTING * np.abs(flat).sum(axis=1)).sum())


def filter_finding(filters: Mapping[str, Numbers]) -> str:
    """How many of the filters shown contrast pixels."""
    counts = {arm: contrasting(weights) for arm, weights in filters.items()}
    totals = {len(weights) for weights in filters.values()}
    if len(totals) > 1:
        shares = {arm: 100 * counts[arm] / len(filters[arm]) for arm in filters}
        return f"First-layer filters shown that contrast pixels: {span(shares, 0, ' %')}"
    return f"Of {totals.pop()} first-layer filters shown, {span(counts, 0)} contrast pixels"


def filter_figure(comparison: Comparison) -> RenderedFigure | None:
    """The first filters of each arm's first layer."""
    arms, left_out = first_arms(arms_of(comparison, LAYER_KEYS))
    if not arms:
        return None
    filters = {arm: item.filters.unpacked() for arm, item in arms.items()}
    largest: dict[tuple[int, ...], float] = {}
    for weights in filters.values():
        shape = weights.shape[1:]
        largest[shape] = max(largest.get(shape, 0.0), float(np.abs(weights).max()))
    columns = max(map(len, filters.values()))
    sections, words = [], []
    for arm, weights in filters.items():
        channels, height, width = weights.shape[1:]
        full = largest[weights.shape[1:]]
        tiles = [
            signed_colours(each, full) if channels == COLOUR_CHANNELS else shades(each[0], full)
            for each in weights
        ]
        empty = [np.zeros_like(tiles[0])] * (columns - len(tiles))
        size = f"{height}×{width}" + (f"×{channels}" if channels > 1 else "")
        scale = f"{size}, −{text.number(full, 2)} to {text.number(full, 2)}"
        sections.append(Section([Panel("", mosaic(tiles + empty, columns))], arm, scale))
        low, high = (text.number(float(end), 2) for end in (weights.min(), weights.max()))
        words.append(
            f"{arm}: {len(weights)} filters of {size}, weights {low} to {high},"
            f" {contrasting(weights)} contrast pixels"
        )
    return rendered(
        image_grid(sections, 1),
        f"{comparison.study.name}-filters",
        filter_finding(filters),
        "Weights of the first filters of the first layer: orange above 0, blue below; filters of"
        " three colours show each colour's weight. Arms whose filters have the same size share the"
        " scale at the right. If a layer does not share its weights, those of the middle output. A"
        " filter contrasts pixels if |Σ w| is less than half of Σ |w|."
        f" n = 1: {_seed_words(arms)}, after training.{left_out}",
        f"A row of small squares for each arm. {'; '.join(words)}.",
    )


def stage_of(layer: str) -> str:
    """The stage of a block that a layer ends, from the layer's name: ``block 1 convolved``."""
    block, _, part = layer.partition(".")
    stage = "downsampled" if part.startswith("downsample") else "convolved"
    return f"{block.replace('block', 'block ')} {stage}"


def response_finding(arms: Arms) -> str:
    """The largest response of the first and of the last maps."""
    first, last = (
        span({arm: item.maps[place].largest for arm, item in arms.items()}, 2) for place in (0, -1)
    )
    return f"Largest response to one image: {first} in the first maps, {last} in the last"


def response_figure(comparison: Comparison) -> RenderedFigure | None:
    """Maps of one image by arm and stage, on one scale a stage."""
    arms, left_out = first_arms(arms_of(comparison, LAYER_KEYS))
    arms = {arm: item for arm, item in arms.items() if item.maps}
    if not arms:
        return None
    full: dict[str, float] = {}
    for item in arms.values():
        for each in item.maps:
            stage = stage_of(each.layer)
            full[stage] = max(full.get(stage, 0.0), each.largest)
    sections: list[Section] = []
    words = []
    for arm, item in arms.items():
        maps = {stage_of(each.layer): each for each in item.maps}
        shown = [Panel("" if sections else "image", channels_last(item.image))]
        for stage in sorted(full):
            tiles = (
                [shades(each, full[stage]) for each in maps[stage].unpacked()]
                if stage in maps
                else []
            )
            label = "" if sections else f"{stage} 0 to {text.number(full[stage], 2)}"
            shown.append(Panel(label, mosaic(tiles, MAP_COLUMNS) if tiles else None))
        sections.append(Section(shown, arm))
        layers = [
            f"{stage} {each.shape[1]}×{each.shape[2]}, at most {text.number(each.largest, 2)}"
            for stage, each in maps.items()
        ]
        words.append(f"{arm}: {'; '.join(layers)}")
    channels = max(each.shape[0] for item in arms.values() for each in item.maps)
    return rendered(
        image_grid(sections, 1 + len(full)),
        f"{comparison.study.name}-responses",
        response_finding(arms),
        f"The first {channels} channels of each block, after its convolution and detector and after"
        f" its downsampling, for {image_words(comparison, arms)}, at the left as the network"
        " receives it. Each stage has one scale for all arms, given above it: orange above 0, blue"
        " below. A place is empty where an arm has no such step. With one"
        " seed, layers of the same name and shape start from the same weights in every arm."
        f" n = 1 image, {_seed_words(arms)}, after training.{left_out}",
        f"A row an arm: the image, then its maps. {'. '.join(words)}.",
    )


def edge_finding(arms: Arms) -> str:
    """How much the outermost pixels are used relative to the mean pixel."""
    counted = span({arm: item.reads[-1].rings[0] for arm, item in arms.items()}, 2)
    learned = span({arm: item.gradient.rings.mean[0] or 0.0 for arm, item in arms.items()}, 2)
    return (
        f"Use of the outermost pixels relative to the mean pixel: {counted} by geometry, {learned}"
        " by gradient"
    )


def _counted(reads: PixelReads) -> Band:
    missing: list[float | None] = [None] * len(reads.rings)
    return Band(mean=list(reads.rings), low=missing, high=missing)


def _counts(reads: PixelReads) -> Numbers:
    """How often each pixel is read, (H, W)."""
    return np.outer(reads.rows, reads.columns).astype(np.float64)


def edge_figure(comparison: Comparison) -> RenderedFigure | None:
    """Use of pixels over their distance from the border, by geometry and by gradient."""
    arms = {arm: item for arm, item in arms_of(comparison, BORDER_KEYS).items() if item.reads}
    if not arms:
        return None
    bands = {
        "by geometry, first layer": {arm: _counted(item.reads[0]) for arm, item in arms.items()},
        "by geometry, last map": {arm: _counted(item.reads[-1]) for arm, item in arms.items()},
        "by gradient": {arm: item.gradient.rings for arm, item in arms.items()},
    }
    styles = arm_styles(list(comparison.arms))
    figure, every = panels(len(bands), 1.9, columns=1)
    words = []
    for axes, (title, by_arm) in zip(every, bands.items(), strict=True):
        axes.axhline(1, color=LINE.stand_in, linewidth=1)
        for arm, band in by_arm.items():
            places = range(len(band.mean))
            line_with_band(axes, places, (band.mean, band.low, band.high), styles[arm])
        axes.set_ylim(bottom=0)
        axes.set_title(title)
        quiet_frame(axes, grid="y")
        ends = [
            f"{arm} {text.number(band.mean[0] or 0, 2)} outermost,"
            f" {text.number(band.mean[-1] or 0, 2)} in the middle"
            for arm, band in by_arm.items()
        ]
        words.append(f"{title}: {'; '.join(ends)}")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    figure.supylabel("use relative to the mean pixel", fontsize=10)
    every[-1].set_xlabel("distance from the border, pixels")
    legend(figure, {arm: styles[arm] for arm in arms})
    gradients = [item.gradient for item in arms.values()]
    unseen = {arm: float((_counts(item.reads[-1]) == 0).sum()) for arm, item in arms.items()}
    return rendered(
        figure,
        f"{comparison.study.name}-edge-pixels",
        edge_finding(arms),
        "Mean over the pixels at each distance from the border; 1 is the mean of all pixels. By"
        " geometry: how many windows of the first layer read a pixel, and how many paths lead from"
        " it to cells of the last map, by sizes, strides and padding alone. By gradient: |∂ largest"
        " logit / ∂ pixel| of the trained networks, mean over seeds with its 95 % interval as a"
        f" band. Pixels that no cell of the last map sees: {span(unseen, 0)}."
        f" {text.seed_counts(each.n for each in gradients)} per arm,"
        f" {text.whole(gradients[0].images)} test images.",
        f"Lines over the distance from the border. {'. '.join(words)}.",
    )
