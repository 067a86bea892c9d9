"""The result of one arm against its reference: the models of `contrasts` in `comparison.json`."""

from typing import Self

from pydantic import Field, model_validator

from convchoice.analysis.interval import Interval
from convchoice.analysis.model import Count, Matrix, Model, Name, Probability, same_length
from convchoice.analysis.result_curves import CurveDifferences
from convchoice.analysis.verdict import Verdict


class Difference(Model):
    """Paired differences of one metric over common seeds: arm minus reference."""

    unit: str
    """Unit of the differences: `percentage points`, `nats`, or empty."""
    mean: float
    """Mean difference."""
    standard_deviation: float | None
    """Standard deviation of the differences (n − 1); null for a single seed."""
    interval_95: Interval | None
    """Paired t interval; null for a single seed."""
    interval_90: Interval | None
    """Paired t interval at 90 %: within ±margin if two one-sided tests at 5 % show equivalence."""
    values: list[float] = Field(min_length=1)
    """One difference a common seed."""
    p_t: Probability | None
    """Two-sided paired t test; null for a single seed."""
    p_sign_flip: Probability
    """Two-sided sign-flip permutation test."""
    p_holm: Probability | None
    """`p_t` adjusted by Holm over the study's contrasts."""


class LeftOutSeeds(Model):
    """Seeds that only one of two arms has."""

    arm: list[Count] = []
    """Seeds of the arm alone."""
    reference: list[Count] = []
    """Seeds of the reference alone."""


class McNemar(Model):
    """McNemar's exact test of one pair of runs."""

    seed: Count
    """The pair's seed: the lower median of the common seeds."""
    only_arm_correct: Count
    """Test images that the arm's run alone classifies correctly."""
    only_reference_correct: Count
    """Test images that the reference's run alone classifies correctly."""
    p: Probability
    """Two-sided p of these two networks."""


class ClassErrorDifferences(Model):
    """Paired differences of wrong predictions by true class."""

    mean: list[float]
    """Difference of each class in images, mean over seeds."""
    interval_95: list[Interval | None]
    """Interval of each mean, not adjusted for the number of classes; null for a single seed."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        same_length("classes", [self.mean, self.interval_95])
        return self


class FlippingImage(Model):
    """A test image that one of two arms classifies correctly more often than the other."""

    image: Count
    """Index in the test set."""
    label: Count
    """True class."""
    only_arm_correct: Count
    """Seeds with which the arm alone is correct."""
    only_reference_correct: Count
    """Seeds with which the reference alone is correct."""
    arm_predictions: dict[Count, Count]
    """The arm's seeds by predicted class, most frequent first."""
    reference_predictions: dict[Count, Count]
    """The reference's seeds by predicted class, most frequent first."""


class Flips(Model):
    """Test images that are correct in one of two arms alone."""

    images: Count
    """Images that are correct in one arm alone with at least one seed."""
    mostly_gained: Count
    """Images correct in the arm alone, net of the reverse, with more than half of the seeds."""
    mostly_lost: Count
    """Images correct in the reference alone, likewise."""
    gained: list[FlippingImage]
    """The images that the arm gains most often, most first."""
    lost: list[FlippingImage]
    """The images that the arm loses most often, most first."""


class CostRatio(Model):
    """Costs of the arm divided by those of its reference; null where unknown."""

    parameters: float | None = None
    """Ratio of parameters."""
    macs: float | None = None
    """Ratio of multiply-accumulates."""
    activation_bytes: float | None = None
    """Ratio of activation bytes."""
    train_seconds: float | None = None
    """Ratio of mean training seconds."""
    peak_memory_bytes: float | None = None
    """Ratio of mean peak memory."""


class Contrast(Model):
    """One arm against its reference, over the seeds that both have."""

    arm: Name
    """The arm."""
    reference: Name
    """The arm that is subtracted."""
    seeds: list[Count] = Field(min_length=1)
    """Common seeds."""
    left_out_seeds: LeftOutSeeds = LeftOutSeeds()
    """Seeds that only one of the two has."""
    difference: Difference
    """Differences of the study's metric."""
    verdict: Verdict
    """The verdict; see `docs/decisions/statistics.md`."""
    seeds_needed: int | None
    """Seeds to find a difference of the margin with 80 % power, given the observed spread."""
    seed_notes: list[str] = []
    """Sentences on the number of seeds."""
    nll: Difference | None = None
    """Differences of `test/nll`."""
    new_images_interval_95: Interval | None = None
    """Interval of the accuracy difference, percentage points, with seeds and images redrawn."""
    mcnemar: McNemar | None = None
    """McNemar's exact test of one pair of runs."""
    class_errors: ClassErrorDifferences | None = None
    """Differences of wrong predictions by true class."""
    confusion_difference: Matrix | None = None
    """The arm's confusion matrix minus the reference's, over common seeds."""
    flips: Flips | None = None
    """Test images that are correct in one of the two arms alone."""
    cost_ratio: CostRatio = CostRatio()
    """Costs relative to the reference."""
    curves: list[CurveDifferences] = []
    """Paired differences of curves."""

    @property
    def n(self) -> int:
        """Number of common seeds."""
        return len(self.seeds)
