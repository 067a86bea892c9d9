"""The result of one arm from its runs: scores, costs, learning curves."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from convchoice.analysis.result_arm import Change, Costs, Sample
from convchoice.analysis.result_curves import Band, LearningCurves
from convchoice.analysis.statistics import mean_interval
from convchoice.config.identity import SEEDS, is_numeric
from convchoice.config.mapping import flattened
from convchoice.errors import UserError
from convchoice.runs.run import Run

CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")
FIXED_COSTS = ("parameters", "macs", "pooling_operations", "activation_bytes")
"""Costs that follow from the network alone, the same for every seed."""
MEASURED_COSTS = ("train_seconds", "peak_memory_bytes")


def effective_configuration(run: Run) -> dict[str, Any]:
    """The flattened configuration without the keys that do not affect results."""
    return {
        key: value
        for key, value in flattened(run.config).items()
        if is_numeric(key) and key not in SEEDS
    }


def differing_keys(
    ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Keys whose values differ (absent counts as None), in order, with both values."""
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        if ours.get(key) != theirs.get(key):
            yield key, ours.get(key), theirs.get(key)


def changes(ours: Run, theirs: Run) -> dict[str, Change]:
    """The configuration keys that differ between two arms, with both values."""
    pair = effective_configuration(ours), effective_configuration(theirs)
    return {key: Change(arm=arm, reference=other) for key, arm, other in differing_keys(*pair)}


def check_runs(arm: str, runs: Sequence[Run]) -> None:
    """Refuse runs that are not one arm's sample.

    Raises:
        UserError: for no run, a repeated seed, a run without test results, different
            configurations, or different numbers of epochs.
    """
    if not runs:
        raise UserError(f"arm {arm}: there is no run. Train and evaluate it first.")
    seeds = [run.seed for run in runs]
    if len(set(seeds)) != len(seeds):
        raise UserError(f"arm {arm}: seeds = {seeds}: a seed is repeated.")
    waiting = [run.seed for run in runs if not run.evaluated]
    if waiting:
        raise UserError(
            f"arm {arm}: seeds {', '.join(map(str, waiting))} have no test results."
            " Evaluate them first: convchoice evaluate."
        )
    first = runs[0]
    configuration = effective_configuration(first)
    for run in runs[1:]:
        for key, ours, theirs in differing_keys(configuration, effective_configuration(run)):
            raise UserError(
                f"arm {arm}: {key} is {ours!r} in {first.path.name} and {theirs!r} in"
                f" {run.path.name}. The seeds of an arm must have one configuration: train them"
                " again, or remove the older run folders."
            )
        if len(run.history) != len(first.history):
            raise UserError(
                f"arm {arm}: {first.path.name} has {len(first.history)} epochs in its history and"
                f" {run.path.name} has {len(run.history)}."
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


def sample(values: Sequence[float]) -> Sample:
    """Values over seeds with their mean and its 95 % t interval."""
    interval = mean_interval(values)
    return Sample(mean=float(np.mean(values)), interval_95=interval, values=list(values))


def band(columns: Sequence[Sequence[float | None]]) -> Band:
    """Mean and 95 % t interval over seeds at each point.

    Args:
        columns: one a point, with a value a seed; a point without all values has no mean.
    """
    complete = [
        [value for value in column if value is not None] if None not in column else None
        for column in columns
    ]
    intervals = [values and mean_interval(values) for values in complete]
    return Band(
        mean=[float(np.mean(values)) if values else None for values in complete],
        low=[each.low if each else None for each in intervals],
        high=[each.high if each else None for each in intervals],
    )


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
    for name in MEASURED_COSTS:
        measured = [run.metrics[f"cost/{name}"] for run in runs if f"cost/{name}" in run.metrics]
        complete = len(measured) == len(runs)
        found[f"{name}_mean"] = float(np.mean(measured)) if complete else None
        found[f"{name}_values"] = measured if complete else None
    return Costs(**found)


def learning_curves(runs: Sequence[Run]) -> LearningCurves:
    """For each epoch the mean over seeds and its 95 % t interval, of the metrics in every row."""
    rows = [run.history for run in runs]
    recorded = [name for name in CURVES if all(name in row for history in rows for row in history)]
    return LearningCurves(
        epochs=[int(row["epoch"]) for row in rows[0]],
        bands={
            name: band([[row[name] for row in epoch] for epoch in zip(*rows, strict=True)])
            for name in recorded
        },
    )
