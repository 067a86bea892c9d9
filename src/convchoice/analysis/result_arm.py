"""The result of one arm: the models of `arms.<arm>` in `comparison.json`."""

from typing import Self

from pydantic import Field, JsonValue, model_validator

from convchoice.analysis.interval import Interval
from convchoice.analysis.model import Count, Matrix, Model, Name, same_length
from convchoice.analysis.result_curves import CurveSeries, LearningCurves
from convchoice.analysis.result_introspection import Introspection


class Sample(Model):
    """One metric over the seeds of an arm, in the metric's own unit (accuracy: fraction of 1)."""

    mean: float
    """Mean over seeds."""
    interval_95: Interval | None
    """Student's t interval of the mean; null for a single seed."""
    values: list[float] = Field(min_length=1)
    """One value a seed, in the order of the seeds."""


class Change(Model):
    """A configuration key whose value differs between an arm and its reference."""

    arm: JsonValue
    """The arm's value."""
    reference: JsonValue
    """The reference's value."""


class Costs(Model):
    """What an arm costs; null where it is not recorded."""

    parameters: Count | None = None
    """Learned parameters."""
    macs: Count | None = None
    """Multiply-accumulates of one image's forward pass."""
    pooling_operations: Count | None = None
    """Pooling operations of one image's forward pass."""
    activation_bytes: Count | None = None
    """Activations of one batch, in bytes."""
    train_seconds_mean: float | None = None
    """Seconds of one training, mean over seeds."""
    train_seconds_values: list[float] | None = None
    """Seconds of each training, one a seed."""
    peak_memory_bytes_mean: float | None = None
    """Peak memory of one training in bytes, mean over seeds."""
    peak_memory_bytes_values: list[float] | None = None
    """Peak memory of each training in bytes, one a seed."""


class ClassErrors(Model):
    """Wrong predictions by true class."""

    images: list[Count] = Field(min_length=1)
    """Test images of each class; `provenance.dataset.class_names` names the classes."""
    mean: list[float]
    """Wrong predictions of each class, mean over seeds."""
    interval_95: list[Interval | None]
    """Interval of each mean; null for a single seed."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        same_length("classes", [self.images, self.mean, self.interval_95])
        return self


class ArmResult(Model):
    """One arm: its scores, costs and what its runs recorded."""

    seeds: list[Count] = Field(min_length=1)
    """Seeds of the arm's runs."""
    reference: Name | None
    """The arm that this one is compared with; null for the baseline."""
    configuration: dict[str, JsonValue] = {}
    """Configuration by dotted key, without keys that do not affect results."""
    differs_from_reference: dict[str, Change] = {}
    """Configuration keys whose values differ from the reference's."""
    scores: dict[str, Sample]
    """By metric: `test/accuracy` and `test/nll` where known, and the study's metric."""
    costs: Costs = Costs()
    """What the arm costs."""
    learning_curves: LearningCurves = LearningCurves()
    """Losses and accuracies by epoch."""
    class_errors: ClassErrors | None = None
    """Wrong predictions by true class."""
    confusion: Matrix | None = None
    """Predictions summed over seeds: a row a true class, a column a predicted class."""
    curves: list[CurveSeries] = []
    """Robustness, equivariance and input-size curves; empty if none was evaluated."""
    introspection: Introspection | None = None
    """Filters, responses and use of pixels; null if no run recorded them."""

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.seeds)
