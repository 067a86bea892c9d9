"""The result of one contrast: the models of `contrasts` in `comparison.json`, and their family."""

from typing import Literal

from pydantic import Field

from convchoice.analysis.result_arm import ClassErrors
from convchoice.analysis.result_model import Count, Interval, Model, Name, Probability
from convchoice.analysis.verdict import Verdict


class Difference(Model):
    """Paired differences of one metric over common seeds: arm minus reference.

    With a single seed there is no deviation, no interval and no t test.
    """

    unit: str = Field(description="`percentage points`, `nats`, or empty.")
    mean: float = Field(description="Mean difference.")
    standard_deviation: float | None = Field(description="Of the differences (n − 1).")
    interval_95: Interval | None = Field(description="Paired t interval of this mean alone.")
    values: list[float] = Field(min_length=1, description="One difference a common seed.")
    p_t: Probability | None = Field(description="Two-sided paired t test.")
    p_sign_flip: Probability = Field(description="Two-sided sign-flip permutation test.")


def _finding(verdict: Verdict) -> str:
    return verdict.rsplit(maxsplit=1)[-1]


class LeftOutSeeds(Model):
    """Seeds that only one of two arms has."""

    arm: list[Count] = Field(default=[], description="Seeds of the arm alone.")
    reference: list[Count] = Field(default=[], description="Seeds of the reference alone.")


class McNemar(Model):
    """McNemar's exact test of one pair of runs."""

    seed: Count = Field(description="The pair's seed: the lower median of the common seeds.")
    only_arm_correct: Count = Field(description="Images correct in the arm's run alone.")
    only_reference_correct: Count = Field(description="Images correct in the reference's alone.")
    p: Probability = Field(description="Two-sided p of these two networks.")


class FlippingImage(Model):
    """A test image that one of two arms classifies correctly more often than the other."""

    image: Count = Field(description="Index in the test set.")
    label: Count = Field(description="True class.")
    only_arm_correct: Count = Field(description="Seeds with which the arm alone is correct.")
    only_reference_correct: Count = Field(description="Seeds with which the reference alone is.")
    arm_predictions: dict[Count, Count] = Field(description="The arm's seeds by predicted class.")
    reference_predictions: dict[Count, Count] = Field(description="The reference's, likewise.")


class Flips(Model):
    """Test images that are correct in one of two arms alone."""

    images: Count = Field(description="Images that flip with at least one seed.")
    mostly_gained: Count = Field(description="Correct in the arm alone, net, with most seeds.")
    mostly_lost: Count = Field(description="Images correct in the reference alone, likewise.")
    gained: list[FlippingImage] = Field(description="What the arm gains most often, most first.")
    lost: list[FlippingImage] = Field(description="What the arm loses most often, most first.")


class RobustDifference(Model):
    """The 20 % trimmed mean of the paired differences, which a few far runs do not move."""

    mean: float = Field(description="Trimmed mean.")
    interval: Interval | None = Field(description="Yuen's, at the level of the contrast's own.")
    verdict: Verdict = Field(description="The word that would follow from it.")


class SeedsNeeded(Model):
    """Seeds that find a difference of the margin with 80 % power, at the interval's level."""

    estimate: int | None = Field(description="With the observed spread; null above a million.")
    low: int | None = Field(description="At the lower end of the spread's 95 % interval.")
    high: int | None = Field(description="At its upper end; null above a million.")


class Family(Model):
    """The contrasts whose intervals hold together, and the looks at their results."""

    contrasts: Count = Field(description="Contrasts of the study without its controls.")
    method: Literal["sign flips", "Bonferroni", "single"] = Field(
        description="Joint sign flips (max-T), Bonferroni's t, or one contrast alone."
    )
    level: float = Field(gt=0, le=1, description="Chance that any interval misses, at this look.")
    looks: list[Count] = Field(default=[], description="Seeds at the looks so far, this one last.")
    last_look: Count | None = Field(default=None, description="Seeds of the last planned look.")
    extended: bool = Field(default=False, description="Whether a look was not planned.")


class Contrast(Model):
    """One arm against its reference, over the seeds that both have."""

    arm: Name = Field(description="The arm.")
    reference: Name = Field(description="The arm that is subtracted.")
    seeds: list[Count] = Field(min_length=1, description="Common seeds.")
    left_out_seeds: LeftOutSeeds = Field(
        default=LeftOutSeeds(), description="Seeds that only one of the two has."
    )
    difference: Difference = Field(description="Differences of the study's metric.")
    interval: Interval | None = Field(
        description="Simultaneous 95 % interval over the study's family, from which the verdict"
        " follows; of a control, of this contrast alone."
    )
    p: Probability | None = Field(description="Two-sided t test, adjusted over the family.")
    in_family: bool = Field(description="False for a control.")
    margin: float = Field(gt=0, description="The smallest difference that matters, in its unit.")
    verdict: Verdict = Field(description="The verdict; see `docs/decisions/statistics.md`.")
    robust: RobustDifference = Field(description="The same question to the trimmed mean.")
    seeds_needed: SeedsNeeded | None = Field(
        description="Null unless the verdict is inconclusive and more seeds are needed."
    )
    nll: Difference | None = Field(default=None, description="Differences of `test/nll`.")
    new_images_interval_95: Interval | None = Field(
        default=None,
        description="Of the accuracy difference, pp, for new seeds and new test images.",
    )
    mcnemar: McNemar | None = Field(default=None, description="Test of one pair of runs.")
    class_errors: ClassErrors | None = Field(default=None, description="Differences by class.")
    flips: Flips | None = Field(default=None, description="Images correct in one arm alone.")
    cost_ratio: dict[str, float | None] = Field(default={}, description="Arm's over reference's.")

    @property
    def n(self) -> int:
        """Number of common seeds."""
        return len(self.seeds)

    @property
    def robust_disagrees(self) -> bool:
        """Whether the trimmed mean leads to another side, or to equivalence where this does not."""
        return _finding(self.verdict) != _finding(self.robust.verdict)
