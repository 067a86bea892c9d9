"""The result of one arm from its runs: configuration, scores, costs, curves."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from convchoice.analysis.measure import Measure, scale_of
from convchoice.analysis.result_arm import (
    Band,
    Change,
    Costs,
    CurveSeries,
    LearningCurves,
    Sample,
)  # fmt: skip
from convchoice.analysis.statistics import mean_interval, outlying
from convchoice.config.arm_keys import SEEDS, is_numeric
from convchoice.config.field_types import flattened
from convchoice.errors import UserError
from convchoice.runs.evaluation_files import EVALUATE_AGAIN, MEASURES, CurvePoint, Key
from convchoice.runs.run import Run

CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")
FIXED_COSTS = ("parameters", "macs", "pooling_operations", "activation_bytes")
"""Costs that follow from the network alone, the same for every seed."""
RATIOS = ("parameters", "macs", "memory_bytes")
BYTES_PER_VALUE = 4


def effective_configuration(run: Run) -> dict[str, Any]:
    """The flattened configuration without the keys that do not affect results."""
    flat = flattened(run.config)
    return {key: value for key, value in flat.items() if is_numeric(key) and key not in SEEDS}


def _differences(ours: Run, theirs: Run) -> Iterator[tuple[str, Any, Any]]:
    """Keys whose values differ (absent counts as None), in order, with both values."""
    a, b = effective_configuration(ours), effective_configuration(theirs)
    for key in dict.fromkeys([*a, *b]):
        if a.get(key) != b.get(key):
            yield key, a.get(key), b.get(key)


def changes(ours: Run, theirs: Run) -> dict[str, Change]:
    """The configuration keys that differ between two arms, with both values."""
    return {key: Change(arm=a, reference=b) for key, a, b in _differences(ours, theirs)}


def check_runs(arm: str, runs: Sequence[Run]) -> None:
    """Refuse runs that are not one arm's sample.

    Raises:
        UserError: for no run, a run without test results, different configurations, or different
            numbers of epochs.
    """
    if not runs:
        raise UserError(f"arm {arm}: there is no run. Train and evaluate it first.")
    if waiting := [str(run.seed) for run in runs if not run.evaluated]:
        raise UserError(
            f"arm {arm}: seeds {', '.join(waiting)} have no test results."
            " Evaluate them first: convchoice evaluate."
        )
    first = runs[0]
    for run in runs[1:]:
        epochs = ("number of epochs", len(first.history), len(run.history))
        for key, ours, theirs in [*_differences(first, run), epochs]:
            if ours != theirs:
                raise UserError(
                    f"arm {arm}: {key} is {ours!r} in {first.path.name} and {theirs!r} in"
                    f" {run.path.name}. The seeds of an arm must have one configuration: train"
                    " them again, or remove the older run folders."
                )


def values_of(runs: Sequence[Run], metric: str) -> list[float]:
    """One metric over runs, in their order.

    Raises:
        UserError: naming the run that lacks it.
    """
    for run in runs:
        if metric not in run.metrics:
            raise UserError(f"{run.path}: metrics.json has no {metric}.")
    return [run.metrics[metric] for run in runs]


def sample(values: Sequence[float], metric: str = "") -> Sample:
    """Values of a metric over seeds with their mean and its 95 % t interval."""
    interval = mean_interval(values, scale=scale_of(metric, values))
    return Sample(mean=float(np.mean(values)), interval_95=interval, values=list(values))


def outlying_seeds(seeds: Sequence[int], values: Sequence[float], measure: Measure) -> list[int]:
    """Seeds whose value lies far on the bad side of the others: a training that ends in a spike."""
    middle = float(np.median(values))
    bad = [(value < middle) == measure.higher_is_better for value in values]
    return [s for s, far, worse in zip(seeds, outlying(values), bad, strict=True) if far and worse]


def band(columns: Sequence[Sequence[float | None]], metric: str = "") -> Band:
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


def costs(arm: str, runs: Sequence[Run]) -> Costs:
    """What the arm costs; None for what a run did not record.

    Raises:
        UserError: if runs of the arm disagree on a cost that follows from the network.
    """
    found: dict[str, Any] = {}
    for name in FIXED_COSTS:
        values = {run.metrics.get(f"cost/{name}") for run in runs}
        if len(values) > 1:
            raise UserError(
                f"arm {arm}: its runs disagree on cost/{name}:"
                f" {', '.join(sorted(map(str, values)))}. They are not runs of one network."
            )
        found[name] = values.pop()
    return Costs(**found, memory_bytes=memory_bytes(runs[0], **found))


def memory_bytes(
    run: Run, *, parameters: int | None, activation_bytes: int | None, **_: Any
) -> int | None:
    """Memory that training the model needs: weights, gradients, optimiser state, activations.

    At 4 bytes a value, activations of one batch. It follows from the network alone: what a process
    takes also depends on the machine. None where a run did not record its costs.
    """
    configuration = effective_configuration(run)
    optimizer = configuration.get("optimizer.name")
    if parameters is None or activation_bytes is None or optimizer is None:
        return None
    moments = {"adam": 2, "rmsprop": 1, "sgd": 0}[optimizer]
    momentum = optimizer != "adam" and configuration.get("optimizer.momentum", 0.0) > 0
    copies: int = 2 + moments + momentum
    return copies * BYTES_PER_VALUE * parameters + activation_bytes


def cost_ratio(ours: Costs, theirs: Costs) -> dict[str, float | None]:
    """Costs divided by the reference's; None where unknown."""
    ratios = {}
    for name in RATIOS:
        a, b = (getattr(costs, name) for costs in (ours, theirs))
        ratios[name] = None if a is None or not b else a / b
    return ratios


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
