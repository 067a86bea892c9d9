"""A study: a question, its claim, a baseline arm, other arms, a metric and a margin.

Written before the results, one YAML file each in `conf/study/`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convchoice.config.arm_keys import check_new_arm
from convchoice.config.mapping import from_mapping, plain_values
from convchoice.config.schema import Curve
from convchoice.config.validation import CONF_DIR, check_name
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import require


@dataclass
class Study:
    """A question, written before the results."""

    name: str
    question: str
    claim: str
    """The claim as the lecture (or whoever made it) puts it, short."""
    source: str
    """Where the claim was made: a slide's title, a paper, a colleague."""
    baseline: str
    """Arm that the others are compared with."""
    arms: list[str]
    """The other arms, in the order of the report."""
    new_arms: dict[str, list[str]] = field(default_factory=dict)
    """Arms that the study brings along, beside those of `conf/arm`: their names, and what each
    sets, as on the command line: ``five: [arm=max, conv.kernel_size=5]``."""
    against: dict[str, str] = field(default_factory=dict)
    """Arms whose like-for-like partner is another arm than the baseline."""
    controls: list[str] = field(default_factory=list)
    """Arms that hold a confounder: compared like the others, but no rivals in the claim."""
    curves: list[Curve] = field(default_factory=list)
    """What is measured of this study's arms beside the clean test set."""
    claim_arm: str | None = None
    """Arm that the claim says is better than each it is compared with; null: no such claim."""
    metric: str = "test/accuracy"
    margin: float = 0.10
    """δ, in percentage points for an accuracy, in the metric's own unit otherwise."""
    printed: dict[str, list[float]] = field(default_factory=dict)
    """Published values by metric, one an epoch, to be shown beside ours."""
    notes: str = ""

    def all_arms(self) -> list[str]:
        """The baseline, then the other arms."""
        return [self.baseline, *self.arms]

    def partner(self, arm: str) -> str:
        """The arm that `arm` is compared with."""
        return self.against.get(arm, self.baseline)


def study_from_mapping(values: Mapping[str, Any], origin: str) -> Study:
    """A typed, validated study.

    Raises:
        ConfigurationError: for an unknown or missing key, a wrong type, duplicate arms, a
            comparison of an arm with itself, or a margin that is not positive.
    """
    study = from_mapping(Study, values, origin)
    check_name(f"{origin}: name", study.name)
    require(
        bool(study.arms) or bool(study.printed),
        f"{origin}: arms",
        study.arms,
        "a study needs at least one arm beside its baseline, or printed values to compare with.",
    )
    arms = study.all_arms()
    for arm in arms:
        check_name(f"{origin}: arms", arm)
    repeated = sorted({arm for arm in arms if arms.count(arm) > 1})
    require(
        not repeated, f"{origin}: arms", repeated, "each arm may stand once, the baseline included."
    )
    for name, listed in (("controls", study.controls), ("curves", study.curves)):
        require(
            len(set(listed)) == len(listed), f"{origin}: {name}", plain_values(listed),
            "each may stand once.",
        )  # fmt: skip
    for metric, values_printed in study.printed.items():
        require(
            all(math.isfinite(value) for value in values_printed),
            f"{origin}: printed.{metric}", values_printed, "must be finite numbers.",
        )  # fmt: skip
    for arm, overrides in study.new_arms.items():
        require(arm in arms, f"{origin}: new_arms", arm, f"must be one of the study's arms {arms}.")
        check_new_arm(overrides, f"{origin}: new_arms.{arm}")
    for arm in study.controls:
        require(
            arm in study.arms, f"{origin}: controls", arm, f"must be one of the arms {study.arms}."
        )
    for arm, partner in study.against.items():
        require(
            arm in study.arms, f"{origin}: against", arm, f"must be one of the arms {study.arms}."
        )
        require(
            partner in arms and partner != arm,
            f"{origin}: against.{arm}",
            partner,
            f"must be another of the arms {arms}.",
        )
    require(
        study.claim_arm in {None, *arms},
        f"{origin}: claim_arm",
        study.claim_arm,
        f"must be one of the arms {arms}.",
    )
    require(
        math.isfinite(study.margin) and study.margin > 0,
        f"{origin}: margin",
        study.margin,
        "must be a finite number above 0.",
    )
    return study


def read_study(path: Path) -> Study:
    """The study in a YAML file; its name must be the file's.

    Raises:
        UserError: if the file cannot be read or the study is not legal.
    """
    study = study_from_mapping(read_yaml(path), str(path))
    require(
        study.name == path.stem,
        f"{path}: name",
        study.name,
        f"must be the file's own name, {path.stem}.",
    )
    return study


def new_arms_of(studies: Iterable[Study]) -> dict[str, list[str]]:
    """What the arms set that the studies bring along, by name.

    Raises:
        ConfigurationError: if two studies mean different arms by one name.
    """
    found: dict[str, list[str]] = {}
    for study in studies:
        for arm, settings in study.new_arms.items():
            require(
                found.setdefault(arm, settings) == settings,
                f"study {study.name}: new_arms.{arm}",
                settings,
                f"another study's arm of that name sets {found[arm]}.",
                "Give one of the two another name.",
            )
    return found


def studies_of_arm(arm: str, folder: Path = CONF_DIR / "study") -> list[str]:
    """Names of the shipped studies that an arm belongs to, in alphabetical order.

    Raises:
        UserError: if one of the studies cannot be read.
    """
    studies = [read_study(path) for path in sorted(folder.glob("*.yaml"))]
    return [study.name for study in studies if arm in study.all_arms()]
