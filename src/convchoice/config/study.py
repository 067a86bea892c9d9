"""A study: a question, its claim, a baseline arm, other arms, a metric and a margin.

Written before the results, one YAML file each in `conf/study/`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from convchoice import CONF_DIR
from convchoice.config.arm_keys import check_new_arm
from convchoice.config.field_types import MOST_ITEMS, Name, between, from_mapping
from convchoice.config.schema import Curve
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import ConfigurationError, did_you_mean, require

References = Annotated[
    list[Name],
    MOST_ITEMS,
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
]
Printed = list[Annotated[float, between(-1e9, 1e9)]]
DEFAULT_MARGIN = 0.10
SMALLEST_MARGIN, LARGEST_MARGIN = 1e-9, 1e9
ERROR_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?% of errors")
MARGIN_RULE = (
    f"must be a number from {SMALLEST_MARGIN:g} to {LARGEST_MARGIN:g}, or a share of the"
    " reference's errors from 0.1 to 100, such as `10% of errors`."
)


def _margin(value: Any) -> float | str:
    """A margin as a number, or as text that is a share of errors."""
    if isinstance(value, str) and (share := ERROR_SHARE.fullmatch(value.strip())):
        legal = 0.1 <= float(share[1]) <= 100  # noqa: PLR2004 - as the rule says
        value = f"{share[1]}% of errors"
    else:
        legal = isinstance(value, float | int) and not isinstance(value, bool)
        legal = legal and SMALLEST_MARGIN <= value <= LARGEST_MARGIN
    if not legal:
        raise ValueError(MARGIN_RULE)
    return value if isinstance(value, str) else float(value)


Margin = Annotated[float | str, BeforeValidator(_margin)]
"""δ: in percentage points for an accuracy, in the metric's own unit otherwise; or a share of the
reference's errors, ``10% of errors``."""


def margin_points(margin: float | str, reference_accuracy: float) -> float:
    """A margin as a number, in the unit of the differences.

    Args:
        margin: of a study.
        reference_accuracy: mean of the reference's seeds, a fraction of 1; a margin that is a
            share of errors is that share of its complement, in percentage points.
    """
    if not isinstance(margin, str):
        return margin
    return float(margin.partition("%")[0]) * (1 - reference_accuracy)


@dataclass
class Study:
    """A question, written before the results."""

    name: Name
    question: str
    claim: str
    """The claim in the words of its source, short."""
    source: str
    """Where the claim was made: a slide's title, a paper, a colleague."""
    baseline: Name
    """The reference of every arm that is not in `against`."""
    arms: Annotated[list[Name], MOST_ITEMS]
    """The other arms, in the order of the report."""
    new_arms: dict[str, list[str]] = field(default_factory=dict)
    """Arms that are not in `conf/arm`: their names, and what each sets, as on the command line:
    ``five: [arm=max, conv.kernel_size=5]``."""
    against: dict[str, References] = field(default_factory=dict)
    """Arms whose reference is another arm than the baseline, and that arm, or a list of several."""
    controls: list[str] = field(default_factory=list)
    """Arms that hold a confounder constant: compared like the others, but not part of the claim."""
    curves: list[Curve] = field(default_factory=list)
    """What is evaluated of this study's arms besides the clean test set."""
    claim_arm: str | None = None
    """Arm that the claim says is better than those compared with it; null if it says no such."""
    metric: str = "test/accuracy"
    margin: Margin = DEFAULT_MARGIN
    """The smallest difference that matters; see `Margin`."""
    looks: Annotated[list[Annotated[int, between(2, 100_000)]], MOST_ITEMS] = field(
        default_factory=list
    )
    """Numbers of seeds at which the results may be looked at, planned before the first run; empty
    for one look, at all seeds."""
    printed: dict[str, Printed] = field(default_factory=dict)
    """Published values by metric, one per epoch, that are shown beside ours."""
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


def study_from_mapping(values: Mapping[str, Any], origin: str) -> Study:
    """A typed, checked study; `ConfigurationError` for anything illegal in it."""
    study = from_mapping(Study, values, origin)
    rule = "a study needs at least one arm besides its baseline, or printed values."
    require(bool(study.arms or study.printed), f"{origin}: arms", study.arms, rule)
    arms = study.all_arms()
    curves = [curve.name for curve in study.curves]
    against = {f"against.{arm}": references for arm, references in study.against.items()}
    lists = {"arms": arms, "controls": study.controls, "curves": curves, **against}
    for name, listed in lists.items():
        repeated = sorted({item for item in listed if listed.count(item) > 1})
        require(not repeated, f"{origin}: {name}", repeated, "each may be there once.")
    rising = all(first < second for first, second in pairwise(study.looks))
    require(rising, f"{origin}: looks", study.looks, "must rise: each look adds seeds.")
    rule = f"is a share of errors, and {study.metric} is no accuracy. Give a number."
    known = not isinstance(study.margin, str) or study.metric.endswith("accuracy")
    require(known, f"{origin}: margin", study.margin, rule)
    for arm in study.controls:
        _check_arm(f"{origin}: controls", arm, study.arms)
    for arm, references in study.against.items():
        _check_arm(f"{origin}: against", arm, study.arms)
        others = [other for other in arms if other != arm]
        require(bool(references), f"{origin}: against.{arm}", [], "names no arm.")
        for reference in references:
            _check_arm(f"{origin}: against.{arm}", reference, others)
    if study.claim_arm is not None:
        _check_arm(f"{origin}: claim_arm", study.claim_arm, arms)
    for arm, overrides in study.new_arms.items():
        _check_arm(f"{origin}: new_arms", arm, arms)
        check_new_arm(overrides, f"{origin}: new_arms.{arm}")
    return study


def _check_arm(field_name: str, arm: str, legal: list[str]) -> None:
    if arm not in legal:
        rule = f"must be one of the arms {', '.join(legal)}."
        raise ConfigurationError(field_name, arm, rule, did_you_mean(arm, legal))


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
