"""Curves of an arm over its seeds: numbers by hand, and refusals."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from convchoice.analysis.comparison import compare
from convchoice.analysis.curves import CurveSeries
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_types import Scale
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
    average = [*map(curve_points, ours), []]  # a run without curves does not count
    arms = compared(tmp_path, {"max": [curve_points()], "average": average}).arms
    shift = series(arms["average"].curves, "shift", "diagonal")
    assert (shift.n, shift.images, shift.unit) == (3, 500, "pixels")
    assert shift.values == [-4.0, 0.0, 4.0]
    assert shift.bands["accuracy"].mean == pytest.approx([0.74, 0.95, 0.74])
    interval = mean_interval(ours, scale=Scale.logit)
    assert shift.bands["accuracy"].low[0] == pytest.approx(interval.low)
    assert shift.bands["accuracy"].high[2] == pytest.approx(interval.high)
    assert shift.bands["accuracy"].low[1] == shift.bands["accuracy"].high[1] == 0.95
    assert "consistency" not in shift.bands
    sizes = series(arms["max"].curves, "input_size")
    assert sizes.accepted == [True, True, False]
    assert sizes.bands["accuracy"].mean == [0.9, 0.9, None]
    assert (sizes.n, sizes.bands["accuracy"].low) == (1, [None] * 3)


@pytest.mark.parametrize("change", [{"images": 400}, {"value": 46.0}])
def test_different_points_of_an_arm_are_refused(tmp_path: Path, change: dict[str, Any]):
    points = curve_points()
    others = [
        replace(point, **change) if point.curve is Curve.rotation and point.value == 45 else point
        for point in points
    ]
    with pytest.raises(UserError, match=r"arm max: the curve rotation of seed 1 has other points"):
        compared(tmp_path, {"max": [points, others], "average": [points, points]})
