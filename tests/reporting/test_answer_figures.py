"""Figures of answers and costs: findings by hand, what is drawn, what is left out."""

import base64
import re
from typing import Any

import numpy as np
import pytest

from convchoice.reporting.class_error_figure import class_errors_finding
from convchoice.reporting.confusion_figures import (
    confusion_difference_figure,
    confusion_difference_finding,
    confusion_finding,
)
from convchoice.reporting.cost_figures import frontier, frontier_finding
from convchoice.reporting.difference_figures import differences_finding, nll_finding
from convchoice.reporting.figures import figures_of
from convchoice.reporting.flip_figures import flip_finding
from convchoice.reporting.svg import RenderedFigure
from making import Compared, study_values

ERRORS = {"max": [10, 11, 12], "average": [30, 33, 31]}
KEEP = {arm: {"picture_shape": (28, 28)} for arm in ERRORS}
DIGITS = [str(digit) for digit in range(10)]


def named(pictures: list[RenderedFigure], name: str) -> RenderedFigure:
    [found] = [picture for picture in pictures if picture.name == f"pooling-{name}"]
    return found


# Costs


def test_the_frontier_by_hand():
    points = {"a": (1.0, 5.0), "b": (2.0, 7.0), "c": (2.0, 6.0), "d": (3.0, 7.0), "e": (4.0, 9.0)}
    assert frontier(points) == ["a", "b", "e"]
    assert frontier({"x": (1.0, 1.0), "y": (1.0, 1.0)}) == ["x", "y"]  # neither beats the other


def test_the_frontiers_finding():
    what = "seconds"
    assert frontier_finding({"a": (1, 9), "b": (2, 7)}, what) == (
        "a has the best mean with the fewest seconds"
    )
    assert frontier_finding({"b": (2, 7), "a": (1, 6)}, what) == (
        "Each arm that takes more seconds has a better mean: a and b"
    )
    assert frontier_finding({"a": (1, 6), "b": (2, 7), "c": (2, 5)}, what) == (
        "No arm beats a and b on mean and seconds at once; c has an arm that does"
    )


def costs(**metrics: float) -> dict[str, Any]:
    return {"average": {"metrics": {f"cost/{key}": value for key, value in metrics.items()}}}


def test_score_against_costs_shows_every_seed(compared: Compared):
    options = costs(macs=698_560, train_seconds=4.0)
    pictures = figures_of(compared(ERRORS, options=options))
    for name in ("accuracy-against-macs", "accuracy-against-seconds"):
        picture = named(pictures, name)
        assert picture.title in {
            "No arm beats average and max on mean and multiply-accumulates at once",
            "Each arm that takes more multiply-accumulates has a better mean: average and max",
            "Each arm that takes more training seconds has a better mean: average and max",
        }
        faint = re.findall(r"opacity:0\.45", picture.inline)
        assert len(faint) >= 6  # three seeds of two arms
        assert "n = 3 seeds" in picture.caption


def test_a_lower_is_better_metric_has_its_frontier_below(compared: Compared):
    study = study_values(metric="test/nll", margin=0.01)
    pictures = figures_of(compared(ERRORS, study, costs(macs=10**9)))
    assert named(pictures, "accuracy-against-macs").title == (
        "max has the best mean with the fewest multiply-accumulates"
    )


def test_seconds_of_two_devices_are_not_drawn_together(compared: Compared):
    options = costs(train_seconds=4.0)
    options["average"]["environment"] = {"device_name": "another CPU"}
    names = [picture.name for picture in figures_of(compared(ERRORS, options=options))]
    assert "pooling-accuracy-against-seconds" not in names


# Answers


def test_the_confusions_finding_by_hand():
    first, second = np.zeros((10, 10)), np.zeros((10, 10))
    first[4, 9], second[4, 9], second[3, 5] = 12.5, 3.0, 8.0
    assert confusion_finding({"max": first, "average": second}, DIGITS) == (
        "The commonest confusion is 4 taken for 9: 12.5 times a seed with max, 3.0 with average"
    )
    assert confusion_finding({"max": 0 * first}, DIGITS) == "No test image was answered wrongly"
    matrices = {("average", "max"): second - first}
    assert confusion_difference_finding(matrices, DIGITS) == (
        "The confusion that differs most: average takes 4 for 9 less often than max, by 9.5 a seed"
    )


def test_longer_names_of_classes_are_numbered(compared: Compared):
    comparison = compared(ERRORS)
    comparison["made"]["dataset"]["class_names"] = [f"garment {number}" for number in range(10)]
    picture = confusion_difference_figure(comparison)
    assert picture is not None
    assert "Classes: 0 garment 0, 1 garment 1," in picture.caption
    assert "garment 3 taken for garment 4" in picture.alt or "garment" in picture.alt


def test_the_class_that_differs_most(compared: Compared):
    comparison = compared(ERRORS)
    errors = comparison["contrasts"][0]["errors_by_digit"]
    errors["difference_errors"] = [0.0] * 9 + [-4.25]
    assert class_errors_finding(comparison) == (
        "The class that differs most is 9: average makes 4.2 errors a seed fewer than max"
    )
    errors["difference_errors"] = [0.0] * 10
    assert "as many errors as its partner" in class_errors_finding(comparison)


def test_flips_are_drawn_as_pictures_that_travel_in_the_page(compared: Compared):
    comparison = compared(ERRORS, options=KEEP)
    picture = named(figures_of(comparison), "flips-average")
    found = comparison["contrasts"][0]["flips"]
    shown = len(found["gained"]) + len(found["lost"])
    embedded = re.findall(r'href="data:image/png;base64,([^"]+)"', picture.inline)
    assert len(embedded) == shown
    assert all(base64.b64decode(data).startswith(b"\x89PNG") for data in embedded)
    assert picture.title == flip_finding(comparison["contrasts"][0])
    assert picture.title.startswith(f"{found['images']} images flip between average and max;")
    first = found["lost"][0]
    assert f"image {first['image']} (max right, average wrong)" in picture.alt
    assert "They were picked because they flip" in picture.caption


def test_without_pictures_there_is_no_figure_of_flips(compared: Compared):
    names = [picture.name for picture in figures_of(compared(ERRORS))]
    assert not any("flips" in name for name in names)


def test_images_without_a_picture_are_counted_in_the_caption(compared: Compared):
    comparison = compared(ERRORS, options=KEEP)
    lost = comparison["contrasts"][0]["flips"]["lost"]
    assert "no run kept a picture" not in named(figures_of(comparison), "flips-average").caption
    for flip in lost[:2]:
        del comparison["pictures"][str(flip["image"])]
    picture = named(figures_of(comparison), "flips-average")
    assert "Of 2 more that flip as often no run kept a picture." in picture.caption
    assert f"image {lost[0]['image']} " not in picture.alt


def test_colour_pictures_are_drawn_too(compared: Compared):
    options = {arm: {"picture_shape": (3, 8, 8)} for arm in ERRORS}
    assert named(figures_of(compared(ERRORS, options=options)), "flips-average").alt


# Log-likelihood


def test_the_log_likelihoods_finding(compared: Compared):
    study = study_values(arms=["average", "strided"])
    errors = {**ERRORS, "strided": [10, 12, 11]}
    assert nll_finding(compared(errors, study)) == (
        "By negative log-likelihood, against max, average is worse and strided is not told apart"
    )


def test_the_titles_of_many_contrasts_count_those_that_show_nothing(compared: Compared):
    names = [f"arm{index}" for index in range(7)]
    errors = {"max": [10, 11, 12], **{name: [10, 12, 11] for name in names}, "arm3": [30, 33, 31]}
    comparison = compared(errors, study_values(arms=names))
    assert differences_finding(comparison) == (
        "Of 7 arms against max, arm3 is worse and 6 are inconclusive"
    )
    assert nll_finding(comparison) == (
        "By negative log-likelihood, of 7 arms against max, arm3 is worse and 6 are not told apart"
    )


def test_a_long_axis_label_has_two_lines(compared: Compared):
    study = study_values(metric="test/rotation_accuracy_mean")
    metric = {"metrics": {"test/rotation_accuracy_mean": 0.5}}
    comparison = compared(ERRORS, study, dict.fromkeys(ERRORS, metric))
    [lines] = re.findall(
        r">(difference in test rotation)</text>.*?>(accuracy[^<]*)</text>",
        named(figures_of(comparison), "differences").inline,
        re.DOTALL,
    )
    assert " ".join(lines).startswith("difference in test rotation accuracy")


@pytest.mark.parametrize("metric", ["test/nll"])
def test_a_study_of_log_likelihood_has_no_second_figure_of_it(compared: Compared, metric: str):
    pictures = figures_of(compared(ERRORS, study_values(metric=metric, margin=0.01)))
    assert "pooling-nll" not in [picture.name for picture in pictures]
