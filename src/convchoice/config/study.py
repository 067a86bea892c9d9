"""A study: a question, its claims, a baseline arm, other arms, a metric and a margin.

Written before the results, one YAML file each in `conf/study/`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from convchoice import CONF_DIR
from convchoice.config.arm_keys import check_new_arm
from convchoice.config.field_types import MOST_ITEMS, Name, Text, between, from_mapping
from convchoice.config.margin import DEFAULT_MARGIN, Margin
from convchoice.config.schema import Curve
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import ConfigurationError, did_you_mean, require

References = Annotated[
    list[Name],
    MOST_ITEMS,
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
]
Printed = list[Annotated[float, between(-1e9, 1e9)]]
MOST_SETTINGS = 200
"""Combinations of the settings of `survive`."""


class Prediction(StrEnum):
    """What a claim says of an arm against its reference."""

    better = "better"
    worse = "worse"
    equivalent = "equivalent"
    not_better = "not better"
    not_worse = "not worse"
    raised = "higher"
    lowered = "lower"

    def of_quality(self, *, higher_is_better: bool) -> "Prediction":
        """The prediction with `higher` and `lower` as what they mean for a metric."""
        if self in {Prediction.raised, Prediction.lowered}:
            up = (self is Prediction.raised) == higher_is_better
            return Prediction.better if up else Prediction.worse
        return self


AGAINST = " against "


@dataclass
class StudyClaim:
    """What the source claims, and what must be seen for it to hold."""

    says: str
    """One sentence in plain words."""
    predicts: dict[str, Prediction] = field(default_factory=dict)
    """By contrast, what the claim says of it, from the arm's side. A contrast is the arm, or, if
    the arm has several references, ``ARM against REFERENCE``. Empty for a claim that `printed`
    values come out again."""
    metric: str | None = None
    """What the claim is about, if not the study's metric."""
    margin: Margin | None = None
    """δ in that metric."""


@dataclass
class Study:
    """A question, written before the results."""

    name: Name
    question: str
    source: str
    """Where the claims were made: a slide's title, a paper, a colleague."""
    baseline: Name
    """The reference of every arm that is not in `against`."""
    arms: Annotated[list[Name], MOST_ITEMS]
    """The other arms, in the order of the report."""
    new_arms: dict[str, list[str]] = field(default_factory=dict)
    """Arms that are not in `conf/arm`: their names, and what each sets, as on the command line:
    ``five: [arm=max, conv.kernel_size=5]``."""
    against: dict[str, References] = field(default_factory=dict)
    """Arms whose reference is another arm than the baseline, and that arm, or a list of several."""
    claims: Annotated[list[StudyClaim], MOST_ITEMS] = field(default_factory=list)
    """Each is answered on its own; empty for a study that only describes."""
    controls: list[str] = field(default_factory=list)
    """Arms that hold a confounder constant, or are references alone: compared like the others, but
    part of no claim."""
    alike: list[str] = field(default_factory=list)
    """Controls that equal their reference in distribution: a difference that is shown for one of
    them is a false alarm."""
    curves: list[Curve] = field(default_factory=list)
    """What is evaluated of this study's arms besides the clean test set."""
    metric: str = "test/accuracy"
    margin: Margin = DEFAULT_MARGIN
    """The smallest difference that matters; see `Margin`."""
    looks: Annotated[list[Annotated[int, between(2, 100_000)]], MOST_ITEMS] = field(
        default_factory=list
    )
    """Numbers of seeds at which the results may be looked at, planned before the first run; empty
    for one look, at all seeds."""
    survive: dict[str, list[Any]] = field(default_factory=dict)
    """Settings over which `convchoice survive` repeats the contrasts: values of each key."""
    printed: dict[str, Printed] = field(default_factory=dict)
    """Published values by metric, one per epoch, that are shown beside ours."""
    labels: dict[str, Text] = field(default_factory=dict)
    """By arm, the name that people read: ``max pooling 2×2``."""
    descriptions: dict[str, Text] = field(default_factory=dict)
    """By arm, what it is, in one line."""
    see: dict[Name, Text] = field(default_factory=dict)
    """Studies that a reader of this one's answers should know, and why: ``which …``."""
    notes: str = ""

    def all_arms(self) -> list[str]:
        """The baseline, then the other arms."""
        return [self.baseline, *self.arms]

    def references(self, arm: str) -> list[str]:
        """The arms that an arm is compared with."""
        return self.against.get(arm, [self.baseline])

    def pairs(self) -> list[tuple[str, str]]:
        """The study's contrasts, in the order of the report, as (arm, reference)."""
        return [(arm, reference) for arm in self.arms for reference in self.references(arm)]

    def predicted(self, claim: StudyClaim) -> dict[tuple[str, str], Prediction]:
        """What a claim predicts, by (arm, reference)."""
        found = {}
        for name, prediction in claim.predicts.items():
            arm, _, reference = name.partition(AGAINST)
            found[arm, reference or self.references(arm)[0]] = prediction
        return found


def study_from_mapping(values: Mapping[str, Any], origin: str) -> Study:
    """A typed, checked study; `ConfigurationError` for anything illegal in it."""
    _check_no_old_claim(values, origin)
    study = from_mapping(Study, values, origin)
    rule = "a study needs at least one arm besides its baseline, or printed values."
    require(bool(study.arms or study.printed), f"{origin}: arms", study.arms, rule)
    arms = study.all_arms()
    curves = [curve.name for curve in study.curves]
    against = {f"against.{arm}": references for arm, references in study.against.items()}
    lists = {"arms": arms, "controls": study.controls, "curves": curves, **against}
    lists |= {"alike": study.alike, "labels": list(study.labels.values())}
    for name, listed in lists.items():
        repeated = sorted({item for item in listed if listed.count(item) > 1})
        require(not repeated, f"{origin}: {name}", repeated, "each may be there once.")
    rising = all(first < second for first, second in pairwise(study.looks))
    require(rising, f"{origin}: looks", study.looks, "must rise: each look adds seeds.")
    _check_margin(study.margin, study.metric, origin)
    _check_survive(study.survive, f"{origin}: survive")
    named: list[tuple[str, Iterable[str], list[str]]]
    named = [("controls", study.controls, study.arms), ("against", study.against, study.arms)]
    for arm, references in study.against.items():
        require(bool(references), f"{origin}: against.{arm}", [], "names no arm.")
        others = [other for other in arms if other != arm]
        named.append((f"against.{arm}", references, others))
    named += [("alike", study.alike, study.controls), ("new_arms", study.new_arms, arms)]
    named += [("labels", study.labels, arms), ("descriptions", study.descriptions, arms)]
    for name, given, legal in named:
        for arm in given:
            rule = f"must be one of the arms {', '.join(legal)}."
            require(arm in legal, f"{origin}: {name}", arm, rule, did_you_mean(arm, legal))
    for index, claim in enumerate(study.claims):
        _check_claim(study, claim, f"{origin}: claims[{index}]")
    for arm, overrides in study.new_arms.items():
        check_new_arm(overrides, f"{origin}: new_arms.{arm}")
    return study


def _check_no_old_claim(values: Mapping[str, Any], origin: str) -> None:
    """Refuse the keys of earlier versions, and say how the claim is written now."""
    for key in ("claim", "claim_arm"):
        if isinstance(values, Mapping) and key in values:
            fix = (
                "Write `claims: [{says: A sentence., predicts: {ARM: worse}}]`, with what the claim"
                " says of each arm against its reference: better, worse, equivalent, …"
            )
            raise ConfigurationError(f"{origin}: {key}", values[key], "is `claims` now.", fix)


def _check_margin(margin: Margin | None, metric: str, origin: str) -> None:
    rule = f"is a share of errors, and {metric} is no accuracy. Give a number."
    known = not isinstance(margin, str) or metric.endswith("accuracy")
    require(known, f"{origin}: margin", margin, rule)


def _check_claim(study: Study, claim: StudyClaim, origin: str) -> None:
    pairs = [pair for pair in study.pairs() if pair[0] not in study.controls]
    both = {f"{arm}{AGAINST}{reference}": arm for arm, reference in pairs}
    one = [arm for arm in both.values() if len(study.references(arm)) == 1]
    for name in claim.predicts:
        rule = (
            f"must be one of the study's contrasts, without controls: {', '.join([*one, *both])}."
        )
        fix = did_you_mean(name, [*one, *both])
        require(name in {*one, *both}, f"{origin}.predicts", name, rule, fix)
    named = [name.partition(AGAINST)[0] for name in claim.predicts if name in one]
    twice = [name for name in claim.predicts if both.get(name) in named]
    require(not twice, f"{origin}.predicts", twice, "the same contrast is there twice.")
    rule = "must name a contrast and what the claim says of it."
    require(bool(claim.predicts or study.printed), f"{origin}.predicts", claim.predicts, rule)
    own = claim.metric is not None
    rule = "is for a claim with a `metric` of its own." if not own else "is missing: its own unit."
    require(own == (claim.margin is not None), f"{origin}.margin", claim.margin, rule)
    _check_margin(claim.margin, claim.metric or study.metric, origin)


def _check_survive(grid: Mapping[str, list[Any]], origin: str) -> None:
    for key, values in grid.items():
        check_new_arm([f"{key}={value}" for value in values], f"{origin}.{key}")
        distinct = len({str(value) for value in values}) == len(values)
        rule = "must list at least two values, each once."
        require(distinct and len(values) > 1, f"{origin}.{key}", values, rule)
    settings = math.prod(map(len, grid.values()))
    rule = f"has {settings:,} combinations; at most {MOST_SETTINGS} are run."
    require(settings <= MOST_SETTINGS, origin, list(grid), rule)


def read_study(path: Path) -> Study:
    """The study in a YAML file; its name must be the file's.

    Raises:
        UserError: if the file cannot be read or the study is not legal.
    """
    study = study_from_mapping(read_yaml(path), str(path))
    rule = f"must be the file's own name, {path.stem}."
    require(study.name == path.stem, f"{path}: name", study.name, rule)
    return study


def new_arms_of(studies: Iterable[Study]) -> dict[str, list[str]]:
    """What the new arms of some studies set, by name.

    Raises:
        ConfigurationError: if two studies have different arms of one name.
    """
    found: dict[str, list[str]] = {}
    for study in studies:
        for arm, overrides in study.new_arms.items():
            same, name = found.setdefault(arm, overrides) == overrides, f"new_arms.{arm}"
            rule = f"another study's arm of that name sets {found[arm]}. Rename one of the two."
            require(same, f"study {study.name}: {name}", overrides, rule)
    return found


def studies_of_arm(arm: str, folder: Path = CONF_DIR / "study") -> list[str]:
    """The shipped studies that an arm belongs to, in alphabetical order.

    Raises:
        UserError: if one of the studies cannot be read.
    """
    studies = [read_study(path) for path in sorted(folder.glob("*.yaml"))]
    return [study.name for study in studies if arm in study.all_arms()]
