"""Results of small studies, made once: with everything that a report can show, and published."""

from collections.abc import Callable
from typing import Any

import pytest

from convchoice.analysis.comparison import compare
from convchoice.analysis.result import Comparison
from convchoice.config.study import study_from_mapping
from convchoice.reporting.page import figures_of
from convchoice.reporting.rendering import RenderedFigure
from made_up_introspection import introspected
from made_up_reports import PADDED, RECORDED
from made_up_runs import LECTURE, make_run, runs_of_arm, study_values

Made = Callable[..., Comparison]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A function from errors an arm (a list, one a seed) to a study's result."""

    def result(
        errors: dict[str, list[int]],
        study: dict[str, Any] | None = None,
        options: dict[str, dict[str, Any]] | None = None,
    ) -> Comparison:
        root = tmp_path_factory.mktemp("runs")
        for arm, counts in errors.items():
            for seed, count in enumerate(counts):
                make_run(root, arm, seed, count, **(options or {}).get(arm, {}))
        runs = {arm: runs_of_arm(root, arm) for arm in errors}
        return compare(study_from_mapping(study or study_values(), "test"), runs, None)

    return result


@pytest.fixture(scope="session")
def comparison(made: Made) -> Comparison:
    """Three arms whose runs recorded everything."""
    return made(
        {"max": [10, 11, 12], "average": [15, 16, 17], "strided": [10, 12, 11]},
        study_values(arms=["average", "strided"]),
        {"max": RECORDED, "average": PADDED, "strided": RECORDED},
    )


@pytest.fixture(scope="session")
def figures(comparison: Comparison) -> dict[str, RenderedFigure]:
    """The figures of `comparison` by name."""
    return {each.name.removeprefix("pooling-"): each for each in figures_of(comparison)}


@pytest.fixture(scope="session")
def published(made: Made) -> Comparison:
    """One arm beside published values of the same epochs."""
    options = {"lecture": {"epochs": 5, "inside": introspected()}}
    return made({"lecture": [5, 9, 10]}, LECTURE, options)
