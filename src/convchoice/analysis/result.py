"""The typed result of a study: the models of `comparison.json`.

Figures, tables, sentences and the numbers in MLflow are made from a `Comparison` and from nothing
else. `docs/comparison.md` is generated from these models; `comparison_files` reads and writes them.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, JsonValue, model_validator

from convchoice.analysis.arm import ArmResult
from convchoice.analysis.contrast import Contrast, Family
from convchoice.analysis.literature_values import PublishedResults
from convchoice.analysis.measure import Measure
from convchoice.analysis.provenance import Provenance
from convchoice.analysis.result_types import Count, ImagePixels, Interval, Model, Name
from convchoice.analysis.verdict import Answer, Outcome, Verdict
from convchoice.config.margin import Margin
from convchoice.config.study import Prediction

SCHEMA_VERSION: Literal[4] = 4
"""Raised when a reader of the previous schema would fail; a new optional key does not raise it."""


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


class Caution(Model):
    """Something that a reader must know before using the result."""

    kind: Literal[
        "fallback",
        "overlap",
        "failed",
        "partial",
        "amended",
        "confounded",
        "demonstration",
        "scale",
        "unconverged",
        "devices",
        "commits",
        "dirty",
    ] = Field(description="Kind, for programs.")
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
    definition: DefinitionHistory | None = Field(
        default=None, description="When the study was defined; null if that is not recorded."
    )
    family: Family = Field(description="What the intervals of the contrasts hold for.")
    claims: list[Claim] = Field(default=[], description="Answers to the study's claims.")
    pictures: dict[Count, ImagePixels] = Field(
        default={}, description="By index, the test images of `flips` that a run kept."
    )
    published: PublishedResults | None = Field(
        default=None, description="Comparison with published values; null if there are none."
    )
    failed: dict[Name, dict[Count, str]] = Field(default={}, description="Why trainings failed.")
    left_out: list[Name] = Field(default=[], description="Arms of which no seed is planned.")
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

    def labelled(self) -> Self:
        """The result for people: every arm has its label in the place of its name."""
        study, label = self.study, self.study.label

        def keys(found: Mapping[str, Any]) -> dict[str, Any]:
            return {label(name): value for name, value in found.items()}

        definition = {
            "baseline": label(study.baseline),
            **{
                name: list(map(label, getattr(study, name)))
                for name in ("arms", "controls", "alike")
            },
            "labels": {},
            "descriptions": keys(study.descriptions),
        }
        arms = {
            label(name): arm.model_copy(
                update={"reference": None if arm.reference is None else label(arm.reference)}
            )
            for name, arm in self.arms.items()
        }
        contrasts = [
            each.model_copy(update={"arm": label(each.arm), "reference": label(each.reference)})
            for each in self.contrasts
        ]
        update = {
            "study": study.model_copy(update=definition),
            "arms": arms,
            "contrasts": contrasts,
            "failed": keys(self.failed),
            "left_out": list(map(label, self.left_out)),
            "missing_seeds": keys(self.missing_seeds),
        }
        return self.model_copy(update=update)

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
