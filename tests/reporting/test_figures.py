"""Which figures a study has, their numbers by hand in the alternative texts, and their pictures."""

import re
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from convchoice import reporting
from convchoice.analysis.result import Comparison
from convchoice.reporting import prediction_figures
from convchoice.reporting.image_grids import (
    ABOVE,
    BELOW,
    Frame,
    Picture,
    picture_grid,
    shades,
    signed_colours,
)
from convchoice.reporting.introspection_figures import stage_of
from convchoice.reporting.page import figures_of
from convchoice.reporting.plots import INKS, looks, style
from convchoice.reporting.prediction_figures import flip_figures
from convchoice.reporting.rendering import RenderedFigure
from convchoice.reporting.score_figures import differences_figure
from made_up_reports import introspected
from made_up_results import made_up_comparison
from made_up_runs import DIGITS, LECTURE, curve_points, study_values

ERRORS = {"max": [10, 11], "average": [30, 33]}
CURVES = {"shift", "rotation", "scale", "input-size", "equivariance"}


def named(comparison: Comparison) -> dict[str, RenderedFigure]:
    return {each.name.partition("-")[2]: each for each in figures_of(comparison)}


def test_a_study_with_everything_has_every_figure(figures):
    assert list(figures) == [
        "differences", "seeds", "accuracy-against-macs", "learning-curves", "shift", "rotation",
        "scale", "input-size", "equivariance", "edge-pixels", "receptive-fields", "filters",
        "responses", "confusion", "flips-average", "flips-strided",
    ]  # fmt: skip
    for figure in figures.values():
        assert figure.caption.endswith(".")
        assert "n = " in figure.caption
        assert figure.alt.endswith(".")


def test_figures_without_numbers_are_left_out(comparison_of, published):
    bare = ["differences", "seeds", "confusion"]
    assert list(named(comparison_of({"max": [10], "average": [12]}))) == bare
    assert differences_figure(made_up_comparison({})) is None
    drawn = named(published)
    assert list(drawn) == [
        "seeds", "learning-curves", "edge-pixels", "receptive-fields", "filters", "responses",
        "confusion",
    ]  # fmt: skip
    assert "Dashed: the published run, 99.21, with its Wilson" in drawn["seeds"].caption
    assert "Crosses: the published run" in drawn["learning-curves"].caption
    for options in ({}, {"dataset": DIGITS, "epochs": 5}):  # of another training
        comparison = comparison_of({"lecture": [5, 9]}, LECTURE, {"lecture": options})
        assert "published" not in named(comparison)["seeds"].caption


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("differences", "average − max, inconclusive: −0.50 –; strided − max, inconclusive:"),
        ("seeds", "test accuracy, %: max: 98.90 [98.62, 99.12]; average: 98.40"),
        ("accuracy-against-macs", "max: 2.79, 98.90; average: 0.70, 98.40"),
        ("learning-curves", "validation accuracy, %, average: 97.1 at 1, 97.5 at 2"),
        ("shift", "diagonal, average: 75 at -4, 95 at 0, 75 at 4"),
        ("rotation", "max: 95 at 0, 90 at 45, 90 at 90"),
        ("scale", "average: 75 at 0.7, 95 at 1, 75 at 1.5"),
        ("input-size", "max: 90 at 26, 90 at 28;"),  # 30 pixels are not accepted
        ("equivariance", "rotation by 90°, max, away from borders: 0.75 to 0.75"),
        ("confusion", "average: 6 predicted as 7, 2.0 per seed"),
        ("flips-average", "correct in max, wrong in average: 1, not 2, 1 of 3; 3, not 4, 1 of 3"),
        ("flips-average", "With one seed or more 15 images are correct"),
        (
            "flips-average",
            "exceeds half of the seeds for 0 images in favour of average and 0 in favour of max.",
        ),
        ("shift", "Grey: more than 1 % of the ink"),
        ("shift", "n = 3 seeds per arm, 500 test images."),
        ("edge-pixels", "n = 3 seeds per arm, 100 test images."),
        # Rows 1 2 4 4 4 4 2 1 by columns of ones: the 28 outermost of 64 pixels have a sum of
        # 2·8·1 + 2·(2 + 4 + 4 + 4 + 4 + 2) = 56, a mean of 2, beside 22·8/64 = 2.75 of all.
        # By gradient 0.5 beside (28·0.5 + 36)/64 = 0.78 and 0.75 beside 0.89.
        ("edge-pixels", "by geometry, last map, max: 0.727 at 0"),
        ("edge-pixels", "by gradient, max: 0.64 at 0"),
        ("edge-pixels", "by gradient, average: 0.842 at 0"),
        ("responses", "test image 1, of class 2"),
        ("responses", "n = 1: seed 0, after training."),
        ("responses", "max: block 1 convolved 6×6, block 1 downsampled 3×3"),
    ],
)
def test_numbers_by_hand(figures, name, numbers):
    assert numbers in figures[name].alt + figures[name].caption


def test_one_seed_single_points_and_curves_of_different_lengths_are_drawn(comparison_of):
    points = [point for point in curve_points() if point.value in {4, 45, 0.7, 30, 90}]
    options = {"max": {"curves": [], "epochs": 1}, "average": {"curves": points, "epochs": 3}}
    found = named(comparison_of({"max": [10], "average": [12]}, None, options))
    assert set(found) & CURVES == CURVES - {"input-size"}  # no size is accepted
    assert "max: 0.202 at 1;" in found["learning-curves"].alt
    assert "max" not in found["rotation"].alt
    assert "var(--series-2" in found["rotation"].inline  # an arm keeps its colour
    assert "var(--series-1" not in found["rotation"].inline


def test_costs_that_most_arms_share_are_not_drawn(comparison_of):
    costs = {"max": 10, "average": 10, "strided": 10, "l2": 10, "weighted": 20}
    options = {arm: {"metrics": {"cost/macs": macs}} for arm, macs in costs.items()}
    study = study_values(arms=list(costs)[1:])
    errors = {arm: [10] for arm in costs}
    assert "accuracy-against-macs" not in named(comparison_of(errors, study, options))
    options["l2"]["metrics"]["cost/macs"] = 30
    assert "accuracy-against-macs" in named(comparison_of(errors, study, options))


def test_a_metric_of_which_less_is_better_and_a_long_label(comparison_of):
    metric = "test/rotation_accuracy_mean"
    options = {arm: {"metrics": {metric: 0.5, "cost/macs": 10**9}} for arm in ERRORS}
    options["max"]["metrics"] = {metric: 0.5}
    file = named(comparison_of(ERRORS, study_values(metric=metric), options))["differences"].file
    lines = re.findall(r">(difference in test rotation|accuracy mean, pp)<", file)
    assert lines == ["difference in test rotation", "accuracy mean, pp"]
    less = named(comparison_of(ERRORS, study_values(metric="test/nll", margin=0.01), options))
    assert less["differences"].file.index("← better") < less["differences"].file.index("worse →")
    assert "average: 1000.00, 0.0830" in less["accuracy-against-macs"].alt


def test_the_largest_differences_show_their_flips(comparison, monkeypatch):
    monkeypatch.setattr(prediction_figures, "MOST_FLIP_FIGURES", 1)
    largest = max(comparison.contrasts, key=lambda each: abs(each.difference.mean))
    with style():
        [shown] = flip_figures(comparison)
    assert shown.name.endswith(f"flips-{comparison.key(largest)}")


def test_images_without_a_picture_are_left_out(comparison, comparison_of):
    lost = {flip.image for flip in comparison.contrasts[0].flips.lost[:2]}
    pictures = {index: each for index, each in comparison.pictures.items() if index not in lost}
    colours = {arm: {"picture_shape": (3, 8, 8)} for arm in ERRORS}
    with style():
        [first, *_] = flip_figures(comparison.model_copy(update={"pictures": pictures}))
        assert flip_figures(comparison.model_copy(update={"pictures": {}})) == [None, None]
        [coloured] = flip_figures(comparison_of(ERRORS, None, colours))
    assert first.inline.count("data:image/png") == 4
    assert coloured is not None


NAMES = ["edge-pixels", "receptive-fields", "filters", "responses"]
SAME = {"conv": {"padding": "same"}}


def drawn(comparison: Comparison) -> dict[str, RenderedFigure]:
    found = {each.name.partition("-")[2]: each for each in figures_of(comparison)}
    return {name: found[name] for name in NAMES if name in found}


def two(comparison_of: Any, inside: Any = None, **config: Any) -> Comparison:
    """Two arms with recorded networks; the second has its own configuration and network."""
    second = {"inside": inside or introspected(1), "config": config}
    return comparison_of(ERRORS, None, {"max": {"inside": introspected()}, "average": second})


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SAME, NAMES),
        ({"downsample": {"operator": "average"}}, NAMES[1:]),
        ({"data": {"train_size": 300}}, []),
    ],
)
def test_a_figure_appears_where_it_can_differ(comparison_of, config, expected):
    assert list(drawn(two(comparison_of, **config))) == expected


def test_receptive_fields_and_unseen_pixels_by_hand(comparison_of):
    rows = np.array([0, 1, 1, 1, 1, 1, 0, 0])
    inside = replace(
        introspected(),
        fields={"block1.convolution": np.array([[2, 6], [2, 6]])},
        reads={"block1.convolution": (rows, np.ones(8, dtype=int))},
    )
    found = drawn(two(comparison_of, inside, **SAME))
    # Half of the 16 equal pixels of the middle cell's gradient are 8.
    alt = "block2 convolution 10×8, half in 8 pixels; average: block1 convolution 5×5"
    assert alt in found["receptive-fields"].alt
    assert found["receptive-fields"].inline.count("data:image/png") == 2
    unseen = "Pixels that no cell of the last map sees: max 0 and average 24."
    assert unseen in found["edge-pixels"].caption


def test_responses_have_a_place_a_stage(comparison_of, figures):
    assert stage_of("block1.detector") == "block 1 convolved"
    assert stage_of("block2.downsample_pooling") == "block 2 downsampled"
    assert figures["responses"].inline.count("data:image/png") == 3 * 4
    inside = introspected(1)
    strided = {layer: maps for layer, maps in inside.maps.items() if "downsample" not in layer}
    # A dense first layer has no places; filters of colours are drawn.
    weights = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)
    dense = replace(inside, maps=strided, reads={}, fields={}, middle_gradient=None)
    found = drawn(two(comparison_of, replace(dense, filters=weights), **SAME))
    assert found["responses"].inline.count("data:image/png") == 4 + 3
    assert "average" not in found["edge-pixels"].alt + found["receptive-fields"].alt
    assert "average: 3×3×3" in found["filters"].alt


def test_shades_and_weights_of_colours_by_hand():
    found = shades(np.array([[0.0, 2.0, -2.0, 9.0]]), 2.0)
    above, below = ([round(255 * part) for part in to_rgb(name)] for name in (ABOVE, BELOW))
    assert found[0, 0].tolist() == [128, 128, 128, 36]
    assert found[0, 1].tolist() == found[0, 3].tolist() == [*above, 255]
    assert found[0, 2].tolist() == [*below, 255]
    assert shades(np.zeros((1, 1)), 0.0)[0, 0, 3] == 36
    weights = np.array([[[1.0]], [[0.0]], [[-1.0]]])
    assert signed_colours(weights, 1.0)[0, 0].tolist() == [255, 128, 0, 255]


def test_a_grid_places_pictures_frames_and_texts():
    pixels, frames = np.zeros((4, 8), dtype=np.uint8), [Frame((-1, 4), (0, 7), "#123456")]
    framed = Picture(pixels, "above", "one\ntwo", frames)
    with style():
        figure = picture_grid([[framed, None], [Picture(pixels)]], 2)
        boxes = [axes.get_window_extent() for axes in figure.axes]
    assert figure.axes[0].axis() == (-1, 9, 5, -1)  # the frame leaves the image by a pixel
    assert [box.width / box.height for box in boxes] == pytest.approx([10 / 6, 8 / 4])
    assert (boxes[0].x0, boxes[0].y0 > boxes[1].y1) == (boxes[1].x0, True)
    [patch] = figure.axes[0].patches
    assert (patch.get_width(), patch.get_height()) == (8, 6)


CSS = files(reporting) / "templates" / "report.css"


@pytest.mark.parametrize("place", [0, 1])
def test_no_two_of_15_arms_share_a_colour_or_a_marker(place):
    styles = looks([f"arm{number}" for number in range(240)]).values()
    assert len({look[place] for look in list(styles)[:15]}) == 15
    assert len(set(styles)) == 240


def test_the_page_defines_every_colour_in_light_and_dark():
    light, dark = CSS.read_text().split("prefers-color-scheme: dark", 1)
    variables = {ink.in_page[4:-1]: ink.in_file for ink in INKS if ink.in_page.startswith("var(")}
    assert len(set(variables.values())) == len(variables) == 27
    for variable, colour in variables.items():
        assert f"{variable}: {colour}" in light
        assert re.search(rf"{variable}: #\w{{6}}", dark)
