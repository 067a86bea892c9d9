"""Images and maps in figures: pixels, colours for signed values, mosaics, grids of pictures.

Orange is above 0 and violet below, as in the page's explorer. The colours of a raster are fixed,
unlike those of a drawing, so 0 is nearly transparent: shades then show on light and on dark.
"""

import math
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from convchoice.analysis.result_types import ImagePixels
from convchoice.reporting.plots import TEXT, WIDTH_INCHES, new_figure

BELOW, GROUND, ABOVE = "#7b52c9", "#80808024", "#e06a10"
SIGNED = LinearSegmentedColormap.from_list(
    "signed",
    [(0, BELOW), (11 / 24, f"{BELOW}40"), (0.5, GROUND), (13 / 24, f"{ABOVE}40"), (1, ABOVE)],
    N=25,
)
"""Twelve steps to each side of 0; more cannot be distinguished."""
GAP_SHARE = 6
"""The gap between tiles of a mosaic is this part of a tile."""
MARGIN_INCHES = 0.08
GAP_INCHES = 0.1
LINE_INCHES = 0.15
TEXT_POINTS = 7.5

Numbers = NDArray[np.float64]
Raster = NDArray[np.uint8]


def channels_last(image: ImagePixels) -> Raster:
    """The pixels of an image as uint8 (H, W) or (H, W, C), in 16 levels to keep files small."""
    pixels = image.pixels() // 17 * 17
    return pixels if pixels.ndim == 2 else np.moveaxis(pixels, 0, -1)  # noqa: PLR2004 - (H, W)


def shades(values: Numbers, largest: float) -> Raster:
    """Values (H, W) as RGBA (H, W, 4): the further from 0, the more opaque; full at `largest`."""
    shaded: Raster = SIGNED(0.5 + values / (2 * (largest or 1.0)), bytes=True)
    return shaded


def signed_colours(weights: Numbers, largest: float) -> Raster:
    """Weights of three colours (3, H, W) as RGBA: grey at 0, each colour by its own weight."""
    levels = np.clip(0.5 + weights / (2 * (largest or 1.0)), 0, 1)
    opaque = np.ones_like(levels[:1])
    return to_bytes(np.concatenate([levels, opaque]).transpose(1, 2, 0))


def to_bytes(levels: Numbers) -> Raster:
    """Levels from 0 to 1 as uint8."""
    return np.rint(255 * levels).astype(np.uint8)


def mosaic(tiles: Sequence[Raster], columns: int) -> Raster:
    """RGBA tiles (h, w, 4) row by row, with transparent gaps."""
    size = max(tiles[0].shape[:2])
    factor = math.ceil(GAP_SHARE / size)
    gap = max(1, round(factor * size / GAP_SHARE))
    enlarged = [tile.repeat(factor, axis=0).repeat(factor, axis=1) for tile in tiles]
    framed = [np.pad(tile, ((0, gap), (0, gap), (0, 0))) for tile in enlarged]
    framed += [np.zeros_like(framed[0])] * (-len(framed) % columns)
    starts = range(0, len(framed), columns)
    rows = [np.concatenate(framed[start : start + columns], axis=1) for start in starts]
    return np.concatenate(rows)[:-gap, :-gap]


class Frame(NamedTuple):
    """An outline on a picture's pixels, from the first to the last row and column."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    colour: str


class Picture(NamedTuple):
    """One image of a grid."""

    pixels: Raster
    """(H, W), RGB or RGBA."""
    above: str = ""
    """Text above the image; it may be wider than the image where no neighbour has one."""
    below: str = ""
    """Lines of text below the image; the first ones describe the frames, in their colours."""
    frames: Sequence[Frame] = ()
    """They may leave the image."""

    @property
    def view(self) -> tuple[int, int, int, int]:
        """Left, right, lower and upper end of what is shown, in pixels."""
        height, width = self.pixels.shape[:2]
        beyond = [
            max(-first, last + 1 - size)
            for frame in self.frames
            for (first, last), size in ((frame.rows, height), (frame.columns, width))
        ]
        pad = max([0, *beyond])
        return -pad, width + pad, height + pad, -pad


def picture_grid(rows: Sequence[Sequence[Picture | None]], columns: int) -> Figure:
    """Rows of up to `columns` pictures from top to bottom; None leaves a place empty."""
    width = (WIDTH_INCHES - 2 * MARGIN_INCHES - (columns - 1) * GAP_INCHES) / columns
    placed: list[tuple[Picture, float, float, float]] = []
    down: float = GAP_INCHES
    for row in rows:
        shown = [(place, picture) for place, picture in enumerate(row) if picture]
        down += LINE_INCHES * max(len(picture.above.splitlines()) for _, picture in shown)
        for place, picture in shown:
            left, right, lower, upper = picture.view
            height = width * (lower - upper) / (right - left)
            placed.append((picture, MARGIN_INCHES + place * (width + GAP_INCHES), down, height))
        under = max(len(picture.below.splitlines()) for _, picture in shown)
        down += max(height for *_, height in placed[-len(shown) :]) + LINE_INCHES * under
        down += 2 * GAP_INCHES
    total = down - GAP_INCHES
    figure = new_figure(total)
    figure.set_layout_engine("none")
    for picture, start, top, height in placed:
        bottom, size = 1 - (top + height) / total, (width / WIDTH_INCHES, height / total)
        _draw(figure.add_axes((start / WIDTH_INCHES, bottom, *size)), picture, height)
    return figure


def _draw(axes: Axes, picture: Picture, height_inches: float) -> None:
    rows, columns = picture.pixels.shape[:2]
    axes.imshow(
        picture.pixels, cmap="gray", vmin=0, vmax=255, interpolation="none", aspect="auto",
        extent=(0, columns, rows, 0),
    )  # fmt: skip
    axes.axis(picture.view)
    axes.set_axis_off()
    for (top, end), (start, stop), colour in picture.frames:
        size = stop + 1 - start, end + 1 - top
        axes.add_patch(Rectangle((start, top), *size, fill=False, ec=colour, lw=1.4))
    look: dict[str, Any] = {"transform": axes.transAxes, "fontsize": TEXT_POINTS}
    axes.text(0, 1 + 0.04 / height_inches, picture.above, va="bottom", **look)
    colours = chain((frame.colour for frame in picture.frames), repeat(TEXT.stand_in))
    for number, (line, colour) in enumerate(zip(picture.below.splitlines(), colours, strict=False)):
        down = 0.04 + LINE_INCHES * number
        axes.text(0, -down / height_inches, line, va="top", color=colour, **look)
