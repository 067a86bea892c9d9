"""Findings of the figures of curves, by hand; arms without curves."""

from typing import Any

import pytest

from convchoice.analysis.result import Comparison
from convchoice.config.schema import Curve
from convchoice.reporting.curve_figures import accepted_sizes, lines_of
from convchoice.reporting.figures import figures_of
from convchoice.reporting.spans import span
from convchoice.reporting.svg import RenderedFigure
from making import curve_points, study_values

NAMES = ("shift", "rotation", "scale", "consistency", "input-size", "equivariance")


def curves_of(made: Any, **curves: Any) -> dict[str, RenderedFigure]:
    study = study_values(arms=[arm for arm in curves if arm != "max"])
    options = {arm: {"curves": points} for arm, points in curves.items()}
    found = figures_of(made({arm: [10, 12] for arm in curves}, study, options))
    return {each.name.removeprefix("pooling-"): each for each in found}


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("shift", ("A shift by 4 pixels down and to the right costs 5.0 (max and strided) to 20.0"
         " (average) percentage points of accuracy")),
        ("rotation", ("A rotation by 45° costs 5.0 (max and strided) to 20.0 (average) percentage"
         " points of accuracy")),
        ("scale", ("Shrinking to 0.7 of the size costs 5.0 (max and strided) to 20.0 (average)"
         " percentage points of accuracy")),
        ("consistency", ("Under two random shifts, 76.0 % (average) to 91.0 % (max and strided) of"
         " the images keep their prediction")),
        ("input-size", ("Of inputs of 26 to 30 pixels, max, average and strided accept 26 to 28"
         " pixels")),
        ("equivariance", ("Away from borders the layers' equivariance errors are 0 for a shift by 1"
         " pixel, 0.75 for a rotation by 90° and 0.25 for a change of scale by 1.2")),
    ],
)  # fmt: skip
def test_findings_by_hand(figures: dict[str, RenderedFigure], name: str, title: str):
    assert figures[name].title == title
    assert "n = 3 seeds per arm, 500 test images" in figures[name].caption


def test_captions_explain_what_is_special(figures: dict[str, RenderedFigure]):
    assert "Grey: more than 1 % of the ink" in figures["shift"].caption
    assert "Crosses: the network does not accept this size" in figures["input-size"].caption
    assert "block1 detector" not in figures["equivariance"].inline
    assert "block1 downsample" in figures["equivariance"].inline


def test_a_shift_that_cells_cannot_follow_has_an_error(made: Any):
    title = curves_of(made, max=curve_points(jump=2), average=curve_points())["equivariance"].title
    assert "0 for a shift by 4 pixels, 0 to 0.50 for a shift by 1 pixel" in title


def test_arms_without_curves_are_left_out_and_colours_stay(made: Any):
    figures = curves_of(made, max=[], average=curve_points(0.75))
    assert figures["rotation"].title == (
        "A rotation by 45° costs 20.0 percentage points of accuracy"
    )
    assert "var(--series-2" in figures["rotation"].inline
    assert "var(--series-1" not in figures["rotation"].inline
    assert not set(NAMES) & set(curves_of(made, max=[], average=[]))


def test_one_seed_and_single_points_are_drawn(made: Any):
    points = [point for point in curve_points() if point.value in {4, 45, 0.7, 30, 90}]
    options = {arm: {"curves": points} for arm in ("max", "average")}
    titles = [
        each.title for each in figures_of(made({"max": [10], "average": [12]}, None, options))
    ]
    assert "Accuracy over rotation" in titles
    assert "Of inputs of 30 to 30 pixels, max and average accept none of them" in titles


def test_accepted_sizes_by_hand(comparison: Comparison):
    assert accepted_sizes(lines_of(comparison, Curve.input_size)["max"]) == "26 to 28 pixels"


def test_spans_by_hand():
    assert span({"a": 1.234}, 2) == "1.23"
    assert span({"a": 2.0, "b": 2.001}, 2) == "2.00 (every arm)"
    assert span({"a": 2.0, "b": 1.0, "c": 1.5}, 1, " %") == "1.0 % (b) to 2.0 % (a)"
    assert span({"a": 0, "b": 0, "c": 5}, 0) == "0 (a and b) to 5 (c)"
    assert span({"a": 0, "b": 0, "c": 5, "d": 0}, 0) == "0 (3 arms) to 5 (c)"
