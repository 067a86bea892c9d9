"""Figures of trained networks: findings by hand, and in which studies they appear."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from convchoice.analysis.result import Comparison
from convchoice.reporting.drawing import style
from convchoice.reporting.introspection_figures import (
    BORDER_KEYS,
    arms_of,
    contrasting,
    edge_figure,
    edge_finding,
    filter_figure,
    filter_finding,
    first_arms,
    response_figure,
    stage_of,
)
from convchoice.reporting.receptive_field_figures import (
    effective_field_figure,
    field_figure,
    field_finding,
    field_groups,
)
from convchoice.reporting.svg import RenderedFigure
from made_up_inside import made_up_inside

ERRORS = {"max": [10, 11], "average": [30, 33]}
SAME = {"conv": {"padding": "same"}}
WIDER = replace(made_up_inside(), fields={"block1.convolution": np.array([[2, 6], [2, 6]])})


def drawn(comparison: Comparison) -> dict[str, RenderedFigure]:
    makers = (edge_figure, field_figure, effective_field_figure, filter_figure, response_figure)
    with style():
        found = [maker(comparison) for maker in makers]
    return {each.name.partition("-")[2]: each for each in found if each is not None}


def two(made: Any, inside: Any = WIDER, **config: Any) -> Comparison:
    """Two arms with recorded networks; the second has its own configuration and network."""
    options = {"max": {"inside": made_up_inside()}, "average": {"inside": inside, "config": config}}
    return made(ERRORS, None, options)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SAME, ["edge-pixels", "receptive-fields", "effective-fields", "filters", "responses"]),
        ({"downsample": {"operator": "average"}},
         ["receptive-fields", "effective-fields", "filters", "responses"]),
        ({"data": {"train_size": 300}}, ["receptive-fields"]),
    ],
)  # fmt: skip
def test_a_figure_appears_where_it_can_differ(made: Any, config: Any, expected: list[str]):
    assert list(drawn(two(made, **config))) == expected


def test_a_study_of_one_arm_has_them_all(published: Comparison):
    figures = drawn(published)
    assert len(figures) == 5
    assert figures["receptive-fields"].title == (
        "Pixels that the middle cell of the last map sees: 80"
    )


def test_without_records_or_without_places_there_are_fewer(made: Any):
    assert drawn(made(ERRORS, None, {"average": {"config": SAME}})) == {}
    dense = replace(made_up_inside(), reads={}, fields={}, middle_gradient=None)
    figures = drawn(two(made, dense, **SAME))
    assert "average" not in figures["edge-pixels"].alt
    assert "average" not in figures["effective-fields"].alt
    assert "average: 5 filters of 3×3" in figures["filters"].alt


def test_the_use_of_edges_by_hand(comparison: Comparison):
    # Rows 1 2 4 4 4 4 2 1 by columns of ones: the 28 outermost of 64 pixels have a sum of
    # 2·8·1 + 2·(2 + 4 + 4 + 4 + 4 + 2) = 56, a mean of 2, beside 22·8/64 = 2.75 of all.
    # By gradient 0.5 beside (28·0.5 + 36)/64 = 0.78 and 0.75 beside 0.89.
    assert edge_finding(arms_of(comparison, BORDER_KEYS)) == (
        "Use of the outermost pixels relative to the mean pixel: 0.73 (every arm) by geometry,"
        " 0.64 (max and strided) to 0.84 (average) by gradient"
    )


def test_pixels_that_no_cell_sees_are_counted_by_hand(made: Any):
    rows = np.array([0, 1, 1, 1, 1, 1, 0, 0])
    blind = replace(made_up_inside(), reads={"block1.convolution": (rows, np.ones(8, dtype=int))})
    caption = drawn(two(made, blind, **SAME))["edge-pixels"].caption
    assert "Pixels that no cell of the last map sees: 0 (max) to 24 (average)." in caption


def test_receptive_fields_by_hand(made: Any):
    comparison = two(made, **SAME)
    arms = arms_of(comparison, BORDER_KEYS)
    assert [names for names, _ in field_groups(arms)] == [["max"], ["average"]]
    assert field_finding(arms) == (
        "Pixels that the middle cell of the last map sees: 25 (average) to 80 (max)"
    )
    # Half of 16 equal pixels are 8; of 10×8 with a row of padding on each side 64 are visible.
    assert drawn(comparison)["effective-fields"].title == (
        "Of 25 (average) to 64 (max) pixels that the middle cell of the last map sees, 8 (every"
        " arm) hold half of its gradient"
    )
    alike = two(made, made_up_inside(1), **SAME)
    assert "receptive-fields" not in drawn(alike)


def test_filters_that_contrast_by_hand():
    edge = [[1.0, -1.0], [1.0, -1.0]]
    blur = [[1.0, 1.0], [1.0, 1.0]]
    leaning = [[1.0, 1.0], [1.0, -1.0]]  # 2 of 4: not below half
    filters = np.array([[edge], [blur], [leaning]])
    assert contrasting(filters) == 1
    assert filter_finding({"max": filters, "average": filters[[0, 0, 1]]}) == (
        "Of 3 first-layer filters shown, 1 (max) to 2 (average) contrast pixels"
    )
    assert filter_finding({"max": filters, "average": filters[:1]}) == (
        "First-layer filters shown that contrast pixels: 33 % (max) to 100 % (average)"
    )


def test_stages_and_arms_that_are_left_out():
    assert stage_of("block1.detector") == "block 1 convolved"
    assert stage_of("block2.downsample_pooling") == "block 2 downsampled"
    every: Any = {f"arm{number}": None for number in range(14)}
    shown, left_out = first_arms(every)
    assert len(shown) == 12
    assert left_out == " Not shown: arm12 and arm13."


def test_captions_name_image_seeds_and_counts(figures: dict[str, RenderedFigure]):
    assert "n = 3 seeds per arm, 100 test images." in figures["edge-pixels"].caption
    assert "test image 1, of class 2" in figures["responses"].caption
    assert "n = 1 image, seed 0 of each arm, after training." in figures["responses"].caption
    assert "max: block 1 convolved 6×6, at most 0.99" in figures["responses"].alt
    assert figures["responses"].inline.count("data:image/png") == 3 * 4


def test_a_missing_step_leaves_its_place_empty(made: Any):
    inside = made_up_inside(1)
    strided = {layer: maps for layer, maps in inside.maps.items() if "downsample" not in layer}
    figure = drawn(two(made, replace(inside, maps=strided), **SAME))["responses"]
    assert figure.inline.count("data:image/png") == 4 + 3


def test_filters_of_colours_are_drawn(made: Any):
    colours = replace(
        made_up_inside(),
        images=np.zeros((3, 3, 8, 8), dtype=np.uint8),
        filters=np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32),
    )
    options = {
        arm: {"inside": colours, "config": SAME if arm == "average" else {}} for arm in ERRORS
    }
    assert "5 filters of 3×3×3" in drawn(made(ERRORS, None, options))["filters"].alt
