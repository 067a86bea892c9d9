"""Which figures a study has, and their numbers, by hand, in the alternative texts."""

import re
from typing import Any

import pytest

from convchoice.analysis.result import Comparison
from convchoice.reporting.drawing import style
from convchoice.reporting.page import figures_of
from convchoice.reporting.prediction_figures import confusion_figure, flip_figures
from convchoice.reporting.rendering import RenderedFigure
from convchoice.reporting.score_figures import differences_figure
from made_up_results import made_up_comparison
from made_up_runs import DIGITS, LECTURE, curve_points, study_values

ERRORS = {"max": [10, 11], "average": [30, 33]}
CURVES = {"shift", "rotation", "scale", "input-size", "equivariance"}


def named(comparison: Comparison) -> dict[str, RenderedFigure]:
    return {each.name.partition("-")[2]: each for each in figures_of(comparison)}


def with_curves(made: Any, **curves: Any) -> dict[str, RenderedFigure]:
    study = study_values(arms=[arm for arm in curves if arm != "max"])
    options = {arm: {"curves": points} for arm, points in curves.items()}
    return named(made({arm: [10, 12] for arm in curves}, study, options))


def test_a_study_with_everything_has_every_figure(figures: dict[str, RenderedFigure]):
    assert list(figures) == [
        "differences", "seeds", "accuracy-against-macs", "learning-curves", "shift", "rotation",
        "scale", "input-size", "equivariance", "edge-pixels", "receptive-fields", "filters",
        "responses", "confusion", "flips-average", "flips-strided",
    ]  # fmt: skip
    for figure in figures.values():
        assert figure.caption.endswith(".")
        assert "n = " in figure.caption
        assert figure.alt.endswith(".")


def test_figures_without_numbers_are_left_out(made: Any, published: Comparison):
    bare = ["differences", "seeds", "confusion"]
    assert list(named(made({"max": [10], "average": [12]}))) == bare
    assert differences_figure(made_up_comparison({})) is None
    assert list(named(published)) == [
        "seeds", "learning-curves", "edge-pixels", "receptive-fields", "filters", "responses",
        "confusion",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("differences", "average − max, worse: −0.50 [−0.50, −0.50]; strided − max, inconclusive:"),
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
    ],
)
def test_numbers_by_hand(figures: dict[str, RenderedFigure], name: str, numbers: str):
    assert numbers in figures[name].alt


def test_captions_explain_what_is_special(
    figures: dict[str, RenderedFigure], published: Comparison
):
    assert "the margin, ±0.10 pp. In brackets: 95 %" in figures["differences"].caption
    assert "Grey: more than 1 % of the ink" in figures["shift"].caption
    assert "n = 3 seeds per arm, 500 test images." in figures["shift"].caption
    assert "block1 detector" not in figures["equivariance"].inline
    assert "block1 downsample" in figures["equivariance"].inline
    flips = figures["flips-average"]
    assert "With some seed 15 images differ" in flips.caption
    assert flips.inline.count("data:image/png") == 6
    assert "Red: the published run, 99.21, with its Wilson" in named(published)["seeds"].caption
    assert "Red crosses" in named(published)["learning-curves"].caption


def test_a_published_value_of_other_training_is_not_marked(made: Any):
    for options in ({}, {"dataset": DIGITS, "epochs": 5}):
        comparison = made({"lecture": [5, 9]}, LECTURE, {"lecture": options})
        assert "published" not in named(comparison)["seeds"].caption


def test_a_shift_that_cells_cannot_follow_has_an_error(made: Any):
    alt = with_curves(made, max=curve_points(jump=2), average=curve_points())["equivariance"].alt
    assert "shift by 4 pixels, max, away from borders: 0.00 to 0.00" in alt
    assert "shift by 1 pixel, max, away from borders: 0.50 to 0.50" in alt


def test_arms_without_curves_are_left_out_and_colours_stay(made: Any):
    rotation = with_curves(made, max=[], average=curve_points(0.75))["rotation"]
    assert "max" not in rotation.alt
    assert "var(--series-2" in rotation.inline
    assert "var(--series-1" not in rotation.inline
    assert not set(with_curves(made, max=[], average=[])) & CURVES


def test_one_seed_single_points_and_curves_of_different_lengths_are_drawn(made: Any):
    points = [point for point in curve_points() if point.value in {4, 45, 0.7, 30, 90}]
    options = {"max": {"curves": points, "epochs": 1}, "average": {"curves": points, "epochs": 3}}
    found = named(made({"max": [10], "average": [12]}, None, options))
    assert set(found) & CURVES == CURVES - {"input-size"}  # no size is accepted
    assert "max: 0.202 at 1;" in found["learning-curves"].alt


def test_costs_that_most_arms_share_are_not_drawn(made: Any):
    costs = {"max": 10, "average": 10, "strided": 10, "l2": 10, "weighted": 20}
    options = {arm: {"metrics": {"cost/macs": macs}} for arm, macs in costs.items()}
    study = study_values(arms=list(costs)[1:])
    errors = {arm: [10] for arm in costs}
    assert "accuracy-against-macs" not in named(made(errors, study, options))
    options["l2"]["metrics"]["cost/macs"] = 30
    assert "accuracy-against-macs" in named(made(errors, study, options))


def test_a_metric_of_which_less_is_better_and_a_long_label(made: Any):
    metric = "test/rotation_accuracy_mean"
    options = {arm: {"metrics": {metric: 0.5, "cost/macs": 10**9}} for arm in ERRORS}
    options["max"]["metrics"] = {metric: 0.5}
    file = named(made(ERRORS, study_values(metric=metric), options))["differences"].file
    lines = re.findall(r">(difference in test rotation|accuracy mean, pp)<", file)
    assert lines == ["difference in test rotation", "accuracy mean, pp"]
    less = named(made(ERRORS, study_values(metric="test/nll", margin=0.01), options))
    assert less["differences"].file.index("← better") < less["differences"].file.index("worse →")
    assert "average: 1000.00, 0.0830" in less["accuracy-against-macs"].alt


def test_long_names_of_classes_are_numbered(comparison: Comparison):
    names = [f"garment {number}" for number in range(10)]
    dataset = comparison.provenance.dataset.model_copy(update={"class_names": names})
    provenance = comparison.provenance.model_copy(update={"dataset": dataset})
    with style():
        figure = confusion_figure(comparison.model_copy(update={"provenance": provenance}))
    assert figure is not None
    assert "Classes: 0 garment 0, 1 garment 1," in figure.caption
    assert "garment 6 predicted as garment 7" in figure.alt


def test_images_without_a_picture_are_left_out(comparison: Comparison, made: Any):
    flips = comparison.contrasts[0].flips
    assert flips is not None
    lost = {flip.image for flip in flips.lost[:2]}
    pictures = {index: each for index, each in comparison.pictures.items() if index not in lost}
    colours = {arm: {"picture_shape": (3, 8, 8)} for arm in ERRORS}
    with style():
        [first, *_] = flip_figures(comparison.model_copy(update={"pictures": pictures}))
        none = flip_figures(comparison.model_copy(update={"pictures": {}}))
        [coloured] = flip_figures(made(ERRORS, None, colours))
    assert first is not None
    assert first.inline.count("data:image/png") == 4
    assert none == [None, None]
    assert coloured is not None
