"""The typed result of a study: the models of `comparison.json`.

Figures, tables, sentences and the numbers in MLflow are made from a `Comparison` and from nothing
else. `docs/comparison.md` is generated from these models; `comparison_files` reads and writes them.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from convchoice.analysis.measure import Measure
from convchoice.analysis.result_arm import ArmResult, ClassErrors, Sample
from convchoice.analysis.result_model import (
    Count,
    ImagePixels,
    Interval,
    Model,
    Name,
    Probability,
)  # fmt: skip
from convchoice.analysis.verdict import ClaimVerdict, Verdict
from convchoice.config.study import Margin

SCHEMA_VERSION: Literal[4] = 4
"""Raised when a reader of the previous schema would fail; a new optional key does not raise it."""


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


class StudyDefinition(Model):
    """A study as its YAML file defines it."""

    name: Name = Field(description="The study's name.")
    question: str = Field(description="The question that the study asks.")
    claim: str = Field(description="The claim under test, as its author states it.")
    source: str = Field(description="Where the claim was made.")
    baseline: Name = Field(description="The reference unless `against` names another.")
    arms: list[Name] = Field(description="The other arms, in the order of the report.")
    new_arms: dict[Name, list[str]] = Field(
        default={}, description="Arms that the study defines itself: their overrides."
    )
    against: dict[Name, list[Name]] = Field(
        default={}, description="By arm, its references, if another than the baseline."
    )
    controls: list[Name] = Field(default=[], description="Arms that are no part of the claim.")
    curves: list[str] = Field(default=[], description="Curves that are evaluated.")
    claim_arm: Name | None = Field(default=None, description="The arm claimed to be better.")
    metric: str = Field(description="The metric under comparison.")
    margin: Margin = Field(
        description="The smallest difference that matters: a number, or a share of errors."
    )
    looks: list[Count] = Field(default=[], description="Planned numbers of seeds, rising.")
    published: dict[str, list[float]] = Field(
        default={}, description="Published values by metric, one an epoch."
    )
    notes: str = Field(default="", description="Remarks of the study's author.")


class ClaimPair(Model):
    """One comparison that the claim is about."""

    arm: Name = Field(description="The arm that is claimed to be better.")
    opponent: Name = Field(description="The arm that it is claimed to be better than.")
    verdict: Verdict = Field(description="Verdict from the arm's side.")


class Claim(Model):
    """The outcome of the claim "this arm is better than every arm it is compared with"."""

    arm: Name | None = Field(description="The study's `claim_arm`.")
    pairs: list[ClaimPair] = Field(min_length=1, description="Its comparisons.")
    verdict: ClaimVerdict = Field(description="Whether the claim holds.")
    sentence: str = Field(description="The outcome in words.")


class Rank(Model):
    """Where a published value lies among the runs."""

    below: Count = Field(description="Runs below the published value.")
    equal: Count = Field(description="Runs equal to it.")
    above: Count = Field(description="Runs above it.")
    percentile: float = Field(description="100 × (share below + half of the share equal).")


class PublishedValue(Model):
    """One published value and the baseline's runs."""

    metric: str = Field(description="The metric.")
    epoch: int | None = Field(description="Epoch, from 1; null after the last one.")
    published: float = Field(description="The published value.")
    ours: Sample = Field(description="The baseline's runs.")
    rank: Rank | None = Field(description="Null where the two are not comparable.")

    @property
    def comparable(self) -> bool:
        """Whether both were trained on the same data for the same number of epochs."""
        return self.rank is not None


class WilsonInterval(Model):
    """Wilson's 95 % interval of a published test accuracy."""

    errors: Count = Field(description="Wrong predictions.")
    images: Count = Field(description="Test images.")
    interval: Interval = Field(description="Interval of the accuracy, fractions of 1.")


class PublishedResults(Model):
    """Published values of one run compared with the baseline's runs."""

    published_epochs: Count = Field(description="Epochs of the published run.")
    our_epochs: Count = Field(description="Epochs of the baseline's runs.")
    comparable_epochs: Count = Field(description="Epochs with both; 0 if on other data.")
    by_epoch: list[PublishedValue] = Field(description="A value an epoch of each metric.")
    final: list[PublishedValue] = Field(description="Values of the test set.")
    wilson_95: WilsonInterval | None = Field(description="Of the published test accuracy.")
    note: str = Field(description="What is not comparable and why; may be empty.")


class Dataset(Model):
    """The data set of all runs."""

    name: str | None = Field(default=None, description="Name in the configuration.")
    title: str | None = Field(default=None, description="Name for people.")
    class_names: list[str] | None = Field(default=None, description="Names of the classes.")
    digest: str | None = Field(default=None, description="SHA-256 of the data.")
    test_images: Count | None = Field(default=None, description="Images of the test set.")
    fallback_note: str | None = Field(default=None, description="Why another one was used.")
    retry: str | None = Field(default=None, description="Command that tries again.")


class Table(Model):
    """The table that a comparison was made from."""

    files: list[str] = Field(description="File names.")
    digest: str = Field(description="SHA-256 of the files' bytes.")


class Provenance(Model):
    """How the values were made."""

    runs: Count = Field(description="Number of runs, or of values in a table.")
    dataset: Dataset = Field(description="The data set.")
    table: Table | None = Field(default=None, description="The table; null for run folders.")
    recorded: dict[str, list[bool | int | str]] = Field(
        default={}, description="Distinct values over all runs, by key of `environment.json`."
    )
    train_seconds_total: float | None = Field(default=None, description="Of all trainings.")
    first_started: str | None = Field(default=None, description="First training, ISO 8601.")
    last_finished: str | None = Field(default=None, description="Last training, ISO 8601.")
    taken_over: list[str] = Field(
        default=[],
        description="Keys whose values are those of an earlier result of the same runs, because"
        " the published files lack what they are computed from.",
    )


class Caution(Model):
    """Something that a reader must know before using the result."""

    kind: Literal["fallback", "failed", "partial", "scale", "devices", "commits", "dirty"] = Field(
        description="Kind, for programs."
    )
    text: str = Field(description="The sentence.")


class Comparison(Model):
    """The result of a study."""

    schema_version: Literal[4] = Field(default=SCHEMA_VERSION, description="Version of the schema.")
    study: StudyDefinition = Field(description="The study's definition.")
    measure: Measure = Field(description="How differences of the study's metric are counted.")
    arms: dict[Name, ArmResult] = Field(
        min_length=1, description="Results by arm, the baseline first."
    )
    contrasts: list[Contrast] = Field(description="One an arm and reference, in the study's order.")
    family: Family = Field(description="What the intervals of the contrasts hold for.")
    claim: Claim | None = Field(default=None, description="Null if nothing is claimed.")
    pictures: dict[Count, ImagePixels] = Field(
        default={}, description="By index, the test images of `flips` that a run kept."
    )
    published: PublishedResults | None = Field(
        default=None, description="Comparison with published values; null if there are none."
    )
    failed: dict[Name, dict[Count, str]] = Field(default={}, description="Why trainings failed.")
    missing_seeds: dict[Name, list[Count]] = Field(
        default={}, description="By arm, planned seeds without a run: the result is partial."
    )
    provenance: Provenance = Field(description="How the values were made.")
    cautions: list[Caution] = Field(default=[], description="Most important first.")
    sha256: str = Field(default="", description="Of the rest of the file, in any layout.")

    def contrasts_of(self, arm: str) -> list[Contrast]:
        """An arm's contrasts: one a reference; none of the baseline."""
        return [contrast for contrast in self.contrasts if contrast.arm == arm]

    def key(self, contrast: Contrast) -> str:
        """A contrast's name in files: its arm, and its reference if the arm has several."""
        several = len(self.contrasts_of(contrast.arm)) > 1
        return f"{contrast.arm}_vs_{contrast.reference}" if several else contrast.arm

    @model_validator(mode="after")
    def _check(self) -> Self:
        references = {arm.reference for arm in self.arms.values() if arm.reference is not None}
        pairs = {name for contrast in self.contrasts for name in (contrast.arm, contrast.reference)}
        unknown = sorted(({self.study.baseline} | references | pairs) - self.arms.keys())
        if unknown:
            raise ValueError(f"there is no result of arm {unknown[0]!r}.")
        for name, arm in self.arms.items():
            if self.measure.metric not in arm.scores:
                raise ValueError(f"arm {name} has no score {self.measure.metric!r}.")
        return self
