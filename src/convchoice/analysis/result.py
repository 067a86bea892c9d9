"""The typed result of a study: the models of `comparison.json`.

Figures, tables, sentences and the numbers in MLflow are made from a `Comparison` and from nothing
else. `docs/comparison.md` is generated from these models; `comparison_files` reads and writes them.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from convchoice.analysis.measure import Measure
from convchoice.analysis.result_arm import ArmResult, Sample
from convchoice.analysis.result_contrast import Contrast, Family
from convchoice.analysis.result_model import (
    Count,
    ImagePixels,
    Interval,
    Model,
    Name,
)  # fmt: skip
from convchoice.analysis.verdict import ClaimVerdict, Verdict
from convchoice.config.study import Margin

SCHEMA_VERSION: Literal[4] = 4
"""Raised when a reader of the previous schema would fail; a new optional key does not raise it."""


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

    @property
    def rows(self) -> list[tuple[str, ArmResult, Contrast | None]]:
        """The rows of a table: each arm with each of its contrasts, or with None."""
        return [
            (name, arm, contrast)
            for name, arm in self.arms.items()
            for contrast in self.contrasts_of(name) or (None,)
        ]

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
