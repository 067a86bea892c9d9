"""Figures of trained networks: numbers by hand, and in which studies they appear."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from convchoice.analysis.result import Comparison
from convchoice.reporting.introspection_figures import stage_of
from convchoice.reporting.page import figures_of
from convchoice.reporting.rendering import RenderedFigure
from made_up_introspection import introspected

ERRORS = {"max": [10, 11], "average": [30, 33]}
NAMES = ["edge-pixels", "receptive-fields", "filters", "responses"]
SAME = {"conv": {"padding": "same"}}


def drawn(comparison: Comparison) -> dict[str, RenderedFigure]:
    found = {each.name.partition("-")[2]: each for each in figures_of(comparison)}
    return {name: found[name] for name in NAMES if name in found}


def two(made: Any, inside: Any = None, **config: Any) -> Comparison:
    """Two arms with recorded networks; the second has its own configuration and network."""
    second = {"inside": inside or introspected(1), "config": config}
    return made(ERRORS, None, {"max": {"inside": introspected()}, "average": second})


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SAME, NAMES),
        ({"downsample": {"operator": "average"}}, NAMES[1:]),
        ({"data": {"train_size": 300}}, []),
    ],
)
def test_a_figure_appears_where_it_can_differ(made: Any, config: Any, expected: list[str]):
    assert list(drawn(two(made, **config))) == expected


def test_without_records_or_without_places_there_are_fewer(made: Any):
    assert drawn(made(ERRORS, None, {"average": {"config": SAME}})) == {}
    dense = replace(introspected(), reads={}, fields={}, middle_gradient=None)
    figures = drawn(two(made, dense, **SAME))
    assert "average" not in figures["edge-pixels"].alt
    assert "average" not in figures["receptive-fields"].alt
    assert "average: 3×3" in figures["filters"].alt


def test_the_use_of_edges_by_hand(figures: dict[str, RenderedFigure]):
    # Rows 1 2 4 4 4 4 2 1 by columns of ones: the 28 outermost of 64 pixels have a sum of
    # 2·8·1 + 2·(2 + 4 + 4 + 4 + 4 + 2) = 56, a mean of 2, beside 22·8/64 = 2.75 of all.
    # By gradient 0.5 beside (28·0.5 + 36)/64 = 0.78 and 0.75 beside 0.89.
    alt = figures["edge-pixels"].alt
    assert "by geometry, last map, max: 0.727 at 0" in alt
    assert "by gradient, max: 0.64 at 0" in alt
    assert "by gradient, average: 0.842 at 0" in alt
    assert "n = 3 seeds per arm, 100 test images." in figures["edge-pixels"].caption


def test_pixels_that_no_cell_sees_are_counted_by_hand(made: Any):
    rows = np.array([0, 1, 1, 1, 1, 1, 0, 0])
    blind = replace(introspected(), reads={"block1.convolution": (rows, np.ones(8, dtype=int))})
    caption = drawn(two(made, blind, **SAME))["edge-pixels"].caption
    assert "Pixels that no cell of the last map sees: max 0 and average 24." in caption


def test_receptive_fields_by_hand(made: Any):
    wider = replace(introspected(), fields={"block1.convolution": np.array([[2, 6], [2, 6]])})
    figure = drawn(two(made, wider, **SAME))["receptive-fields"]
    # Half of the 16 equal pixels of the middle cell's gradient are 8.
    assert (
        "block2 convolution 10×8, half in 8 pixels; average: block1 convolution 5×5" in figure.alt
    )
    assert figure.inline.count("data:image/png") == 2


def test_responses_have_a_place_a_stage(made: Any, figures: dict[str, RenderedFigure]):
    assert stage_of("block1.detector") == "block 1 convolved"
    assert stage_of("block2.downsample_pooling") == "block 2 downsampled"
    responses = figures["responses"]
    assert "test image 1, of class 2" in responses.caption
    assert "n = 1: seed 0, after training." in responses.caption
    assert "max: block 1 convolved 6×6, block 1 downsampled 3×3" in responses.alt
    assert responses.inline.count("data:image/png") == 3 * 4
    inside = introspected(1)
    strided = {layer: maps for layer, maps in inside.maps.items() if "downsample" not in layer}
    figure = drawn(two(made, replace(inside, maps=strided), **SAME))["responses"]
    assert figure.inline.count("data:image/png") == 4 + 3
    assert len(re.findall(r"to [\d.]+<", figure.inline)) == 3  # a scale below each stage


def test_filters_of_colours_are_drawn(made: Any):
    weights = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)
    images = np.zeros((3, 3, 8, 8), dtype=np.uint8)
    colours = replace(introspected(), images=images, filters=weights)
    options = {"max": {"inside": colours}, "average": {"inside": colours, "config": SAME}}
    assert "average: 3×3×3" in drawn(made(ERRORS, None, options))["filters"].alt
