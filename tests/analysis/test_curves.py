"""Curves over seeds and between arms: numbers by hand, and refusals."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from convchoice.analysis.comparison import compare
from convchoice.analysis.comparison_files import flat_metrics
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_arm import CurveSeries
from convchoice.analysis.statistics import mean_interval
from convchoice.config.schema import Curve
from convchoice.config.study import study_from_mapping
from convchoice.errors import UserError
from convchoice.runs.curve_points import CurvePoint
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


def test_means_intervals_and_paired_differences_by_hand(tmp_path: Path):
    ours, theirs = [0.70, 0.72, 0.80], [0.60, 0.60, 0.66]
    result = compared(
        tmp_path,
        {"max": [curve_points(a) for a in theirs], "average": [curve_points(a) for a in ours]},
    )
    shift = series(result.arms["average"].curves, "shift", "diagonal")
    assert (shift.n, shift.images, shift.unit) == (3, 500, "pixels")
    assert shift.values == [-4.0, 0.0, 4.0]
    assert shift.bands["accuracy"].mean == pytest.approx([0.74, 0.95, 0.74])
    interval = mean_interval(ours)
    assert interval is not None
    assert shift.bands["accuracy"].low[0] == pytest.approx(interval.low)
    assert shift.bands["accuracy"].high[2] == pytest.approx(interval.high)
    assert shift.bands["accuracy"].low[1] == shift.bands["accuracy"].high[1] == 0.95
    assert "consistency" not in shift.bands
    [contrast] = result.contrasts
    paired = series(contrast.curves, "shift", "diagonal")
    band = paired.bands["accuracy"]
    assert band.mean == pytest.approx([12, 0, 12])  # 10, 12 and 14 points
    interval = mean_interval([10.0, 12.0, 14.0])
    assert interval is not None
    assert (band.low[0], band.high[0]) == pytest.approx((interval.low, interval.high))
    assert paired.bands["nll"].mean == pytest.approx([-0.12, 0, -0.12])
    assert "ink_lost" not in paired.bands


def test_size_that_is_not_accepted_has_no_value(tmp_path: Path):
    result = compared(tmp_path, {"max": [curve_points()] * 2, "average": [curve_points()] * 2})
    sizes = series(result.arms["max"].curves, "input_size")
    assert sizes.accepted == [True, True, False]
    assert sizes.bands["accuracy"].mean == [0.9, 0.9, None]


def test_one_seed_has_means_without_intervals(tmp_path: Path):
    result = compared(tmp_path, {"max": [curve_points()], "average": [curve_points()]})
    shift = series(result.arms["max"].curves, "shift", "vertical")
    assert shift.bands["accuracy"].low == [None] * 3


def test_only_common_points_and_seeds_are_paired(tmp_path: Path):
    short = [point for point in curve_points() if point.curve is Curve.scale and point.value >= 1]
    result = compared(tmp_path / "a", {"max": [[], []], "average": [curve_points()] * 2})
    assert result.contrasts[0].curves == []
    result = compared(tmp_path / "b", {"max": [short, short], "average": [curve_points(), []]})
    [paired] = result.contrasts[0].curves
    assert (paired.curve, paired.values, paired.n) == ("scale", [1.0, 1.5], 1)
    assert series(result.arms["average"].curves, "scale").n == 1


def test_only_common_layers_are_paired(tmp_path: Path):
    both, more = ("block1.convolution",), ("block1.convolution", "block1.downsample")
    result = compared(
        tmp_path,
        {"max": [curve_points(layers=more)] * 2, "average": [curve_points(layers=both)] * 2},
    )
    layers = [
        (item.kind, item.layer)
        for item in result.contrasts[0].curves
        if item.curve == "equivariance"
    ]
    assert layers == [(kind, both[0]) for kind in ("translation", "rotation", "scale")]


@pytest.mark.parametrize("change", [{"images": 400}, {"value": 46.0}])
def test_different_points_of_an_arm_are_refused(tmp_path: Path, change: dict[str, Any]):
    points = curve_points()
    others = [
        replace(point, **change) if point.curve is Curve.rotation and point.value == 45 else point
        for point in points
    ]
    with pytest.raises(UserError, match=r"arm max: the curve rotation of seed 1 has other points"):
        compared(tmp_path, {"max": [points, others], "average": [points, points]})


def test_different_numbers_of_images_are_refused(tmp_path: Path):
    others = [replace(point, images=400) for point in curve_points()]
    with pytest.raises(UserError, match=r"curve shift was measured on 400 and on 500 images"):
        compared(tmp_path, {"max": [curve_points()] * 2, "average": [others] * 2})


def test_study_of_consistency(tmp_path: Path):
    for arm, shares in {"max": [0.8, 0.82], "average": [0.9, 0.92]}.items():
        for seed, share in enumerate(shares):
            make_run(tmp_path, arm, seed, curves=curve_points(share))
    study = study_from_mapping(study_values(metric="test/shift_consistency"), "test")
    result = compare(study, {arm: runs_of_arm(tmp_path, arm) for arm in ("max", "average")})
    assert result.measure.higher_is_better
    assert result.contrasts[0].verdict == "better"
    assert flat_metrics(result)["average/difference_percentage_points"] == pytest.approx(10)
