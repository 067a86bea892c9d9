"""Findings of the figures of predictions, by hand; pictures of flipping images."""

import re
from typing import Any

import numpy as np

from convchoice.analysis.interval import Interval
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_contrast import ClassErrorDifferences
from convchoice.reporting.drawing import style
from convchoice.reporting.prediction_figures import (
    class_errors_finding,
    confusion_figure,
    confusion_finding,
    flip_figures,
)
from convchoice.reporting.svg import RenderedFigure

DIGITS = [str(digit) for digit in range(10)]


def test_the_confusion_finding_by_hand():
    first, second = np.zeros((10, 10)), np.zeros((10, 10))
    first[4, 9], second[4, 9], second[3, 5] = 12.5, 3.0, 8.0
    assert confusion_finding({"max": first, "average": second}, DIGITS) == (
        "Most frequent confusion: 4 predicted as 9, 3.0 (average) to 12.5 (max) times per seed"
    )
    assert confusion_finding({"max": 0 * first}, DIGITS) == "No test image was predicted wrongly"


def test_long_names_of_classes_are_numbered(comparison: Comparison):
    names = [f"garment {number}" for number in range(10)]
    dataset = comparison.provenance.dataset.model_copy(update={"class_names": names})
    provenance = comparison.provenance.model_copy(update={"dataset": dataset})
    with style():
        figure = confusion_figure(comparison.model_copy(update={"provenance": provenance}))
    assert figure is not None
    assert "Classes: 0 garment 0, 1 garment 1," in figure.caption
    assert re.search(r"max: garment \d predicted as garment \d", figure.alt)


def test_intervals_by_class_that_exclude_0_are_counted(comparison: Comparison):
    bounds = [Interval(-1, 1)] * 8 + [Interval(0.5, 1), Interval(-2, -1)]
    errors = ClassErrorDifferences(mean=[0.0] * 10, interval_95=bounds)
    contrasts = [comparison.contrasts[0].model_copy(update={"class_errors": errors})]
    counted = comparison.model_copy(update={"contrasts": contrasts})
    assert class_errors_finding(counted) == "2 of 10 intervals by class exclude 0"
    single = errors.model_copy(update={"interval_95": [None] * 10})
    contrasts = [contrasts[0].model_copy(update={"class_errors": single})]
    alone = comparison.model_copy(update={"contrasts": contrasts})
    assert class_errors_finding(alone).endswith("have no interval")


def test_flips_are_shown_as_pictures(comparison: Comparison, figures: dict[str, RenderedFigure]):
    figure, flips = figures["flips-average"], comparison.contrasts[0].flips
    assert flips is not None
    assert figure.inline.count("data:image/png") == len(flips.gained) + len(flips.lost)
    assert figure.title.startswith(f"With some seed {flips.images} images differ between average")
    first = flips.lost[0]
    assert f"{first.label}, not " in figure.alt
    assert "They were selected because they flip" in figure.caption


def test_images_without_a_picture_are_counted(comparison: Comparison):
    flips = comparison.contrasts[0].flips
    assert flips is not None
    lost = {flip.image for flip in flips.lost[:2]}
    pictures = {index: each for index, each in comparison.pictures.items() if index not in lost}
    with style():
        first, *_ = flip_figures(comparison.model_copy(update={"pictures": pictures}))
        assert flip_figures(comparison.model_copy(update={"pictures": {}})) == []
    assert "Of 2 more no run kept a picture." in first.caption


def test_colour_pictures_are_drawn(made: Any):
    errors = {"max": [10, 11], "average": [30, 33]}
    options = {arm: {"picture_shape": (3, 8, 8)} for arm in errors}
    with style():
        assert len(flip_figures(made(errors, None, options))) == 1
