"""Curves of an arm over its seeds: numbers by hand, and refusals."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from convchoice.analysis.comparison import compare
from convchoice.analysis.comparison_files import flat_metrics
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_arm import CurveSeries
from convchoice.analysis.result_model import Scale
from convchoice.analysis.statistics import mean_interval
from convchoice.config.schema import Curve
from convchoice.config.study import study_from_mapping
from convchoice.errors import UserError
from convchoice.runs.evaluation_files import CurvePoint
from made_up_runs import curve_points, make_run, runs_of_arm, study_values

Curves = dict[str, list[list[CurvePoint]]]


def compared(root: Path, curves: Curves) -> Comparison:
    for arm, seeds in curves.items():
        for seed, points in enumerate(seeds):
            make_run(root, arm, seed, curves=points)
    runs = {arm: runs_of_arm(root, arm) for arm in curves}
    return compare(study_from_mapping(study_values(), "test"), runs)


def series(found: Sequence[CurveSeries], curve: str, kind: str = "") -> CurveSeries:
    [one] = [item for item in found if (item.curve, item.kind) == (curve, kind)]
    return one


def test_means_and_intervals_by_hand(tmp_path: Path):
    ours = [0.70, 0.72, 0.80]
    result = compared(
        tmp_path,
        {"max": [curve_points()], "average": [curve_points(share) for share in ours]},
    )
    shift = series(result.arms["average"].curves, "shift", "diagonal")
    assert (shift.n, shift.images, shift.unit) == (3, 500, "pixels")
    assert shift.values == [-4.0, 0.0, 4.0]
    assert shift.bands["accuracy"].mean == pytest.approx([0.74, 0.95, 0.74])
    interval = mean_interval(ours, scale=Scale.logit)
    assert interval is not None
    assert shift.bands["accuracy"].low[0] == pytest.approx(interval.low)
    assert shift.bands["accuracy"].high[2] == pytest.approx(interval.high)
    assert shift.bands["accuracy"].low[1] == shift.bands["accuracy"].high[1] == 0.95
    assert "consistency" not in shift.bands


def test_size_that_is_not_accepted_has_no_value(tmp_path: Path):
    result = compared(tmp_path, {"max": [curve_points()] * 2, "average": [curve_points()] * 2})
    sizes = series(result.arms["max"].curves, "input_size")
    assert sizes.accepted == [True, True, False]
    assert sizes.bands["accuracy"].mean == [0.9, 0.9, None]


def test_runs_without_a_curve_do_not_count_and_one_seed_has_no_interval(tmp_path: Path):
    result = compared(tmp_path, {"max": [curve_points(), []], "average": [[], []]})
    shift = series(result.arms["max"].curves, "shift", "vertical")
    assert (shift.n, shift.bands["accuracy"].low) == (1, [None] * 3)
    assert result.arms["average"].curves == []


@pytest.mark.parametrize("change", [{"images": 400}, {"value": 46.0}])
def test_different_points_of_an_arm_are_refused(tmp_path: Path, change: dict[str, Any]):
    points = curve_points()
    others = [
        replace(point, **change) if point.curve is Curve.rotation and point.value == 45 else point
        for point in points
    ]
    with pytest.raises(UserError, match=r"arm max: the curve rotation of seed 1 has other points"):
        compared(tmp_path, {"max": [points, others], "average": [points, points]})


def test_study_of_consistency(tmp_path: Path):
    for arm, shares in {"max": [0.8, 0.82], "average": [0.9, 0.92]}.items():
        for seed, share in enumerate(shares):
            make_run(tmp_path, arm, seed, curves=curve_points(share))
    study = study_from_mapping(study_values(metric="test/shift_consistency"), "test")
    result = compare(study, {arm: runs_of_arm(tmp_path, arm) for arm in ("max", "average")})
    assert result.measure.higher_is_better
    assert result.contrasts[0].verdict == "better"
    assert flat_metrics(result)["average/difference_percentage_points"] == pytest.approx(10)
