"""Figures of trained networks: filters, responses, receptive fields, use of pixels near the border.

A figure is part of a study only if what it shows can differ: if an arm differs from its reference
in a configuration key that affects it, or if the study has a single arm.
"""

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator

from convchoice.analysis import text
from convchoice.analysis.curves import Band
from convchoice.analysis.introspection import Introspection, PixelReads
from convchoice.analysis.result import Comparison
from convchoice.reporting import image_grids, plots
from convchoice.reporting.prediction_figures import class_names
from convchoice.reporting.rendering import RenderedFigure, rendered

LAYER_KEYS = ("conv.", "downsample.", "model.first_layer", "data.permutation_seed")
"""Keys, or beginnings of keys, that affect what layers learn."""
BORDER_KEYS = ("conv.padding", "conv.padding_mode")
"""Keys that affect what is computed at the border."""
COLOURS = 3
MAP_COLUMNS = 2
FIELDS_A_ROW = 3
FRAME_COLOURS = plots.SERIES[2:]
"""Without blue, the baseline's, and orange, which shows gradients."""

Arms = dict[str, Introspection]


def arms_of(comparison: Comparison, keys: tuple[str, ...]) -> Arms:
    """The arms whose runs recorded their networks; none if the keys differ in no arm."""
    arms = comparison.arms
    changed = (key for arm in arms.values() for key in arm.differs_from_reference)
    if len(arms) > 1 and not any(key.startswith(keys) for key in changed):
        return {}
    return {arm: item.introspection for arm, item in arms.items() if item.introspection}


def _one_seed(arms: Arms) -> str:
    seeds = " or ".join(map(str, sorted({item.seed for item in arms.values()})))
    return f"n = 1: seed {seeds}, after training."


def filter_figure(comparison: Comparison) -> RenderedFigure | None:
    """The first filters of each arm's first layer."""
    arms = arms_of(comparison, LAYER_KEYS)
    if not arms:
        return None
    filters = {arm: item.filters.unpacked() for arm, item in arms.items()}
    columns = max(map(len, filters.values()))
    rows, words = [], []
    for arm, weights in filters.items():
        channels, height, width = weights.shape[1:]
        full = float(np.abs(weights).max())
        tiles = [
            image_grids.signed_colours(each, full)
            if channels == COLOURS
            else image_grids.shades(each[0], full)
            for each in weights
        ]
        size = f"{height}×{width}" + (f"×{channels}" if channels > 1 else "")
        words.append(f"{arm}: {size}, −{text.number(full, 2)} to {text.number(full, 2)}")
        rows.append(
            [image_grids.Picture(image_grids.mosaic(tiles, columns), plots.wrapped(words[-1], 56))]
        )
    return rendered(
        image_grids.picture_grid(rows, 1),
        f"{comparison.study.name}-filters",
        "Filters of the first layer",
        "Weights of the first filters of the first layer: orange above 0, violet below; filters of"
        " three colours show each colour's weight. Each arm has its own scale. If a layer does not"
        " share its weights, those of the middle output."
        f" {_one_seed(arms)}",
        f"A row of small squares for each arm. {'; '.join(words)}.",
    )


def stage_of(layer: str) -> str:
    """The stage of a block that a layer ends, from the layer's name: ``block 1 convolved``."""
    block, _, part = layer.partition(".")
    stage = "downsampled" if part.startswith("downsample") else "convolved"
    return f"{block.replace('block', 'block ')} {stage}"


def response_figure(comparison: Comparison) -> RenderedFigure | None:
    """Maps of one image by arm and stage, on one scale a stage."""
    found = arms_of(comparison, LAYER_KEYS)
    arms = {arm: item for arm, item in found.items() if item.maps}
    if not arms:
        return None
    maps = {arm: {stage_of(each.layer): each for each in item.maps} for arm, item in arms.items()}
    every = [pair for of_arm in maps.values() for pair in of_arm.items()]
    full = {
        stage: max(each.largest for name, each in every if name == stage)
        for stage in sorted(dict(every))
    }
    last = {stage: arm for arm, of_arm in maps.items() for stage in of_arm}
    rows, words = [], []
    for arm, item in arms.items():
        row: list[image_grids.Picture | None] = [
            image_grids.Picture(image_grids.channels_last(item.image), arm)
        ]
        for stage, largest in full.items():
            picture = None
            if each := maps[arm].get(stage):
                tiles = [image_grids.shades(channel, largest) for channel in each.unpacked()]
                scale = f"{stage} 0 to {text.number(largest, 2)}" if arm == last[stage] else ""
                below = plots.wrapped(scale, 12)
                picture = image_grids.Picture(image_grids.mosaic(tiles, MAP_COLUMNS), below=below)
            row.append(picture)
        rows.append(row)
        sizes = [f"{stage} {each.shape[1]}×{each.shape[2]}" for stage, each in maps[arm].items()]
        words.append(f"{arm}: {', '.join(sizes)}")
    image = next(iter(arms.values())).image
    return rendered(
        image_grids.picture_grid(rows, 1 + len(full)),
        f"{comparison.study.name}-responses",
        "Responses to one image",
        f"The first {max(each.shape[0] for _, each in every)} channels of each block, after its"
        f" convolution and detector and after its downsampling, for test image {image.index}, of"
        f" class {class_names(comparison)[image.label]}, at the left as the network receives"
        " it. Each stage has one scale for all arms, given below: orange above 0, violet"
        " below. A place is empty where an arm has no such step. With one seed, layers of the same"
        f" name and shape start from the same weights in every arm. {_one_seed(arms)}",
        f"A row an arm: the image, then its maps. {'; '.join(words)}.",
    )


def _over_image(item: Introspection, gradient: image_grids.Numbers) -> image_grids.Raster:
    """The image in grey under the gradient in orange, RGB (H, W, 3)."""
    grey = np.atleast_3d(image_grids.channels_last(item.image)).mean(axis=-1, keepdims=True) / 255
    strength = (gradient / (gradient.max() or 1.0))[..., None]
    return image_grids.to_bytes(
        strength * np.array(to_rgb(image_grids.ABOVE)) + (1 - strength) * grey
    )


def field_figure(comparison: Comparison) -> RenderedFigure | None:
    """Each layer's receptive field on a test image, and the pixels that the last cell uses."""
    found = arms_of(comparison, LAYER_KEYS)
    arms = {arm: item for arm, item in found.items() if item.fields}
    layers = dict.fromkeys(field.layer for item in arms.values() for field in item.fields)
    colours = dict(zip(layers, FRAME_COLOURS, strict=False))
    shown, words, counts = [], [], set()
    for arm, item in arms.items():
        if not (gradient := item.middle_gradient):
            continue
        lines, frames = [], []
        for field in item.fields:
            height, width = (last - first + 1 for first, last in (field.rows, field.columns))
            layer = field.layer.replace("downsample_", "").replace(".", " ").replace("_", " ")
            lines.append(f"{layer} {height}×{width}")
            frames.append(image_grids.Frame(field.rows, field.columns, colours[field.layer]))
        lines.append(f"half in {text.number(gradient.half_pixels.mean, 0)} pixels")
        pixels = _over_image(item, gradient.unpacked())
        shown.append(image_grids.Picture(pixels, plots.wrapped(arm), "\n".join(lines), frames))
        words.append(f"{arm}: {', '.join(lines)}")
        counts.add(gradient.n)
    if not shown:
        return None
    rows = [shown[at : at + FIELDS_A_ROW] for at in range(0, len(shown), FIELDS_A_ROW)]
    return rendered(
        image_grids.picture_grid(rows, FIELDS_A_ROW),
        f"{comparison.study.name}-receptive-fields",
        "Receptive fields",
        "Frames: the pixels that the middle cell of each layer's map sees, by sizes, strides and"
        " padding alone; a frame that leaves the image includes padding. Orange: the pixels that"
        " the middle cell of the last map uses after training, |∂ cell / ∂ pixel| summed over"
        " channels, mean over seeds; full orange is the strongest pixel, and the number below is"
        " that of the pixels that hold half of the sum."
        f" {text.seed_counts(counts)} per arm.",
        f"Nested frames on a test image. {'; '.join(words)}.",
    )


def _counted(reads: PixelReads) -> Band:
    missing: list[float | None] = [None] * len(reads.rings)
    return Band(mean=list(reads.rings), low=missing, high=missing)


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
    every = [
        plots.LinePanel(
            "", {arm: (range(len(band.mean)), band) for arm, band in by_arm.items()}, title
        )
        for title, by_arm in bands.items()
    ]
    figure, places, words = plots.line_panels(comparison.arms, every, 1.9)
    for axes in places:
        axes.axhline(1, color=plots.LINE.stand_in, linewidth=1)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    figure.supylabel("use relative to the mean pixel", fontsize=10)
    places[-1].set_xlabel("distance from the border, pixels")
    unseen = [
        f"{arm} {(np.outer(item.reads[-1].rows, item.reads[-1].columns) == 0).sum()}"
        for arm, item in arms.items()
    ]
    images = next(iter(arms.values())).gradient.images
    return rendered(
        figure,
        f"{comparison.study.name}-edge-pixels",
        "Use of pixels by their distance from the border",
        "Mean over the pixels at each distance from the border; 1 is the mean of all pixels. By"
        " geometry: how many windows of the first layer read a pixel, and how many paths lead from"
        " it to cells of the last map, by sizes, strides and padding alone. By gradient: |∂ largest"
        " logit / ∂ pixel| of the trained networks, mean over seeds with its 95 % interval as a"
        f" band. Pixels that no cell of the last map sees: {text.listed(unseen)}."
        f" {text.seed_counts(item.gradient.n for item in arms.values())} per arm,"
        f" {text.whole(images)} test images.",
        f"{words}.",
    )
