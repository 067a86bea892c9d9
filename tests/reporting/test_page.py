"""What the page shows beside the numbers: badges, bars, costs, notes on seeds."""

from typing import Any

import pytest

from convchoice.analysis.result import Comparison
from convchoice.reporting.page import (
    BAR_WIDTH,
    Badge,
    badges,
    banners,
    bar_scale,
    cost_cells,
    figures_of,
    study_view,
)
from made_up_results import made_up_comparison
from made_up_runs import DIGITS, study_values

ERRORS = {"max": [10, 11], "average": [30, 33]}


def test_people_read_labels_in_the_place_of_names(made: Any):
    study = study_values(
        labels={"max": "largest", "average": "mean value"}, descriptions={"average": "A mean."}
    )
    comparison = made(ERRORS, study)
    view = study_view(comparison)
    assert list(view["comparison"].arms) == ["largest", "mean value"]
    assert view["described"] == [("mean value", "average", "A mean.")]
    [contrast] = view["comparison"].contrasts
    assert (contrast.arm, contrast.reference) == ("mean value", "largest")
    texts = " ".join(f"{each.alt} {each.caption}" for each in figures_of(comparison))
    assert "mean value − largest" in texts
    assert "average" not in texts
    assert view["comparison"].labelled() == view["comparison"]


def test_each_claim_has_a_badge_that_names_the_fallback(made: Any):
    comparison = made(ERRORS, None, {arm: {"dataset": DIGITS} for arm in ERRORS})
    assert badges(comparison) == [Badge("Yes on digits", "good")]
    assert badges(made_up_comparison({"a": ("base", "worse")}, claim=None)) == []
    [banner, *_] = banners([comparison])
    assert banner.strong
    assert banner.text.startswith("No source of MNIST answered")
    assert banner.studies == ""


def test_a_caution_of_some_studies_names_them(made: Any):
    one = made(ERRORS, None, {arm: {"dataset": DIGITS} for arm in ERRORS})
    strong = [each for each in banners([one, made_up_comparison({})]) if each.strong]
    assert [each.studies for each in strong] == ["pooling"]


def test_bars_by_hand():
    # Differences of 1.25 ± 0.75 beside a margin of 0.1: 2 is drawn at 0.46 of the width.
    scale = bar_scale(made_up_comparison({"a": ("base", "better")}))
    assert scale == pytest.approx(0.46 * BAR_WIDTH / 2)


def test_costs_and_ratios(comparison: Comparison):
    cells = cost_cells(comparison.arms["average"], comparison.contrasts_of("average")[0])
    assert cells[:3] == [("93,322", "same"), ("698,560", "×0.25"), ("29,000", "")]
    assert cost_cells(comparison.arms["max"], None)[0] == ("93,322", "")


def test_too_few_seeds_are_said_with_the_answer(made: Any):
    few = study_view(made(ERRORS))["too_few_seeds"]
    assert "With 2 seeds a sign-flip test cannot reject at 0.05" in few
    enough = made({"max": [10] * 6, "average": [12] * 6})
    assert study_view(enough)["too_few_seeds"] == ""
