"""Figures of networks' insides: findings by hand, what is drawn, in which studies, of whom."""

import base64
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from convchoice.reporting.drawing import WIDTH_INCHES, style
from convchoice.reporting.filter_figure import (
    contrasting,
    filter_figure,
    filter_finding,
    scales,
)
from convchoice.reporting.inside_view import first_arms, span
from convchoice.reporting.pixel_use_figures import (
    edge_figure,
    edge_finding,
    map_finding,
    use_map_figure,
)
from convchoice.reporting.receptive_field_figures import (
    field_figure,
    field_finding,
    groups_of,
    middle_figure,
    middle_finding,
)
from convchoice.reporting.response_figure import response_figure, stage_of
from convchoice.reporting.sheet import (
    ABOVE,
    BELOW,
    GROUND_OPACITY,
    TILE_PIXELS,
    mosaic,
    shades,
    signed_colours,
)
from convchoice.reporting.svg import RenderedFigure
from made_up_inside import made_up_inside
from making import LECTURE, Compared

ERRORS = {"max": [10, 11], "average": [30, 33]}
SAME = {"conv": {"padding": "same"}}
PIXEL_USE = ["edge-pixels", "pixel-use"]
FIELDS = ["receptive-fields", "effective-fields"]
LAYERS = ["filters", "responses"]


def options(**config: Any) -> dict[str, dict[str, Any]]:
    """Both arms with an inside; the second's is of a padded network with these settings."""
    padded = made_up_inside(1, edge=0.75, padded=True)
    return {
        "max": {"inside": made_up_inside()},
        "average": {"inside": padded, "config": config},
    }


def drawn(comparison: dict[str, Any]) -> list[RenderedFigure]:
    """The figures of insides, without the others of a report."""
    makers = (
        edge_figure, use_map_figure, field_figure, middle_figure, filter_figure, response_figure,
    )  # fmt: skip
    with style():
        made = [maker(comparison) for maker in makers]
    return [picture for picture in made if picture is not None]


def insides(comparison: dict[str, Any]) -> dict[str, Any]:
    return {arm: item["inside"] for arm, item in comparison["arms"].items()}


def added(pictures: list[RenderedFigure]) -> list[str]:
    return [picture.name.removeprefix("pooling-") for picture in pictures]


def named(pictures: list[RenderedFigure], name: str) -> RenderedFigure:
    [found] = [picture for picture in pictures if picture.name == f"pooling-{name}"]
    return found


# Where each belongs


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SAME, [*PIXEL_USE, *FIELDS, *LAYERS]),
        ({"downsample": {"operator": "average"}}, [*FIELDS, *LAYERS]),
        ({"model": {"first_layer": "locally_connected"}}, [*FIELDS, *LAYERS]),
        ({"data": {"train_size": 300}}, FIELDS),
    ],
)
def test_a_figure_is_where_what_it_shows_can_differ(
    compared: Compared, config: dict[str, Any], expected: list[str]
) -> None:
    assert added(drawn(compared(ERRORS, options=options(**config)))) == expected


def test_one_arm_alone_is_shown_whole(compared: Compared) -> None:
    pictures = drawn(
        compared({"lecture": [10]}, LECTURE, {"lecture": {"inside": made_up_inside()}})
    )
    assert [picture.name for picture in pictures] == [
        f"lecture-{name}" for name in [*PIXEL_USE, *FIELDS, *LAYERS]
    ]
    assert pictures[2].title == "The middle cell of the last map sees 10×8 pixels"


def test_files_from_before_have_none_of_them(compared: Compared) -> None:
    comparison = compared(ERRORS, options={"average": {"config": SAME}})
    assert added(drawn(comparison)) == []
    for arm in comparison["arms"].values():
        del arm["inside"]
    assert added(drawn(comparison)) == []


def test_an_arm_without_places_is_left_out_of_what_needs_them(compared: Compared) -> None:
    dense = replace(made_up_inside(), reads={}, fields={}, middle_gradient=None)
    made = options(**SAME) | {"max": {"inside": dense}}
    pictures = drawn(compared(ERRORS, options=made))
    assert added(pictures) == [*PIXEL_USE, *FIELDS, *LAYERS]
    assert "max" not in named(pictures, "edge-pixels").alt
    assert "max" not in named(pictures, "receptive-fields").alt
    assert "max: 5 filters of 3×3" in named(pictures, "filters").alt


# Findings


def test_spans_by_hand() -> None:
    assert span({"a": 1.234}, 2) == "1.23"
    assert span({"a": 2.0, "b": 2.001}, 2) == "2.00 (every arm)"
    assert span({"a": 2.0, "b": 1.0, "c": 1.5}, 1) == "1.0 (b) to 2.0 (a)"
    assert span({"a": 0, "b": 0, "c": 5}, 0) == "0 (a and b) to 5 (c)"
    assert span({"a": 0, "b": 0, "c": 5, "d": 0}, 0) == "0 (3 arms) to 5 (c)"


def test_the_use_of_edges_by_hand(compared: Compared) -> None:
    found = insides(compared(ERRORS, options=options(**SAME)))
    # Rows 1 2 4 4 4 4 2 1 by columns of ones: the 28 outermost of 64 pixels have a sum of
    # 2·8·1 + 2·(2 + 4 + 4 + 4 + 4 + 2) = 56, a mean of 2, beside 22·8/64 = 2.75 of all.
    # By gradient 0.5 beside (28·0.5 + 36)/64 = 0.78 and 0.75 beside 0.89.
    assert edge_finding(found) == (
        "Beside the mean pixel the outermost pixels are used 0.73 (every arm) times as much,"
        " counted, and 0.64 (max) to 0.84 (average) times by gradient"
    )


def test_pixels_that_nobody_reads_by_hand(compared: Compared) -> None:
    rows = np.array([0, 1, 1, 1, 1, 1, 0, 0])
    blind = replace(made_up_inside(), reads={"block1.convolution": (rows, np.ones(8, dtype=int))})
    made = options(**SAME) | {"max": {"inside": blind}}
    assert map_finding(insides(compared(ERRORS, options=made))) == (
        "Of 64 pixels, those that no cell of the last map can see: 0 (average) to 24 (max)"
    )


def test_fields_by_hand(compared: Compared) -> None:
    wider = replace(made_up_inside(), fields={"block1.convolution": np.array([[2, 6], [2, 6]])})
    same = insides(compared(ERRORS, options=options(**SAME)))
    assert [arms for arms, _ in groups_of(same)] == [["max", "average"]]
    assert field_finding(groups_of(same)) == (
        "The middle cell of the last map sees 10×8 pixels in every arm"
    )
    made = options(**SAME) | {"average": {"inside": wider, "config": SAME}}
    comparison = compared(ERRORS, options=made)
    assert field_finding(groups_of(insides(comparison))) == (
        "The middle cell of the last map sees 5×5 (average) to 10×8 pixels (max)"
    )
    # Half of 16 equal pixels are 8; of 10×8 with a row of padding on each side 64 can be seen.
    assert middle_finding(insides(comparison)) == (
        "Of the 25 to 64 pixels that the middle cell of the last map can see, so many hold half of"
        " its gradient: 8 (every arm)"
    )


def test_filters_that_contrast_by_hand() -> None:
    edge = [[1.0, -1.0], [1.0, -1.0]]
    blur = [[1.0, 1.0], [1.0, 1.0]]
    leaning = [[1.0, 1.0], [1.0, -1.0]]  # 2 of 4: not below half
    filters = np.array([[edge], [blur], [leaning]])
    assert contrasting(filters) == 1
    assert filter_finding({"max": filters}) == (
        "1 of 3 first-layer filters shown contrast pixels rather than add them up"
    )
    assert filter_finding({"max": filters, "average": filters[:1]}) == (
        "1 of 3 (max) to 1 of 1 (average) first-layer filters shown contrast pixels rather than"
        " add them up"
    )


def test_filters_of_one_size_share_a_scale() -> None:
    filters = {
        "a": np.full((1, 1, 3, 3), 0.5), "b": np.full((2, 1, 3, 3), -2.0),
        "c": np.full((1, 1, 5, 5), 0.1),
    }  # fmt: skip
    assert scales(filters) == {"a": 2.0, "b": 2.0, "c": 0.1}


def test_stages_have_words() -> None:
    assert stage_of("block1.detector") == ("block 1", "convolved")
    assert stage_of("block2.downsample_pooling") == ("block 2", "downsampled")


def test_arms_beyond_what_fits_are_said() -> None:
    every: dict[str, Any] = {"a": {}, "b": {}, "c": {}}
    assert first_arms(every, 3) == (every, "")
    assert first_arms(every, 1) == ({"a": {}}, " Not shown: b and c.")


# What is drawn


def test_shades_by_hand() -> None:
    found = shades(np.array([[0.0, 2.0, -2.0, 9.0]]), 2.0)
    assert found.shape == (1, 4, 4)
    assert found[0, 0, 3] == round(255 * GROUND_OPACITY)
    assert found[0, 1].tolist() == found[0, 3].tolist() == [*ABOVE, 255]
    assert found[0, 2].tolist() == [*BELOW, 255]
    assert shades(np.zeros((1, 1)), 0.0)[0, 0, 3] == round(255 * GROUND_OPACITY)


def test_weights_of_colours_by_hand() -> None:
    weights = np.array([[[1.0]], [[0.0]], [[-1.0]]])
    assert signed_colours(weights, 1.0)[0, 0].tolist() == [255, 128, 0, 255]


def test_a_mosaic_enlarges_by_whole_factors_with_clear_gaps() -> None:
    tiles = [np.full((3, 3, 4), shade, dtype=np.uint8) for shade in (1, 2, 3)]
    made = mosaic(tiles, 2)
    side, gap = TILE_PIXELS, TILE_PIXELS // 6
    assert made.shape == (2 * side + gap, 2 * side + gap, 4)
    assert (made[:side, :side] == 1).all()
    assert (made[:side, side + gap :] == 2).all()
    assert (made[side + gap :, :side] == 3).all()
    assert (made[:, side : side + gap] == 0).all()
    assert (made[side + gap :, side:] == 0).all()


def test_figures_tell_who_and_how_many(compared: Compared) -> None:
    pictures = drawn(compared(ERRORS, options=options(**SAME)))
    assert "n = 2 seeds an arm, 100 test images." in named(pictures, "edge-pixels").caption
    assert (
        "n = 1 image, seed 0 of each arm, after training." in named(pictures, "responses").caption
    )
    assert "test image 1, of class 2" in named(pictures, "receptive-fields").caption
    assert "n = 1: seed 0 of each arm" in named(pictures, "filters").caption
    alt = named(pictures, "responses").alt
    assert "max: block 1 convolved 6×6, at most 0.99" in alt
    assert "block 2 convolved 1×1, at most 2.00" in alt
    for name in [*PIXEL_USE, *FIELDS, *LAYERS]:
        picture = named(pictures, name)
        assert len(picture.title) < 200
        assert picture.caption.endswith(".")
        assert re.search(r"\d", picture.title)


def test_pictures_travel_in_the_drawing_and_are_as_wide_as_the_others(compared: Compared) -> None:
    pictures = drawn(compared(ERRORS, options=options(**SAME)))
    expected = {
        "pixel-use": 4, "receptive-fields": 1, "effective-fields": 2, "filters": 2, "responses": 8,
    }  # fmt: skip
    for name, count in expected.items():
        picture = named(pictures, name)
        embedded = re.findall(r'href="data:image/png;base64,([^"]+)"', picture.inline)
        assert len(embedded) == count, name
        assert all(base64.b64decode(data).startswith(b"\x89PNG") for data in embedded)
        width = re.search(r'viewBox="0 0 ([\d.]+) ', picture.inline)
        assert width is not None
        assert float(width[1]) == pytest.approx(72 * WIDTH_INCHES)


def test_a_step_that_an_arm_does_not_have_is_said(compared: Compared) -> None:
    inside = made_up_inside(1)
    strided = {layer: maps for layer, maps in inside.maps.items() if "downsample" not in layer}
    made = options(**SAME) | {
        "average": {"inside": replace(inside, maps=strided), "config": SAME},
    }
    picture = named(drawn(compared(ERRORS, options=made)), "responses")
    assert picture.inline.count("no such") == 1


def test_colours_are_drawn_too(compared: Compared) -> None:
    colours = replace(
        made_up_inside(),
        images=np.zeros((3, 3, 8, 8), dtype=np.uint8),
        filters=np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32),
    )
    made = {arm: {**given, "inside": colours} for arm, given in options(**SAME).items()}
    pictures = drawn(compared(ERRORS, options=made))
    assert "5 filters of 3×3×3" in named(pictures, "filters").alt


def test_the_same_insides_give_the_same_bytes(compared: Compared) -> None:
    comparison = compared(ERRORS, options=options(**SAME))
    assert [item.inline for item in drawn(comparison)] == [
        item.inline for item in drawn(comparison)
    ]
