"""Findings of the learning curves, by hand."""

from typing import Any

from convchoice.analysis.result import Comparison
from convchoice.reporting.drawing import style
from convchoice.reporting.learning_curves import finding, learning_curves_figure


def test_findings_by_hand(comparison: Comparison, published: Comparison):
    assert finding(comparison, "val/accuracy") == (
        "After epoch 2 the mean validation accuracy is 97.48 % (average) to 97.58 % (max and"
        " strided)"
    )
    assert finding(published, "train/accuracy") == (
        "After epoch 5 the mean training accuracy is 98.92 %; published: 99.42 %"
    )


def test_a_single_epoch_is_no_curve(made: Any, published: Comparison):
    with style():
        assert learning_curves_figure(made({"max": [10], "average": [12]})) is None
        figure = learning_curves_figure(published)
    assert figure is not None
    different = made(
        {"max": [10], "average": [12]}, None, {"max": {"epochs": 1}, "average": {"epochs": 3}}
    )
    assert finding(different, "train/accuracy").startswith("After the last epoch (1 to 3) the mean")
    with style():
        assert learning_curves_figure(different) is not None
    assert "Red crosses: the published run." in figure.caption
