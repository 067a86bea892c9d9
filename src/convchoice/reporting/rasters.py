"""Images and maps in figures: pixels, colours for signed values, mosaics, grids of panels.

Orange is above 0 and blue below, as in the page's explorer. The colours of a raster are fixed,
unlike those of a drawing, so 0 is nearly transparent: shades then show on light and on dark.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from convchoice.analysis.arrays import ImagePixels
from convchoice.reporting.drawing import SMALL_TEXT, TEXT, WIDTH_INCHES, new_figure, wrapped

COLOUR_CHANNELS = 3
ABOVE, BELOW = (0xE0, 0x6A, 0x10), (0x2B, 0x8C, 0xCF)
"""Orange and blue that contrast with white and with near black."""
GROUND, GROUND_OPACITY = (0x80, 0x80, 0x80), 0.14
LEVELS = 12
"""Steps of a shade to each side of 0; more cannot be distinguished."""
MARGIN_INCHES = 0.08
GAP_INCHES = 0.1
LINE_INCHES = 0.15
CHARACTERS_AN_INCH = 16
HEADING_CHARACTERS = 56
"""Longest line of a heading, beside its note."""

Numbers = NDArray[np.float64]
Raster = NDArray[np.uint8]


def channels_last(image: ImagePixels) -> Raster:
    """The pixels of an image as uint8 (H, W) or (H, W, 3), in 16 levels to keep files small."""
    pixels = image.pixels() // 17 * 17
    if pixels.ndim == COLOUR_CHANNELS:
        return pixels.transpose(1, 2, 0) if len(pixels) == COLOUR_CHANNELS else pixels[0]
    return pixels


def shades(values: Numbers, largest: float) -> Raster:
    """Values (H, W) as RGBA (H, W, 4): the further from 0, the more opaque; full at `largest`."""
    strength = np.clip(np.abs(values) / (largest or 1.0), 0, 1)[..., None]
    strength = np.rint(LEVELS * strength) / LEVELS
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


def mosaic(tiles: Sequence[Raster], columns: int, gap_share: int = 6) -> Raster:
    """RGBA tiles (h, w, 4) row by row, with transparent gaps of a `gap_share`-th of a tile."""
    height, width, _ = tiles[0].shape
    factor = math.ceil(gap_share / max(height, width))
    gap = max(1, round(factor * max(height, width) / gap_share))
    high, wide = factor * height + gap, factor * width + gap
    rows = math.ceil(len(tiles) / columns)
    made = np.zeros((rows * high - gap, min(columns, len(tiles)) * wide - gap, 4), dtype=np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // columns * high, place % columns * wide
        enlarged = tile.repeat(factor, axis=0).repeat(factor, axis=1)
        made[top : top + high - gap, left : left + wide - gap] = enlarged
    return made


@dataclass(frozen=True)
class Frame:
    """An outline on a panel's pixels, from the first to the last row and column."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    colour: str


@dataclass(frozen=True)
class Panel:
    """One image of a grid, with a label above and lines of text below."""

    label: str
    pixels: Raster | None
    """(H, W), RGB or RGBA; None leaves the place empty."""
    below: Sequence[tuple[str, str]] = ()
    """Lines of text with their colours."""
    frames: Sequence[Frame] = ()
    pad: int = 0
    """Width of an empty margin around the pixels, in pixels."""


@dataclass(frozen=True)
class Section:
    """Panels below a heading."""

    panels: Sequence[Panel]
    heading: str = ""
    note: str = ""
    """Small text at the right of the heading."""


def image_grid(sections: Sequence[Section], columns: int) -> Figure:
    """Sections of panels from top to bottom, each with up to `columns` panels a row."""
    width = (WIDTH_INCHES - 2 * MARGIN_INCHES - (columns - 1) * GAP_INCHES) / columns
    rows = [
        (section if start == 0 else None, section.panels[start : start + columns])
        for section in sections
        for start in range(0, len(section.panels), columns)
    ]
    heights = [_row_height(section, row, width) for section, row in rows]
    figure = new_figure(MARGIN_INCHES + sum(heights))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH_INCHES)
    axes.set_ylim(MARGIN_INCHES + sum(heights), 0)
    axes.set_axis_off()
    top = MARGIN_INCHES / 2
    for (section, row), height in zip(rows, heights, strict=True):
        _draw_row(axes, section, row, top, width)
        top += height
    return figure


def _label_lines(row: Sequence[Panel], width: float) -> int:
    labels = [wrapped(panel.label, int(CHARACTERS_AN_INCH * width)) for panel in row if panel.label]
    return max((label.count("\n") + 1 for label in labels), default=0)


def _image_height(panel: Panel, width: float) -> float:
    if panel.pixels is None:
        return width
    rows, columns = (size + 2 * panel.pad for size in panel.pixels.shape[:2])
    return width * float(rows) / float(columns)


def _row_height(section: Section | None, row: Sequence[Panel], width: float) -> float:
    heading = _heading_height(section)
    below = max(len(panel.below) for panel in row)
    images = max(_image_height(panel, width) for panel in row)
    return heading + LINE_INCHES * (_label_lines(row, width) + below) + images + GAP_INCHES


def _heading_height(section: Section | None) -> float:
    if section is None or not section.heading:
        return 0.0
    return 0.07 + LINE_INCHES * (1 + wrapped(section.heading, HEADING_CHARACTERS).count("\n"))


def _draw_row(
    axes: Axes, section: Section | None, row: Sequence[Panel], top: float, width: float
) -> None:
    if section is not None and section.heading:
        heading = wrapped(section.heading, HEADING_CHARACTERS)
        _write(axes, heading, MARGIN_INCHES, top, fontsize=SMALL_TEXT)
        _write(axes, section.note, WIDTH_INCHES - MARGIN_INCHES, top + 0.02, ha="right")
        top += _heading_height(section)
    under = top + LINE_INCHES * _label_lines(row, width)
    for place, panel in enumerate(row):
        left = MARGIN_INCHES + place * (width + GAP_INCHES)
        _write(axes, wrapped(panel.label, int(CHARACTERS_AN_INCH * width)), left, top)
        _draw_panel(axes, panel, left, under, width)
        height = _image_height(panel, width)
        for line, (text, colour) in enumerate(panel.below):
            at = under + height + 0.04 + line * LINE_INCHES
            _write(axes, text, left, at, color=colour)


def _write(axes: Axes, text: str, left: float, top: float, **options: Any) -> None:
    look = {"va": "top", "color": TEXT.stand_in, "fontsize": 7.5, "linespacing": 1.25}
    axes.text(left, top, text, **{**look, **options})


def _draw_panel(axes: Axes, panel: Panel, left: float, top: float, width: float) -> None:
    if panel.pixels is None:
        return
    rows, columns = panel.pixels.shape[:2]
    inch = width / (columns + 2 * panel.pad)
    left, top = left + panel.pad * inch, top + panel.pad * inch
    grey = {"cmap": "gray", "vmin": 0, "vmax": 255} if panel.pixels.ndim < COLOUR_CHANNELS else {}
    extent = (left, left + columns * inch, top + rows * inch, top)
    axes.imshow(panel.pixels, interpolation="none", aspect="auto", extent=extent, **grey)  # type: ignore[arg-type]
    for frame in panel.frames:
        corner = (left + frame.columns[0] * inch, top + frame.rows[0] * inch)
        across, down = (last - first + 1 for first, last in (frame.columns, frame.rows))
        outline = {"fill": False, "edgecolor": frame.colour, "linewidth": 1.4}
        axes.add_patch(Rectangle(corner, across * inch, down * inch, **outline))  # type: ignore[arg-type]
