"""A sheet of small pictures, placed by the inch: digits, filters, maps, all as rasters.

A raster's colours are fixed, unlike a drawing's, so what stands for 0 is left transparent but for a
faint ground: shades then read on a light page and on a dark one.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from convchoice.reporting.drawing import WIDTH_INCHES, Ink, new_figure

COLOUR_CHANNELS = 3
ABOVE, BELOW = (0x2B, 0x8C, 0xCF), (0xE0, 0x6A, 0x10)
"""Blue above 0, orange below; both stand out from white and from near black."""
GROUND, GROUND_OPACITY = (0x80, 0x80, 0x80), 0.14
TILE_PIXELS = 30
"""A mosaic's tiles have at least this side, so that the gaps between them stay thin."""
GAP_SHARE = 6
"""A gap is this part of a tile's side."""

Numbers = NDArray[np.float64]
Raster = NDArray[np.uint8]


def pixels_of(picture: Mapping[str, Any]) -> Raster:
    """A picture of a comparison's JSON as uint8 (H, W) or (H, W, 3)."""
    raw = base64.b64decode(picture["pixels_base64"])
    pixels = np.frombuffer(raw, dtype=np.uint8).reshape(picture["shape"])
    if pixels.ndim == COLOUR_CHANNELS:  # channels first, as networks take them
        return pixels.transpose(1, 2, 0) if len(pixels) == COLOUR_CHANNELS else pixels[0]
    return pixels


def shades(values: Numbers, largest: float) -> Raster:
    """Values (H, W) as RGBA (H, W, 4): the farther from 0, the more opaque, 1 at `largest`."""
    strength = np.clip(np.abs(values) / (largest or 1.0), 0, 1)[..., None]
    colour = np.where(values[..., None] < 0, BELOW, ABOVE)
    opacity = strength + GROUND_OPACITY * (1 - strength)
    mixed = (strength * colour + (opacity - strength) * np.array(GROUND)) / opacity
    shaded: Raster = np.rint(np.concatenate([mixed, 255 * opacity], axis=-1)).astype(np.uint8)
    return shaded


def signed_colours(weights: Numbers, largest: float) -> Raster:
    """Weights of three colours (3, H, W) as RGBA: grey at 0, each colour by its own weight."""
    levels = np.clip(0.5 + weights / (2 * (largest or 1.0)), 0, 1).transpose(1, 2, 0)
    opaque = np.ones((*levels.shape[:2], 1))
    coloured: Raster = np.rint(255 * np.concatenate([levels, opaque], axis=-1)).astype(np.uint8)
    return coloured


def mosaic(tiles: Sequence[Raster], columns: int) -> Raster:
    """RGBA tiles (h, w, 4) row by row with transparent gaps, enlarged by whole factors."""
    height, width, _ = tiles[0].shape
    factor = math.ceil(TILE_PIXELS / max(height, width))
    gap = max(1, round(factor * max(height, width) / GAP_SHARE))
    rows = math.ceil(len(tiles) / columns)
    high, wide = factor * height + gap, factor * width + gap
    made = np.zeros((rows * high - gap, min(columns, len(tiles)) * wide - gap, 4), dtype=np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // columns * high, place % columns * wide
        large = tile.repeat(factor, axis=0).repeat(factor, axis=1)
        made[top : top + high - gap, left : left + wide - gap] = large
    return made


def sheet(height_inches: float) -> tuple[Figure, Axes]:
    """A figure and its only axes, in inches from the upper left corner."""
    figure = new_figure(height_inches)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH_INCHES)
    axes.set_ylim(height_inches, 0)
    axes.set_axis_off()
    return figure, axes


def place(axes: Axes, pixels: Raster, left: float, top: float, width: float, height: float) -> None:
    """Put a grey (H, W), RGB or RGBA raster on a sheet, its pixels sharp."""
    grey = {"cmap": "gray", "vmin": 0, "vmax": 255} if pixels.ndim < COLOUR_CHANNELS else {}
    extent = (left, left + width, top + height, top)
    axes.imshow(pixels, interpolation="none", aspect="auto", extent=extent, **grey)  # type: ignore[arg-type]


def write(axes: Axes, text: str, left: float, top: float, **options: Any) -> None:
    """Put a text on a sheet, its upper left corner at the place."""
    look = {"fontsize": 9, "va": "top", "color": Ink.text.stand_in, **options}
    axes.text(left, top, text, **look)


def frame(axes: Axes, left: float, top: float, width: float, height: float, **options: Any) -> None:
    """Draw the outline of a rectangle on a sheet."""
    look = {"fill": False, "edgecolor": Ink.line.stand_in, "linewidth": 0.8, **options}
    axes.add_patch(Rectangle((left, top), width, height, **look))
