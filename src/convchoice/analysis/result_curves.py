"""Curves in `comparison.json`: by epoch, and by the size of a shift, rotation, scale or input."""

from typing import Self

from pydantic import model_validator

from convchoice.analysis.model import Count, Model, same_length


class Band(Model):
    """A mean and its 95 % t interval at each point."""

    mean: list[float | None]
    """Mean over seeds; null at a point without a value."""
    low: list[float | None]
    """Lower bound; null for a single seed."""
    high: list[float | None]
    """Upper bound; null for a single seed."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        same_length("mean, low and high", [self.mean, self.low, self.high])
        return self


class LearningCurves(Model):
    """Losses (nats) and accuracies (fractions of 1) by epoch."""

    epochs: list[int] = []
    """Epoch numbers, from 1."""
    bands: dict[str, Band] = {}
    """By metric (`train/loss`, `train/accuracy`, `val/loss`, `val/accuracy`), a value an epoch."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        same_length("epochs and bands", [self.epochs, *(b.mean for b in self.bands.values())])
        return self


class CurveLine(Model):
    """One line of a curve: one kind of change, and for equivariance one layer."""

    curve: str
    """Name of the curve: a value of `evaluation.curves`."""
    kind: str
    """Direction of a shift, or kind of change; may be empty."""
    layer: str
    """Layer whose equivariance is evaluated; else empty."""
    unit: str
    """Unit of `values`: `pixels`, `degrees` or `factor`."""
    jump_pixels: Count | None
    """Input pixels between neighbouring cells of the layer; null where it does not apply."""
    n: Count
    """Seeds."""
    images: Count
    """Test images."""
    values: list[float]
    """Position of each point, ascending."""
    bands: dict[str, Band]
    """By measure: `accuracy`, `nll`, `consistency`, `ink_lost`, `error_interior`, `error_whole`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        same_length("values and bands", [self.values, *(b.mean for b in self.bands.values())])
        return self


class CurveSeries(CurveLine):
    """A curve of one arm; accuracy, consistency and lost ink are fractions of 1, nll is in nats."""

    accepted: list[bool]
    """Whether the network accepts an input of that size."""

    @model_validator(mode="after")
    def _check_accepted(self) -> Self:
        same_length("values and accepted", [self.values, self.accepted])
        return self


class CurveDifferences(CurveLine):
    """Paired differences of a curve: accuracy and consistency in percentage points, nll in nats."""
