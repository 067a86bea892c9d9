"""Colours of values, mosaics, and grids of pictures, by hand."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from convchoice.reporting.drawing import style
from convchoice.reporting.pictures import (
    ABOVE,
    BELOW,
    Frame,
    Picture,
    mosaic,
    picture_grid,
    shades,
    signed_colours,
)


def test_shades_and_weights_of_colours_by_hand():
    found = shades(np.array([[0.0, 2.0, -2.0, 9.0]]), 2.0)
    above, below = ([round(255 * part) for part in to_rgb(name)] for name in (ABOVE, BELOW))
    assert found[0, 0].tolist() == [128, 128, 128, 36]
    assert found[0, 1].tolist() == found[0, 3].tolist() == [*above, 255]
    assert found[0, 2].tolist() == [*below, 255]
    assert shades(np.zeros((1, 1)), 0.0)[0, 0, 3] == 36
    weights = np.array([[[1.0]], [[0.0]], [[-1.0]]])
    assert signed_colours(weights, 1.0)[0, 0].tolist() == [255, 128, 0, 255]


def test_a_mosaic_has_clear_gaps():
    made = mosaic([np.full((3, 3, 4), shade, dtype=np.uint8) for shade in (1, 2, 3)], 2)
    assert made.shape == (13, 13, 4)  # twice 6 pixels and a gap of 1
    for rows, columns, shade in (((0, 6), (0, 6), 1), ((0, 6), (7, 13), 2), ((7, 13), (0, 6), 3)):
        assert (made[slice(*rows), slice(*columns)] == shade).all()
    assert not made[6].any()
    assert not made[:, 6].any()
    assert not made[7:, 7:].any()


def test_a_grid_places_pictures_frames_and_texts():
    pixels, frames = np.zeros((4, 8), dtype=np.uint8), [Frame((-1, 4), (0, 7), "#123456")]
    framed = Picture(pixels, "above", "one\ntwo", frames)
    with style():
        figure = picture_grid([[framed, None], [Picture(pixels)]], 2)
        boxes = [axes.get_window_extent() for axes in figure.axes]
        texts = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert texts == {"above": "#0f0f01", "one": "#123456", "two": "#0f0f01"}
    assert figure.axes[0].axis() == (-1, 9, 5, -1)  # the frame leaves the image by a pixel
    assert [box.width / box.height for box in boxes] == pytest.approx([10 / 6, 8 / 4])
    assert boxes[0].x0 == boxes[1].x0
    assert boxes[0].y0 > boxes[1].y1
    [patch] = figure.axes[0].patches
    assert (patch.get_width(), patch.get_height()) == (8, 6)
