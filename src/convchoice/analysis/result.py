"""The typed result of a study: the models of `comparison.json`.

Figures, tables, sentences and the numbers in MLflow are made from a `Comparison` and from nothing
else. `docs/comparison.md` is generated from these models; `comparison_files` reads and writes them.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from convchoice.analysis.arrays import ImagePixels
from convchoice.analysis.interval import Interval
from convchoice.analysis.measure import Measure
from convchoice.analysis.model import Count, Model, Name
from convchoice.analysis.result_arm import ArmResult, Sample
from convchoice.analysis.result_contrast import Contrast
from convchoice.analysis.verdict import ClaimVerdict, Verdict

SCHEMA_VERSION: Literal[3] = 3
"""Raised when a reader of the previous schema would fail; a new optional key does not raise it."""


class StudyDefinition(Model):
    """A study as its YAML file defines it."""

    name: Name
    """The study's name."""
    question: str
    """The question that the study asks."""
    claim: str
    """The claim under test, as its author states it."""
    source: str
    """Where the claim was made."""
    baseline: Name
    """The arm that others are compared with unless `against` names another."""
    arms: list[Name]
    """The other arms, in the order of the report."""
    new_arms: dict[Name, list[str]] = {}
    """Arms that the study defines itself: their overrides."""
    against: dict[Name, Name] = {}
    """By arm, its reference where that is not the baseline."""
    controls: list[Name] = []
    """Arms with a confounder: compared, but no competitors in the claim."""
    curves: list[str] = []
    """Curves that the study evaluates beside clean accuracy."""
    claim_arm: Name | None = None
    """The arm that the claim says is better than every arm it is compared with, if any."""
    metric: str
    """The metric under comparison."""
    margin: float = Field(gt=0)
    """The smallest difference that matters, in `measure.unit`."""
    published: dict[str, list[float]] = {}
    """Published values by metric, one an epoch."""
    notes: str = ""
    """Remarks of the study's author."""


class ClaimPair(Model):
    """One comparison that the claim is about, from the side of the arm claimed to be better."""

    arm: Name
    """The arm that is claimed to be better."""
    opponent: Name
    """The arm that it is claimed to be better than."""
    verdict: Verdict
    """Verdict from the arm's side."""


class Claim(Model):
    """The outcome of the claim "this arm is better than every arm it is compared with"."""

    arm: Name | None
    """The study's `claim_arm`."""
    pairs: list[ClaimPair] = Field(min_length=1)
    """Every comparison that the claim needs."""
    verdict: ClaimVerdict
    """Whether the claim holds."""
    sentence: str
    """The outcome in words."""


class Rank(Model):
    """Where a published value lies among the runs."""

    below: Count
    """Runs below the published value."""
    equal: Count
    """Runs equal to it."""
    above: Count
    """Runs above it."""
    percentile: float
    """100 × (share below + half of the share equal)."""


class PublishedValue(Model):
    """One published value and the baseline's runs."""

    metric: str
    """The metric."""
    epoch: int | None
    """Epoch, from 1; null after the last one."""
    published: float
    """The published value."""
    ours: Sample
    """The baseline's runs."""
    rank: Rank | None
    """The published value among the runs; null where the two are not comparable."""

    @property
    def comparable(self) -> bool:
        """Whether both were trained on the same data for the same number of epochs."""
        return self.rank is not None


class WilsonInterval(Model):
    """Wilson's 95 % interval of a published test accuracy."""

    errors: Count
    """Wrong predictions."""
    images: Count
    """Test images."""
    interval: Interval
    """Interval of the accuracy, fractions of 1."""


class PublishedResults(Model):
    """Published values of one run compared with the baseline's runs."""

    published_epochs: Count
    """Epochs of the published run."""
    our_epochs: Count
    """Epochs of the baseline's runs."""
    comparable_epochs: Count
    """Epochs for which both have values; 0 if trained on other data."""
    by_epoch: list[PublishedValue]
    """A value an epoch of each metric."""
    final: list[PublishedValue]
    """Values of the test set."""
    wilson_95: WilsonInterval | None
    """Interval of the published test accuracy; null if none is published."""
    note: str
    """What is not comparable and why; may be empty."""


class Dataset(Model):
    """The data set of all runs."""

    name: str | None = None
    """Name in the configuration."""
    title: str | None = None
    """Name for people."""
    class_names: list[str] | None = None
    """Names of the classes."""
    digest: str | None = None
    """SHA-256 of the data."""
    test_images: Count | None = None
    """Images of the test set."""
    fallback_note: str | None = None
    """Why another data set than the configured one was used; null if it was not."""
    retry: str | None = None
    """Command that tries the configured data set again."""


class Table(Model):
    """The table that a comparison was made from."""

    files: list[str]
    """File names."""
    digest: str
    """SHA-256 of the files' bytes."""


class Provenance(Model):
    """How the values were made; lists hold the distinct values over all runs."""

    runs: Count
    """Number of runs, or of values in a table."""
    dataset: Dataset
    """The data set."""
    table: Table | None = None
    """The table; null if the comparison was made from run folders."""
    epochs: list[Count] = []
    """Epochs trained."""
    training_images: list[Count] = []
    """Images in the training split."""
    validation_images: list[Count] = []
    """Images in the validation split."""
    commits: list[str] = []
    """Git commits."""
    dirty: list[bool] = []
    """Whether there were uncommitted changes."""
    pythons: list[str] = []
    """Python versions."""
    platforms: list[str] = []
    """Operating systems."""
    devices: list[str] = []
    """Kinds of device."""
    device_names: list[str] = []
    """Models of device."""
    threads: list[Count] = []
    """CPU threads of a training."""
    precisions: list[str] = []
    """Lightning's precision settings."""
    deterministic: list[bool] = []
    """Whether deterministic kernels were used."""
    versions: dict[str, list[str]] = {}
    """Versions by package."""
    train_seconds_total: float | None = None
    """Seconds of all trainings together; null if not recorded for every run."""
    first_started: str | None = None
    """Start of the first training, ISO 8601."""
    last_finished: str | None = None
    """End of the last training, ISO 8601."""


class Caution(Model):
    """Something that a reader must know before using the result."""

    kind: Literal["fallback", "failed", "partial", "scale", "devices", "commits", "dirty"]
    """Kind, for programs."""
    text: str
    """The sentence."""


class Comparison(Model):
    """The result of a study."""

    schema_version: Literal[3] = SCHEMA_VERSION
    """Version of this schema."""
    study: StudyDefinition
    """The study's definition."""
    measure: Measure
    """How differences of the study's metric are counted."""
    arms: dict[Name, ArmResult] = Field(min_length=1)
    """Results by arm, the baseline first."""
    contrasts: list[Contrast]
    """One a compared arm, in the order of the study."""
    claim: Claim | None = None
    """The outcome of the claim; null if nothing is claimed of one arm."""
    pictures: dict[Count, ImagePixels] = {}
    """By index, the test images of `flips` that a run kept."""
    published: PublishedResults | None = None
    """Comparison with published values; null if the study names none."""
    failed: dict[Name, dict[Count, str]] = {}
    """By arm and seed, why a training failed."""
    missing_seeds: dict[Name, list[Count]] = {}
    """By arm, planned seeds without a run; if not empty, the result is partial."""
    provenance: Provenance
    """How the values were made."""
    cautions: list[Caution] = []
    """What a reader must know, most important first."""
    sha256: str = ""
    """SHA-256 of the rest of the file; layout and order of keys do not count."""

    @property
    def contrast_by_arm(self) -> dict[str, Contrast]:
        """The contrasts by their arm."""
        return {contrast.arm: contrast for contrast in self.contrasts}

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
