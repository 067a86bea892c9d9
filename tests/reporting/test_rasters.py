"""Colours of values, mosaics, and grids of panels, by hand."""

import numpy as np
import pytest

from convchoice.reporting.drawing import style
from convchoice.reporting.rasters import (
    ABOVE,
    BELOW,
    GROUND_OPACITY,
    Frame,
    Panel,
    Section,
    image_grid,
    mosaic,
    shades,
    signed_colours,
)
from convchoice.reporting.svg import rendered


def test_shades_by_hand():
    found = shades(np.array([[0.0, 2.0, -2.0, 9.0]]), 2.0)
    assert found.shape == (1, 4, 4)
    assert found[0, 0, 3] == round(255 * GROUND_OPACITY)
    assert found[0, 1].tolist() == found[0, 3].tolist() == [*ABOVE, 255]
    assert found[0, 2].tolist() == [*BELOW, 255]
    assert shades(np.zeros((1, 1)), 0.0)[0, 0, 3] == round(255 * GROUND_OPACITY)


def test_weights_of_colours_by_hand():
    weights = np.array([[[1.0]], [[0.0]], [[-1.0]]])
    assert signed_colours(weights, 1.0)[0, 0].tolist() == [255, 128, 0, 255]


def test_a_mosaic_has_clear_gaps():
    tiles = [np.full((3, 3, 4), shade, dtype=np.uint8) for shade in (1, 2, 3)]
    made = mosaic(tiles, 2)
    assert made.shape == (13, 13, 4)  # twice 6 pixels and a gap of 1
    assert (made[:6, :6] == 1).all()
    assert (made[:6, 7:] == 2).all()
    assert (made[7:, :6] == 3).all()
    assert (made[6] == 0).all()
    assert (made[:, 6] == 0).all()
    assert (made[7:, 7:] == 0).all()


def test_a_grid_places_panels_frames_and_texts():
    pixels = np.zeros((4, 8), dtype=np.uint8)
    frame = Frame((-1, 4), (0, 7), "#123456")
    sections = [
        Section([Panel("one", pixels, [("below one", "#111111")], [frame], pad=1)] * 3, "first"),
        Section([Panel("empty", None)], "second", "note"),
    ]
    with style():
        figure = image_grid(sections, 2)
        [axes] = figure.axes
        texts = {text.get_text() for text in axes.texts}
        left, right, bottom, top = axes.images[0].get_extent()
        made = rendered(figure, "name", "title", "caption", "alt")
    assert texts >= {"one", "below one", "first", "empty", "second", "note"}
    assert len(axes.images) == 3
    assert (right - left) / (bottom - top) == pytest.approx(2)  # pixels are squares
    rows = sorted({image.get_extent()[3] for image in axes.images})
    assert len(rows) == 2  # two panels in the first row, one in the second
    [width, height] = {
        (round(each.get_width(), 6), round(each.get_height(), 6)) for each in axes.patches
    }.pop()
    assert width / height == 8 / 6
    assert made.file.count("data:image/png") == 3
