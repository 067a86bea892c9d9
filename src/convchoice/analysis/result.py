"""The typed result of a study: the models of `comparison.json`.

Figures, tables, sentences and the numbers in MLflow are made from a `Comparison` and from nothing
else. `docs/comparison.md` is generated from these models; `comparison_files` reads and writes them.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from convchoice.analysis.measure import Measure
from convchoice.analysis.result_arm import ArmResult
from convchoice.analysis.result_contrast import Contrast, Family
from convchoice.analysis.result_model import (
    Count,
    ImagePixels,
    Model,
    Name,
)  # fmt: skip
from convchoice.analysis.result_study import (
    Claim,
    DefinitionHistory,
    PublishedResults,
    StudyDefinition,
)  # fmt: skip

SCHEMA_VERSION: Literal[4] = 4
"""Raised when a reader of the previous schema would fail; a new optional key does not raise it."""


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

    kind: Literal[
        "fallback",
        "failed",
        "partial",
        "amended",
        "confounded",
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
