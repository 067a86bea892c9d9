"""Curves of an arm over its seeds, and of two arms' paired differences, as plain values.

A series is what a line of a figure shows: one curve's points in one direction or of one layer. In a
comparison's JSON it is a mapping of

    curve, kind, layer, unit, jump_pixels    as in a run folder's `curves.csv`; "" or None where
                                             they do not apply
    n                seeds that it is over
    images           test images of each
    value            list: where the points lie, ascending
    accepted         list: False where the network does not take such an input
    <measure>        {mean, low, high}: a list each with the mean over seeds and its 95 % t
                     interval; None in the place of a point that has no value, or whose interval a
                     single seed cannot give. Measures that no point has are left out.

and of two arms the same without `accepted`, with the points that both have and the paired
differences, arm minus partner, under `<measure>_difference_<unit>`. Never imports torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convchoice.analysis.statistics import mean_interval
from convchoice.config.schema import Curve
from convchoice.errors import UserError
from convchoice.runs.curve_points import FIX, MEASURES, CurvePoint, Key
from convchoice.runs.run import Run

DIFFERENCES = {
    "accuracy": ("accuracy_difference_percentage_points", 100.0),
    "nll": ("nll_difference_nats", 1.0),
    "consistency": ("consistency_difference_percentage_points", 100.0),
    "error_interior": ("error_interior_difference", 1.0),
    "error_whole": ("error_whole_difference", 1.0),
}
"""By measure: the key of its differences, and what they are multiplied by for the key's unit."""
Points = Mapping[Key, CurvePoint]
Line = tuple[Curve, str, str]


@dataclass(frozen=True)
class MeasuredCurves:
    """The points of one arm's runs, by curve and seed: a run without a curve is not in it."""

    runs: Mapping[Curve, Mapping[int, Points]]

    def of(self, curve: Curve) -> Mapping[int, Points]:
        """A curve's points by seed."""
        return self.runs.get(curve, {})


def measured_curves(arm: str, runs: Sequence[Run]) -> MeasuredCurves:
    """Read the curves of an arm's runs.

    Raises:
        RunFolderError: if a run's table is damaged or foreign.
        UserError: if two runs have a curve with different points, or on other numbers of images.
    """
    found: dict[Curve, dict[int, Points]] = {}
    for run in runs:
        for point in run.curves():
            by_seed = found.setdefault(point.curve, {})
            points = by_seed.setdefault(run.seed, {})
            by_seed[run.seed] = {**points, point.key: point}
    for curve, by_seed in found.items():
        first, *others = by_seed
        wanted = _layout(by_seed[first])
        for seed in others:
            if _layout(by_seed[seed]) != wanted:
                raise UserError(
                    f"arm {arm}: the curve {curve.name} of seed {seed} has other points, or other"
                    f" numbers of images, than that of seed {first}. {FIX}"
                )
    return MeasuredCurves(found)


def _layout(points: Points) -> dict[Key, tuple[int, bool]]:
    return {key: (point.images, point.accepted) for key, point in points.items()}


def _lines(points: Points) -> dict[Line, list[CurvePoint]]:
    """The points of each line, by value; lines in the order in which they were measured."""
    lines: dict[Line, list[CurvePoint]] = {}
    for point in points.values():
        lines.setdefault((point.curve, point.kind, point.layer), []).append(point)
    return {line: sorted(members, key=lambda point: point.value) for line, members in lines.items()}


def _band(columns: Sequence[Sequence[float | None]]) -> dict[str, list[float | None]] | None:
    """Mean and 95 % interval of each point; None where no point has a value in every run."""
    band: dict[str, list[float | None]] = {"mean": [], "low": [], "high": []}
    for column in columns:
        values = [value for value in column if value is not None]
        whole = len(values) == len(column)
        interval = mean_interval(values) if whole else None
        band["mean"].append(float(np.mean(values)) if whole else None)
        band["low"].append(None if interval is None else interval.low)
        band["high"].append(None if interval is None else interval.high)
    return None if set(band["mean"]) == {None} else band


def _head(points: Sequence[CurvePoint], seeds: Sequence[int]) -> dict[str, Any]:
    first = points[0]
    return {
        "curve": first.curve.name,
        "kind": first.kind,
        "layer": first.layer,
        "unit": first.unit,
        "jump_pixels": first.jump_pixels,
        "n": len(seeds),
        "images": first.images,
        "value": [point.value for point in points],
    }


def arm_series(curves: MeasuredCurves) -> list[dict[str, Any]]:
    """Every series of an arm."""
    series = []
    for by_seed in curves.runs.values():
        seeds = sorted(by_seed)
        for members in _lines(by_seed[seeds[0]]).values():
            made = _head(members, seeds)
            made["accepted"] = [point.accepted for point in members]
            for measure in MEASURES:
                band = _band(
                    [
                        [getattr(by_seed[seed][point.key], measure) for seed in seeds]
                        for point in members
                    ]
                )
                if band is not None:
                    made[measure] = band
            series.append(made)
    return series


def paired_series(ours: MeasuredCurves, theirs: MeasuredCurves) -> list[dict[str, Any]]:
    """Every series of the differences between two arms, over the seeds that both measured.

    Raises:
        UserError: if the arms measured a curve on other numbers of images.
    """
    series = []
    for curve, by_seed in ours.runs.items():
        partners = theirs.of(curve)
        seeds = sorted(by_seed.keys() & partners.keys())
        if not seeds:
            continue
        there = partners[seeds[0]]
        for members in _lines(by_seed[seeds[0]]).values():
            both = [point for point in members if point.key in there]
            made = _differences(both, by_seed, partners, seeds) if both else None
            if made is not None:
                series.append(made)
    return series


def _differences(
    both: Sequence[CurvePoint],
    ours: Mapping[int, Points],
    theirs: Mapping[int, Points],
    seeds: Sequence[int],
) -> dict[str, Any] | None:
    partner = theirs[seeds[0]][both[0].key]
    if partner.images != both[0].images:
        raise UserError(
            f"the curve {partner.curve.name} was measured on {both[0].images} and on"
            f" {partner.images} images, so the arms cannot be paired. {FIX}"
        )
    made = _head(both, seeds)
    bands = {}
    for measure, (key, scale) in DIFFERENCES.items():
        columns: list[list[float | None]] = []
        for point in both:
            pairs = [
                (getattr(ours[seed][point.key], measure), getattr(theirs[seed][point.key], measure))
                for seed in seeds
            ]
            columns.append(
                [None if None in pair else round(scale * (pair[0] - pair[1]), 12) for pair in pairs]
            )
        band = _band(columns)
        if band is not None:
            bands[key] = band
    return {**made, **bands} if bands else None
