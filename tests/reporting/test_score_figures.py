"""Findings of the figures of scores, by hand; what is left out."""

from typing import Any

import pytest

from convchoice.analysis.result import Comparison
from convchoice.reporting.drawing import style
from convchoice.reporting.score_figures import (
    macs_figure,
    pareto_optimal,
    piled,
    published_figure,
    seeds_finding,
)
from convchoice.reporting.svg import RenderedFigure
from making import DIGITS, LECTURE, study_values


def test_pareto_optimal_arms_by_hand():
    points = {"a": (1.0, 5.0), "b": (2.0, 7.0), "c": (2.0, 6.0), "d": (3.0, 7.0), "e": (4.0, 9.0)}
    assert pareto_optimal(points) == ["a", "b", "e"]
    assert pareto_optimal({"x": (1.0, 1.0), "y": (1.0, 1.0)}) == ["x", "y"]


def test_values_at_one_place_are_piled_to_both_sides():
    assert piled([1.0, 1.0, 1.0, 2.0], 0.1) == [0, 1, -1, 0]
    assert piled([1.0, 1.0], 0.0) == [0, 1]


def test_the_seeds_finding_by_hand(comparison: Comparison):
    # Means 98.9, 98.4 and 98.9 %; each arm's seeds spread over two errors of 1,000.
    assert seeds_finding(comparison) == (
        "Arm means differ by up to 0.50 pp; the seeds of one arm spread over up to 0.20 pp"
    )


def test_score_against_cost_shows_every_seed(figures: dict[str, RenderedFigure]):
    figure = figures["accuracy-against-macs"]
    assert figure.title == (
        "Pareto-optimal in mean test accuracy and multiply-accumulates: average, max and strided"
    )
    assert figure.inline.count("opacity:0.45") >= 3
    assert "n = 3 seeds per arm" in figure.caption


def test_a_lower_metric_is_better_below(made: Any):
    study = study_values(metric="test/nll", margin=0.01)
    errors = {"max": [10, 11], "average": [30, 33]}
    with style():
        figure = macs_figure(made(errors, study, {"average": {"metrics": {"cost/macs": 10**9}}}))
        assert macs_figure(made(errors)) is None  # the same cost
    assert figure is not None
    assert figure.title.endswith("multiply-accumulates: max")


@pytest.mark.parametrize(
    ("errors", "title"),
    [
        ([5, 9, 10], "2 of our 3 runs are below the published 99.21 %, 1 above"),
        ([9, 10], "Both our runs are below the published 99.21 %"),
        ([5], "Our one run is above the published 99.21 %"),
        ([5, 5, 5], "All our 3 runs are above the published 99.21 %"),
    ],
)
def test_the_published_finding_by_hand(made: Any, errors: list[int], title: str):
    comparison = made({"lecture": errors}, LECTURE, {"lecture": {"epochs": 5}})
    with style():
        figure = published_figure(comparison)
    assert figure is not None
    assert figure.title == title


def test_fewer_epochs_compare_in_training_and_another_data_set_not_at_all(made: Any):
    one_epoch = made({"lecture": [5, 9]}, LECTURE)
    digits = made({"lecture": [5, 9]}, LECTURE, {"lecture": {"dataset": DIGITS}})
    with style():
        figure = published_figure(one_epoch)
        assert published_figure(digits) is None
    assert figure is not None
    assert "training accuracy, % of epoch 1" in figure.alt
