"""The result of one arm: the models of `arms.<arm>` in `comparison.json`.

A ring is the set of pixels at one distance from the nearest border, from 0. The value of a ring is
relative: 1 is the mean pixel of the image.
"""

from typing import Self

from pydantic import Field, JsonValue, model_validator

from convchoice.analysis.result_model import (
    Count,
    ImagePixels,
    Interval,
    Matrix,
    Model,
    Name,
    PackedArray,
    same_length,
)  # fmt: skip


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


class ShownImage(ImagePixels):
    """The test image of the responses, the same in every arm."""

    index: Count = Field(description="Index in the test set.")
    label: Count = Field(description="True class.")


class LayerMap(PackedArray):
    """Responses of a layer's first channels to the image, (channels, height, width)."""

    layer: str = Field(description="The layer's name.")


class ReceptiveField(Model):
    """Pixels that the middle cell of a layer sees; beyond the image they are padding."""

    layer: str = Field(description="The layer's name.")
    rows: tuple[int, int] = Field(description="First and last row.")
    columns: tuple[int, int] = Field(description="First and last column.")


class PixelReads(Model):
    """How often a layer's cells read each pixel, by geometry alone: rows × columns."""

    layer: str = Field(description="The layer's name.")
    rows: list[Count] = Field(description="Reads of each row.")
    columns: list[Count] = Field(description="Reads of each column.")
    rings: list[float] = Field(
        description="Of each ring, from the border inwards, relative to the mean pixel."
    )


class Gradient(PackedArray):
    """Mean absolute gradient of the largest logit by pixel, relative to the mean pixel."""

    n: Count = Field(description="Seeds.")
    images: Count = Field(description="Test images that the gradient is averaged over.")
    rings: Band = Field(description="Mean in each ring over seeds.")


class Estimate(Model):
    """A mean over seeds and its 95 % t interval; bounds are null for a single seed."""

    mean: float = Field(description="Mean.")
    low: float | None = Field(description="Lower bound.")
    high: float | None = Field(description="Upper bound.")


class MiddleGradient(PackedArray):
    """Mean absolute gradient of the last map's middle cell by pixel, as shares of the sum."""

    n: Count = Field(description="Seeds.")
    images: Count = Field(description="Test images that the gradient is averaged over.")
    half_pixels: Estimate = Field(description="Strongest pixels that hold half of the sum.")


class Introspection(Model):
    """What an arm's networks look like from inside."""

    seed: Count = Field(description="Seed of filters and maps: the lowest that recorded them.")
    image: ShownImage = Field(description="The image of `maps`.")
    filters: PackedArray = Field(description="First filters, (filters, channels, height, width).")
    maps: list[LayerMap] = Field(description="Responses of each block's stages.")
    fields: list[ReceptiveField] = Field(description="Empty behind a dense first layer.")
    reads: list[PixelReads] = Field(description="Of the first and the last map; may be empty.")
    gradient: Gradient = Field(description="Use of pixels as learned.")
    middle_gradient: MiddleGradient | None = Field(
        default=None,
        description="The effective receptive field; null behind a dense first layer.",
    )


class Sample(Model):
    """One metric over the seeds of an arm, in the metric's own unit (accuracy: fraction of 1)."""

    mean: float = Field(description="Mean over seeds.")
    interval_95: Interval | None = Field(
        description="t interval, on the logit or log scale where values have bounds; null for a"
        " single seed."
    )
    values: list[float] = Field(min_length=1, description="One a seed, in their order.")


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


class ClassErrors(Model):
    """Wrong predictions by true class, or their paired differences."""

    images: list[Count] = Field(default=[], description="Of each class; empty for differences.")
    mean: list[float] = Field(description="Wrong predictions of each class, mean over seeds.")
    interval_95: list[Interval | None] = Field(
        description="Of each mean, not adjusted for their number; null for a single seed."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        same_length("classes", [self.images or self.mean, self.mean, self.interval_95])
        return self


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
