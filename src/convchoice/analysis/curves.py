"""The curves of an arm over seeds: learning, robustness, equivariance, input size."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from convchoice.analysis.measure import scale_of
from convchoice.analysis.result_types import Count, Model, same_length
from convchoice.analysis.statistics import mean_interval
from convchoice.errors import UserError
from convchoice.runs.evaluation_files import EVALUATE_AGAIN, MEASURES, CurvePoint, Key
from convchoice.runs.run import Run

CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")


class Band(Model):
    """A mean and its 95 % t interval at each point."""

    mean: list[float | None] = Field(description="Mean over seeds; null without a value.")
    low: list[float | None] = Field(description="Lower bound; null for a single seed.")
    high: list[float | None] = Field(description="Upper bound; null for a single seed.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        same_length("mean, low and high", [self.mean, self.low, self.high])
        return self


class LearningCurves(Model):
    """Losses (nats) and accuracies (fractions of 1) by epoch."""

    epochs: list[int] = Field(default=[], description="Epoch numbers, from 1.")
    bands: dict[str, Band] = Field(
        default={},
        description="By metric (`train/loss`, `train/accuracy`, `val/loss`, `val/accuracy`).",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        same_length("epochs and bands", [self.epochs, *(b.mean for b in self.bands.values())])
        return self


class CurveSeries(Model):
    """One kind of change, and for equivariance one layer.

    Accuracy, consistency and lost ink are fractions of 1, nll is in nats.
    """

    curve: str = Field(description="Name of the curve: a value of `evaluation.curves`.")
    kind: str = Field(description="Direction of a shift, or kind of change; may be empty.")
    layer: str = Field(description="Layer whose equivariance is evaluated; else empty.")
    unit: str = Field(description="Unit of `values`: `pixels`, `degrees` or `factor`.")
    jump_pixels: Count | None = Field(description="Input pixels between neighbouring cells.")
    n: Count = Field(description="Seeds.")
    images: Count = Field(description="Test images.")
    values: list[float] = Field(description="Position of each point, ascending.")
    bands: dict[str, Band] = Field(
        description="By measure: `accuracy`, `nll`, `consistency`, `ink_lost`, `error_interior`,"
        " `error_whole`."
    )
    accepted: list[bool] = Field(description="Whether the network accepts such an input.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        bands = [band.mean for band in self.bands.values()]
        same_length("values, accepted and bands", [self.values, self.accepted, *bands])
        return self


def band(columns: Sequence[Sequence[float | None]], metric: str) -> Band:
    """Mean and 95 % t interval over seeds at each point.

    Args:
        columns: one a point, with a value a seed; a point without all values has no mean.
        metric: what the values are; decides the scale of the interval.
    """
    rows: list[tuple[float | None, ...]] = []
    for column in columns:
        values = [value for value in column if value is not None]
        if len(values) < len(column):
            rows.append((None, None, None))
        else:
            interval = mean_interval(values, scale=scale_of(metric, values))
            rows.append((float(np.mean(values)), *(interval or (None, None))))
    mean, low, high = (list(each) for each in zip(*rows, strict=True))
    return Band(mean=mean, low=low, high=high)


def learning_curves(runs: Sequence[Run]) -> LearningCurves:
    """For each epoch the mean over seeds and its 95 % t interval, of the metrics in every row."""
    rows = [run.history for run in runs]
    recorded = [name for name in CURVES if all(name in row for history in rows for row in history)]
    epochs = list(zip(*rows, strict=True))
    return LearningCurves(
        epochs=[int(row["epoch"]) for row in rows[0]],
        bands={
            name: band([[row[name] for row in epoch] for epoch in epochs], name)
            for name in recorded
        },
    )


def arm_curves(arm: str, runs: Sequence[Run]) -> list[CurveSeries]:
    """Every robustness, equivariance and input-size curve of an arm, over the runs that have it.

    Raises:
        RunFolderError: if a run's table is damaged.
        UserError: if two runs have different points, or different numbers of images.
    """
    found: dict[str, dict[int, dict[Key, CurvePoint]]] = {}
    for run in runs:
        for point in run.curves():
            found.setdefault(point.curve.name, {}).setdefault(run.seed, {})[point.key] = point
    series = []
    for curve, by_seed in found.items():
        first, *others = by_seed
        for seed in others:
            if _layout(by_seed[seed]) != _layout(by_seed[first]):
                raise UserError(
                    f"arm {arm}: the curve {curve} of seed {seed} has other points, or other"
                    f" numbers of images, than that of seed {first}. {EVALUATE_AGAIN}"
                )
        lines: dict[tuple[str, str], list[CurvePoint]] = {}
        for point in by_seed[first].values():
            lines.setdefault((point.kind, point.layer), []).append(point)
        for line in lines.values():
            ordered = sorted(line, key=lambda point: point.value)
            columns = [[points[point.key] for points in by_seed.values()] for point in ordered]
            series.append(_series(ordered, columns))
    return series


def _layout(points: Mapping[Key, CurvePoint]) -> dict[Key, tuple[int, bool]]:
    return {key: (point.images, point.accepted) for key, point in points.items()}


def _series(line: Sequence[CurvePoint], columns: Sequence[Sequence[CurvePoint]]) -> CurveSeries:
    """One line, and at each of its points that of every seed; measures without a value are out."""
    bands = {
        name: band([[getattr(point, name) for point in column] for column in columns], name)
        for name in MEASURES
    }
    first = line[0]
    return CurveSeries(
        curve=first.curve.name,
        kind=first.kind,
        layer=first.layer,
        unit=first.unit,
        jump_pixels=first.jump_pixels,
        n=len(columns[0]),
        images=first.images,
        values=[point.value for point in line],
        bands={name: each for name, each in bands.items() if set(each.mean) != {None}},
        accepted=[point.accepted for point in line],
    )
