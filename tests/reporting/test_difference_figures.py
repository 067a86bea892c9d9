"""Findings of the forest plots, by hand."""

import re
from typing import Any

from convchoice.analysis.result import Comparison
from convchoice.reporting.difference_figures import (
    differences_figure,
    differences_finding,
    nll_figure,
    nll_finding,
)
from convchoice.reporting.drawing import style
from made_up_results import made_up_comparison
from making import study_values


def test_findings_by_hand(comparison: Comparison):
    assert differences_finding(comparison) == (
        "Against max, average is worse and strided is inconclusive"
    )
    assert nll_finding(comparison) == (
        "By negative log-likelihood: against max, average is worse and strided is inconclusive"
    )


def test_of_many_contrasts_inconclusive_ones_are_counted():
    verdicts = {f"arm{number}": ("base", "inconclusive") for number in range(6)}
    comparison = made_up_comparison(verdicts | {"last": ("base", "worse")})
    assert differences_finding(comparison) == (
        "Of 7 arms against base, last is worse and 6 are inconclusive"
    )


def test_alternative_text_and_caption_give_the_numbers(comparison: Comparison):
    with style():
        figure = differences_figure(comparison)
    assert figure is not None
    assert "average minus max: −0.50 [−0.50, −0.50], worse" in figure.alt
    assert "the band is the margin, ±0.10 pp. n = 3 seeds, paired." in figure.caption


def test_figures_without_numbers_are_left_out(made: Any):
    errors = {"max": [10, 11], "average": [30, 33]}
    with style():
        assert differences_figure(made_up_comparison({})) is None
        assert nll_figure(made_up_comparison({"a": ("base", "worse")})) is None
        assert nll_figure(made(errors, study_values(metric="test/nll", margin=0.01))) is None


def test_a_long_axis_label_has_two_lines(made: Any):
    metric = "test/rotation_accuracy_mean"
    options = {arm: {"metrics": {metric: 0.5}} for arm in ("max", "average")}
    comparison = made({"max": [10], "average": [12]}, study_values(metric=metric), options)
    with style():
        figure = differences_figure(comparison)
    assert figure is not None
    lines = re.findall(r">(difference in test rotation|accuracy mean, pp)<", figure.file)
    assert lines == ["difference in test rotation", "accuracy mean, pp"]
    assert "n = 1 seed" in figure.caption
