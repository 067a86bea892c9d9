"""The result of a study's question: its definition, the answers to its claims, published values."""

from pydantic import Field, JsonValue

from convchoice.analysis.measure import Measure
from convchoice.analysis.result_arm import Sample
from convchoice.analysis.result_model import Count, Interval, Model, Name
from convchoice.analysis.verdict import Answer, Outcome, Verdict
from convchoice.config.margin import Margin
from convchoice.config.study import Prediction


class ClaimDefinition(Model):
    """A claim as a study's YAML file defines it."""

    says: str = Field(description="One sentence in plain words.")
    predicts: dict[str, Prediction] = Field(default={}, description="By contrast.")
    metric: str | None = Field(default=None, description="Its own metric, if it has one.")
    margin: Margin | None = Field(default=None, description="Its own margin, if it has one.")


class StudyDefinition(Model):
    """A study as its YAML file defines it."""

    name: Name = Field(description="The study's name.")
    question: str = Field(description="The question that the study asks.")
    source: str = Field(description="Where the claims were made.")
    baseline: Name = Field(description="The reference unless `against` names another.")
    arms: list[Name] = Field(description="The other arms, in the order of the report.")
    new_arms: dict[Name, list[str]] = Field(
        default={}, description="Arms that the study defines itself: their overrides."
    )
    against: dict[Name, list[Name]] = Field(
        default={}, description="By arm, its references, if another than the baseline."
    )
    claims: list[ClaimDefinition] = Field(default=[], description="What is claimed.")
    controls: list[Name] = Field(default=[], description="Arms that are no part of a claim.")
    alike: list[Name] = Field(
        default=[], description="Controls that equal their reference in distribution."
    )
    curves: list[str] = Field(default=[], description="Curves that are evaluated.")
    metric: str = Field(description="The metric under comparison.")
    margin: Margin = Field(
        description="The smallest difference that matters: a number, or a share of errors."
    )
    looks: list[Count] = Field(default=[], description="Planned numbers of seeds, rising.")
    survive: dict[str, list[JsonValue]] = Field(
        default={}, description="Settings over which `convchoice survive` repeats the contrasts."
    )
    published: dict[str, list[float]] = Field(
        default={}, description="Published values by metric, one an epoch."
    )
    labels: dict[Name, str] = Field(default={}, description="By arm, its name for people.")
    descriptions: dict[Name, str] = Field(default={}, description="By arm, what it is.")
    see: dict[Name, str] = Field(
        default={}, description="Studies whose answers belong to this one's, and why."
    )
    notes: str = Field(default="", description="Remarks of the study's author.")

    def label(self, arm: str) -> str:
        """An arm's name for people."""
        return self.labels.get(arm, arm)


class Amendment(Model):
    """A key of a study's definition that is not what it was before the first result."""

    field: str = Field(description="The key.")
    before: JsonValue = Field(description="Its first value; null if it was not set.")
    now: JsonValue = Field(description="Its present value; null if it is not set.")


class DefinitionHistory(Model):
    """When a study was defined, and what was amended after its first result."""

    commit: str | None = Field(description="Git's commit of the first definition, if any.")
    before_results: bool = Field(description="Whether it was recorded before the first result.")
    sha256: str = Field(description="Of the first definition.")
    earlier_looks: list[Count] = Field(
        default=[], description="Seeds of earlier results of the same arms with the same settings."
    )
    amendments: list[Amendment] = Field(description="Changes since.")


class ClaimPart(Model):
    """One contrast that a claim predicts."""

    arm: Name = Field(description="The arm.")
    reference: Name = Field(description="Its reference.")
    predicted: Prediction = Field(description="What the claim says of the arm.")
    verdict: Verdict = Field(description="The contrast's verdict.")
    outcome: Outcome = Field(description="Whether the verdict is what was predicted.")
    mean: float | None = Field(description="Mean difference; null if it could not be compared.")
    interval: Interval | None = Field(description="The interval that the verdict follows from.")
    margin: float | None = Field(description="The smallest difference that matters.")
    cost_ratio: dict[str, float | None] = Field(description="Arm's over reference's.")


class Claim(Model):
    """The answer to one claim."""

    says: str = Field(description="The claim.")
    measure: Measure = Field(description="How differences of what it is about are counted.")
    parts: list[ClaimPart] = Field(description="Its contrasts; empty if about published values.")
    answer: Answer = Field(description="Whether the claim holds.")
    sentence: str = Field(description="The answer in words.")


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
