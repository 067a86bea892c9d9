"""What the runs of one arm say: scores, costs, learning curves.

Plain values for a comparison's JSON. Refuses runs that do not belong together. Reads run folders
through `run_folder`; never imports torch.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from convchoice.analysis.statistics import mean_interval
from convchoice.config.mapping import flattened
from convchoice.errors import UserError
from convchoice.runs.run import Run

CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")
FIXED_COSTS = ("parameters", "macs", "pooling_operations", "activation_bytes")
"""Costs that follow from the network alone, the same for every seed."""
MEASURED_COSTS = ("train_seconds", "peak_memory_bytes")

WITHOUT_EFFECT = (
    "arm", "seed", "seeds", "run_root", "tracking", "evaluation", "trainer.workers", "data.root",
    "data.fallback",
)  # fmt: skip
"""Keys that decide no number of the training or of the clean answers: names, folders, tracking, how
many runs went side by side, what else is measured."""


def effective_configuration(run: Run) -> dict[str, Any]:
    """The flattened configuration without the keys that decide no number."""
    return {
        key: value
        for key, value in flattened(run.config).items()
        if not any(key == name or key.startswith(f"{name}.") for name in WITHOUT_EFFECT)
    }


def differing_keys(
    ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Keys whose values differ (absent counts as None), in order, with both values."""
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        if ours.get(key) != theirs.get(key):
            yield key, ours.get(key), theirs.get(key)


def check_runs(arm: str, runs: Sequence[Run]) -> None:
    """Refuse runs that cannot be one arm's sample.

    Raises:
        UserError: for no run, a seed twice, a run without test results, another configuration than
            the first run's, or another number of epochs.
    """
    if not runs:
        raise UserError(f"arm {arm}: there is no run of it. Train and evaluate it first.")
    seeds = [run.seed for run in runs]
    if len(set(seeds)) != len(seeds):
        raise UserError(f"arm {arm}: a seed stands twice among {seeds}.")
    waiting = [run.seed for run in runs if not run.evaluated]
    if waiting:
        raise UserError(
            f"arm {arm}: seeds {', '.join(map(str, waiting))} have no test results."
            " Evaluate them first: python -m convchoice.evaluate."
        )
    first = runs[0]
    configuration = effective_configuration(first)
    for run in runs[1:]:
        for key, ours, theirs in differing_keys(configuration, effective_configuration(run)):
            raise UserError(
                f"arm {arm}: {key} is {ours!r} in {first.path.name} and {theirs!r} in"
                f" {run.path.name}. The seeds of one arm must share one configuration:"
                " train them again, or remove the older run folders."
            )
        if len(run.history) != len(first.history):
            raise UserError(
                f"arm {arm}: {first.path.name} has {len(first.history)} epochs in its history and"
                f" {run.path.name} has {len(run.history)}."
            )


def sample(runs: Sequence[Run], metric: str) -> list[float]:
    """One metric over runs, in their order.

    Raises:
        UserError: naming the run that lacks it.
    """
    for run in runs:
        if metric not in run.metrics:
            raise UserError(f"{run.path}: metrics.json has no {metric}.")
    return [run.metrics[metric] for run in runs]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean, 95 % t interval (None for one value) and the values themselves, one a seed."""
    interval = mean_interval(values)
    return {
        "mean": float(np.mean(values)),
        "interval_95": None if interval is None else [interval.low, interval.high],
        "values": list(values),
    }


def costs(arm: str, runs: Sequence[Run]) -> dict[str, Any]:
    """What the arm costs; None for what a run did not record.

    Returns:
        The costs of the network, and of each measured one the mean over runs and the value of each,
        under ``<name>_mean`` and ``<name>_values``.

    Raises:
        UserError: if runs of the arm disagree on a cost that the network alone decides.
    """
    found: dict[str, Any] = {}
    for name in FIXED_COSTS:
        values = {run.metrics.get(f"cost/{name}") for run in runs}
        if len(values) > 1:
            raise UserError(
                f"arm {arm}: its runs disagree on cost/{name}:"
                f" {', '.join(sorted(map(str, values)))}. They are not runs of one network."
            )
        value = values.pop()
        found[name] = int(value) if value is not None and value == int(value) else value
    for name in MEASURED_COSTS:
        measured = [run.metrics[f"cost/{name}"] for run in runs if f"cost/{name}" in run.metrics]
        whole = len(measured) == len(runs)
        found[f"{name}_mean"] = float(np.mean(measured)) if whole else None
        found[f"{name}_values"] = measured if whole else None
    return found


def learning_curves(runs: Sequence[Run]) -> dict[str, Any]:
    """For each epoch the mean over seeds and its 95 % t interval.

    Returns:
        ``epoch`` (from 1) and, for each of `CURVES`, None or ``mean``, ``low`` and ``high`` lists
        with a value an epoch; ``low`` and ``high`` hold None for a single seed.
    """
    epochs = [int(row["epoch"]) for row in runs[0].history]
    curves: dict[str, Any] = {"epoch": epochs}
    for name in CURVES:
        if any(name not in row for run in runs for row in run.history):
            curves[name] = None
            continue
        rows = [spread([run.history[index][name] for run in runs]) for index in range(len(epochs))]
        curves[name] = {
            "mean": [row["mean"] for row in rows],
            "low": [row["interval_95"] and row["interval_95"][0] for row in rows],
            "high": [row["interval_95"] and row["interval_95"][1] for row in rows],
        }
    return curves


def differences_in_configuration(ours: Run, theirs: Run) -> dict[str, dict[str, Any]]:
    """What moved between two arms: each key that differs, with both values."""
    return {
        key: {"arm": arm_value, "partner": partner_value}
        for key, arm_value, partner_value in differing_keys(
            effective_configuration(ours), effective_configuration(theirs)
        )
    }


def rounded(value: Any, digits: int = 10) -> Any:
    """Numbers to so many significant digits, inside lists and mappings too.

    Ten digits are more than any result means and fewer than two machines' arithmetic agrees on.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    return value
