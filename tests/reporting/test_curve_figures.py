"""Figures of curves: findings in words from the numbers, and only where there are numbers."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from convchoice.reporting.drawing import legend_columns
from convchoice.reporting.figures import figures_of
from convchoice.reporting.svg import RenderedFigure
from convchoice.runs.curve_points import CurvePoint
from making import Compared, curve_points, study_values

LAYERS = ("block1.convolution", "block1.detector", "block1.downsample")
NAMES = ("shift", "rotation", "scale", "consistency", "input-size", "equivariance")


@pytest.fixture
def drawn(compared: Compared, tmp_path: Path) -> Any:
    """A function from each arm's curves to the figures by name."""

    def draw(**curves: list[CurvePoint]) -> dict[str, RenderedFigure]:
        arms = list(curves)
        study = study_values(arms=[arm for arm in arms if arm != "max"])
        options = {arm: {"curves": points} for arm, points in curves.items()}
        pictures = figures_of(compared({arm: [10, 12] for arm in arms}, study, options))
        return {picture.name.removeprefix("pooling-"): picture for picture in pictures}

    return draw


def test_every_curve_has_its_figure_and_its_finding(drawn: Any):
    pictures = drawn(
        max=curve_points(0.9, layers=LAYERS), average=curve_points(0.75, layers=LAYERS)
    )
    titles = {name: pictures[name].title for name in NAMES}
    assert titles == {
        "shift": "A shift by 4 pixels down and to the right costs max 5.0 pp and average 20.0 pp"
        " of accuracy",
        "rotation": "A rotation by 45° costs max 5.0 pp and average 20.0 pp of accuracy",
        "scale": "Shrinking to 0.7 of the size costs max 5.0 pp and average 20.0 pp of accuracy",
        "consistency": "max gives 91.0 % of the images the same answer under two random shifts,"
        " average 76.0 %",
        "input-size": "Of inputs of 26 to 30 pixels, max and average take 26 to 28 pixels",
        "equivariance": "Away from borders the layers' equivariance errors are 0 for a shift by 1"
        " pixel, 0.75 for a rotation by 90° and 0.25 for a change of scale by 1.2",
    }
    for name in NAMES:
        assert "n = 2 seeds an arm, 500 test images" in pictures[name].caption
        assert pictures[name].alt
        ET.fromstring(pictures[name].file)  # noqa: S314 - made by this test
    assert "block1 detector" not in pictures["equivariance"].inline
    assert "block1 downsample" in pictures["equivariance"].inline
    assert "Grey: more than 1 % of the ink" in pictures["shift"].caption
    assert "Crosses: the network does not take this size" in pictures["input-size"].caption


def test_three_arms_are_told_by_their_extremes(drawn: Any):
    pictures = drawn(max=curve_points(0.9), average=curve_points(0.75), strided=curve_points(0.8))
    assert pictures["rotation"].title == (
        "A rotation by 45° costs between 5.0 pp (max) and 20.0 pp (average) of accuracy"
    )


def test_a_shift_that_cells_cannot_follow_is_said(drawn: Any):
    pictures = drawn(max=curve_points(jump=2), average=curve_points())
    title = pictures["equivariance"].title
    assert "0 for a shift by 4 pixels, 0 to 0.50 for a shift by 1 pixel" in title


def test_arms_without_curves_are_left_out_and_keep_the_others_colours(drawn: Any):
    pictures = drawn(max=[], average=curve_points(0.75))
    assert pictures["rotation"].title == "A rotation by 45° costs average 20.0 pp of accuracy"
    assert "var(--series-2" in pictures["rotation"].inline
    assert "var(--series-1" not in pictures["rotation"].inline


def test_without_curves_there_are_no_such_figures(drawn: Any):
    assert not set(NAMES) & set(drawn(max=[], average=[]))


def test_a_result_from_before_there_were_curves_is_drawn(compared: Compared):
    comparison = compared({"max": [10, 11], "average": [12, 13]})
    for item in [*comparison["arms"].values(), *comparison["contrasts"]]:
        del item["curves"]
    names = {picture.name for picture in figures_of(comparison)}
    assert {"pooling-differences", "pooling-seeds"} <= names
    assert not names & {"pooling-shift", "pooling-rotation", "pooling-consistency"}


def test_one_seed_and_lone_points_are_drawn(compared: Compared):
    points = [point for point in curve_points() if point.value in {4, 45, 0.7, 30, 90}]
    options = {arm: {"curves": points} for arm in ("max", "average")}
    pictures = figures_of(compared({"max": [10], "average": [12]}, options=options))
    titles = [picture.title for picture in pictures]
    assert "Accuracy over rotation" in titles
    assert "Of inputs of 30 to 30 pixels, max and average take none of them" in titles


def test_legends_fit_their_figure():
    assert legend_columns(["max", "average"]) == 4
    assert legend_columns(["a" * 20, "b"]) == 2
    assert legend_columns(["a" * 80]) == 1
    assert legend_columns([]) == 4
