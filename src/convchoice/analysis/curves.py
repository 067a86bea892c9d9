"""Curves of an arm over its seeds, and the paired differences of two arms' curves."""

from collections.abc import Mapping, Sequence
from typing import Any

from convchoice.analysis.arms import band
from convchoice.analysis.result_arm import CurveSeries
from convchoice.config.schema import Curve
from convchoice.errors import UserError
from convchoice.runs.curve_points import FIX, MEASURES, CurvePoint, Key
from convchoice.runs.run import Run

SCALES = {"accuracy": 100.0, "nll": 1.0, "consistency": 100.0, "error_interior": 1.0,
          "error_whole": 1.0}  # fmt: skip
"""Measures that have differences, and the factor to their unit."""
Points = Mapping[Key, CurvePoint]
RecordedCurves = Mapping[Curve, Mapping[int, Points]]
"""The points of one arm's runs, by curve and seed; runs without a curve are left out."""


def recorded_curves(arm: str, runs: Sequence[Run]) -> RecordedCurves:
    """Read the curves of an arm's runs.

    Raises:
        RunFolderError: if a run's table is damaged.
        UserError: if two runs have different points, or different numbers of images.
    """
    found: dict[Curve, dict[int, dict[Key, CurvePoint]]] = {}
    for run in runs:
        for point in run.curves():
            found.setdefault(point.curve, {}).setdefault(run.seed, {})[point.key] = point
    for curve, by_seed in found.items():
        first, *others = by_seed
        for seed in others:
            if _layout(by_seed[seed]) != _layout(by_seed[first]):
                raise UserError(
                    f"arm {arm}: the curve {curve.name} of seed {seed} has other points, or other"
                    f" numbers of images, than that of seed {first}. {FIX}"
                )
    return found


def _layout(points: Points) -> dict[Key, tuple[int, bool]]:
    return {key: (point.images, point.accepted) for key, point in points.items()}


def _lines(points: Points) -> list[list[CurvePoint]]:
    """The points of each line, ascending; lines in the order of the table."""
    lines: dict[tuple[str, str], list[CurvePoint]] = {}
    for point in points.values():
        lines.setdefault((point.kind, point.layer), []).append(point)
    return [sorted(line, key=lambda point: point.value) for line in lines.values()]


def _series(
    points: Sequence[CurvePoint], seeds: Sequence[int], columns: Mapping[str, Any]
) -> CurveSeries:
    """One line; measures without a value are left out."""
    bands = {name: band(each) for name, each in columns.items()}
    first = points[0]
    return CurveSeries(
        curve=first.curve.name,
        kind=first.kind,
        layer=first.layer,
        unit=first.unit,
        jump_pixels=first.jump_pixels,
        n=len(seeds),
        images=first.images,
        values=[point.value for point in points],
        bands={name: each for name, each in bands.items() if set(each.mean) != {None}},
        accepted=[point.accepted for point in points],
    )


def arm_curves(recorded: RecordedCurves) -> list[CurveSeries]:
    """Every curve of an arm."""
    series = []
    for by_seed in recorded.values():
        seeds = sorted(by_seed)
        for points in _lines(by_seed[seeds[0]]):
            same = [[by_seed[seed][point.key] for seed in seeds] for point in points]
            columns = {
                name: [[getattr(p, name) for p in each] for each in same] for name in MEASURES
            }
            series.append(_series(points, seeds, columns))
    return series


def curve_differences(ours: RecordedCurves, theirs: RecordedCurves) -> list[CurveSeries]:
    """The paired differences of two arms' curves, over seeds and points that both have.

    Raises:
        UserError: if the arms evaluated a curve on different numbers of images.
    """
    found = []
    for curve, by_seed in ours.items():
        others = theirs.get(curve, {})
        seeds = sorted(by_seed.keys() & others.keys())
        for line in _lines(by_seed[seeds[0]]) if seeds else ():
            points = [point for point in line if point.key in others[seeds[0]]]
            for point in points:
                other = others[seeds[0]][point.key]
                if other.images != point.images:
                    raise UserError(
                        f"the curve {curve.name} was measured on {point.images} and on"
                        f" {other.images} images, so the arms cannot be paired. {FIX}"
                    )
            pairs = [
                [(by_seed[seed][point.key], others[seed][point.key]) for seed in seeds]
                for point in points
            ]
            columns = {
                name: [[_difference(name, *pair) for pair in column] for column in pairs]
                for name in SCALES
            }
            if points and (made := _series(points, seeds, columns)).bands:
                found.append(made)
    return found


def _difference(measure: str, ours: CurvePoint, theirs: CurvePoint) -> float | None:
    a, b = getattr(ours, measure), getattr(theirs, measure)
    return None if a is None or b is None else round(SCALES[measure] * (a - b), 12)
