"""Results of small studies, made once: with everything that a report can show, and published."""

import pytest

from convchoice.analysis.result import Comparison
from convchoice.reporting.page import figures_of
from convchoice.reporting.rendering import RenderedFigure
from made_up_reports import PADDED, RECORDED, introspected
from made_up_runs import LECTURE, Compare, study_values


@pytest.fixture(scope="session")
def comparison(comparison_of: Compare) -> Comparison:
    """Three arms whose runs recorded everything."""
    return comparison_of(
        {"max": [10, 11, 12], "average": [15, 16, 17], "strided": [10, 12, 11]},
        study_values(arms=["average", "strided"]),
        {"max": RECORDED, "average": PADDED, "strided": RECORDED},
    )


@pytest.fixture(scope="session")
def figures(comparison: Comparison) -> dict[str, RenderedFigure]:
    """The figures of `comparison` by name."""
    return {each.name.removeprefix("pooling-"): each for each in figures_of(comparison)}


@pytest.fixture(scope="session")
def published(comparison_of: Compare) -> Comparison:
    """One arm beside published values of the same epochs."""
    options = {"lecture": {"epochs": 5, "inside": introspected()}}
    return comparison_of({"lecture": [5, 9, 10]}, LECTURE, options)
