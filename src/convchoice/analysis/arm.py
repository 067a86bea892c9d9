"""The result of one arm from its runs: configuration, scores, costs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field, JsonValue

from convchoice.analysis.curves import CurveSeries, LearningCurves
from convchoice.analysis.introspection import Introspection
from convchoice.analysis.measure import Measure, Sample
from convchoice.analysis.predictions import ClassErrors
from convchoice.analysis.result_types import Count, Matrix, Model, Name
from convchoice.analysis.statistics import outlying
from convchoice.config.arm_keys import SEEDS, is_numeric
from convchoice.config.field_types import flattened
from convchoice.errors import UserError
from convchoice.runs.run import Run

FIXED_COSTS = ("parameters", "macs", "pooling_operations", "activation_bytes")
"""Costs that follow from the network alone, the same for every seed."""
RATIOS = ("parameters", "macs", "memory_bytes")
BYTES_PER_VALUE = 4


class Change(Model):
    """A configuration key whose value differs between an arm and its reference."""

    arm: JsonValue = Field(description="The arm's value.")
    reference: JsonValue = Field(description="The reference's value.")


class Costs(Model):
    """What an arm costs; null where it is not recorded."""

    parameters: Count | None = Field(default=None, description="Learned parameters.")
    macs: Count | None = Field(default=None, description="Multiply-accumulates of one image.")
    pooling_operations: Count | None = Field(default=None, description="Of one image.")
    activation_bytes: Count | None = Field(default=None, description="Of one batch.")
    memory_bytes: Count | None = Field(
        default=None,
        description="Of training: weights, gradients, optimiser state, activations of one batch.",
    )


class ArmResult(Model):
    """One arm: its scores, costs and what its runs recorded."""

    seeds: list[Count] = Field(min_length=1, description="Seeds of the arm's runs.")
    reference: Name | None = Field(description="Its reference; null for the baseline.")
    configuration: dict[str, JsonValue] = Field(default={}, description="Keys that decide numbers.")
    differs_from_reference: dict[str, Change] = Field(
        default={}, description="Configuration keys whose values differ from the reference's."
    )
    outlying_seeds: list[Count] = Field(
        default=[], description="Seeds whose run ends far on the bad side of the arm's others."
    )
    scores: dict[str, Sample] = Field(description="Accuracy, nll and the study's metric, if known.")
    costs: Costs = Field(default=Costs(), description="What the arm costs.")
    learning_curves: LearningCurves = Field(default=LearningCurves(), description="By epoch.")
    class_errors: ClassErrors | None = Field(default=None, description="Wrong predictions.")
    confusion: Matrix | None = Field(
        default=None, description="Predictions over all seeds: true class by predicted class."
    )
    curves: list[CurveSeries] = Field(
        default=[], description="Robustness, equivariance and input-size curves."
    )
    introspection: Introspection | None = Field(
        default=None, description="Filters, responses and use of pixels; null if not recorded."
    )

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.seeds)


def effective_configuration(run: Run) -> dict[str, Any]:
    """The flattened configuration without the keys that do not affect results."""
    flat = flattened(run.config)
    return {key: value for key, value in flat.items() if is_numeric(key) and key not in SEEDS}


def changes(ours: Run, theirs: Run) -> dict[str, Change]:
    """The configuration keys that differ between two runs, with both values; null where absent."""
    a, b = effective_configuration(ours), effective_configuration(theirs)
    different = (key for key in dict.fromkeys([*a, *b]) if a.get(key) != b.get(key))
    return {key: Change(arm=a.get(key), reference=b.get(key)) for key in different}


def check_runs(arm: str, runs: Sequence[Run]) -> dict[int, Run]:
    """The runs of an arm by seed, which are one sample.

    Raises:
        UserError: for no run, a run without test results, different configurations, or different
            numbers of epochs.
    """
    if not runs:
        raise UserError(f"arm {arm}: there is no run. Train and evaluate it first.")
    if waiting := [f"seed-{run.seed}" for run in runs if not run.evaluated]:
        raise UserError(
            f"arm {arm}: no test results in {', '.join(waiting)}."
            " Evaluate them first: convchoice evaluate."
        )
    first = runs[0]
    for run in runs[1:]:
        different = changes(first, run)
        if len(first.history) != len(run.history):
            epochs = Change(arm=len(first.history), reference=len(run.history))
            different["number of epochs"] = epochs
        for key, each in different.items():
            raise UserError(
                f"arm {arm}: {key} is {each.arm!r} in {first.path.name} and {each.reference!r} in"
                f" {run.path.name}. The seeds of an arm must have one configuration: train"
                " them again, or remove the older run folders."
            )
    return {run.seed: run for run in sorted(runs, key=lambda run: run.seed)}


def values_of(runs: Sequence[Run], metric: str) -> list[float]:
    """One metric over runs, in their order.

    Raises:
        UserError: naming the run that lacks it.
    """
    for run in runs:
        if metric not in run.metrics:
            raise UserError(f"{run.path}: metrics.json has no {metric}.")
    return [run.metrics[metric] for run in runs]


def outlying_seeds(seeds: Sequence[int], values: Sequence[float], measure: Measure) -> list[int]:
    """Seeds whose value lies far on the bad side of the others: a training that ends in a spike."""
    middle = float(np.median(values))
    bad = [(value < middle) == measure.higher_is_better for value in values]
    return [s for s, far, worse in zip(seeds, outlying(values), bad, strict=True) if far and worse]


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
    memory = memory_bytes(runs[0], found["parameters"], found["activation_bytes"])
    return Costs(**found, memory_bytes=memory)


def memory_bytes(run: Run, parameters: int | None, activation_bytes: int | None) -> int | None:
    """Memory that training the model needs: weights, gradients, optimiser state, activations.

    At 4 bytes a value, activations of one batch. It follows from the network alone: what a process
    takes also depends on the machine. None where a run did not record its costs.
    """
    configuration = effective_configuration(run)
    optimizer = configuration.get("optimizer.name")
    own = "optimizer.own._target_" in configuration
    if own or parameters is None or activation_bytes is None or optimizer is None:
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
