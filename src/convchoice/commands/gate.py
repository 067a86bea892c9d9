r"""Is a change no worse than what it replaces? A gate for CI and automated searches.

Examples:
  convchoice gate results.csv --arm model --value f1 --baseline old --margin 0.01 \
      --higher-is-better
  convchoice gate --mlflow EXPERIMENT --metric f1 --baseline old --margin 0.01 \
      --higher-is-better --json

Every other arm is compared with the baseline, paired by seed, with simultaneous intervals. With
--looks it decides at these numbers of seeds alone: at another one it says which look is next.

exit status: 0 every arm is shown to be no worse by the margin, 1 an arm is shown to be worse by the
margin, 3 undecided (also where a run of an arm has no value or no row), 2 wrong input
"""

import argparse
import json
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from convchoice.analysis import text
from convchoice.analysis.contrast import Contrast, last_level
from convchoice.analysis.input_table import ACCEPTED
from convchoice.analysis.result import Comparison
from convchoice.analysis.statistics import FEWEST_SEEDS, seeds_needed
from convchoice.commands import CommandParser
from convchoice.commands.table_comparison import add_table_options, compared_table, is_table
from convchoice.errors import printable


class Decision(IntEnum):
    """What is shown of an arm; the number is the exit status."""

    passed = 0
    worse = 1
    undecided = 3


class Gated(NamedTuple):
    """One arm's decision.

    Attributes:
        contrast: of the arm and the baseline.
        decision: on it.
        seeds_needed: about how many an undecided arm needs; None if unknown.
        planned: whether its number of seeds is that of a planned look, or no look was planned.
        next_look: the next number of seeds at which a look is planned; None if there is none.
        lacks: values or rows that it lacks, without which it cannot pass; empty if none.
    """

    contrast: Contrast
    decision: Decision
    seeds_needed: int | None
    planned: bool = True
    next_look: int | None = None
    lacks: str = ""


def gated(
    contrast: Contrast, *, higher_is_better: bool, level: float, following: int | None
) -> Gated:
    """Whether an arm is worse than its reference by the margin.

    Args:
        contrast: of the arm and the baseline.
        higher_is_better: whether larger values are better.
        level: of its interval at the last planned look.
        following: seeds of the next planned look; None if there is none.
    """
    n, deviation = contrast.n, contrast.difference.standard_deviation
    sign = 1 if higher_is_better else -1
    bounds = sorted(sign * end for end in contrast.interval or ())
    if not bounds:
        return Gated(contrast, Decision.undecided, FEWEST_SEEDS)
    if bounds[0] > -contrast.margin:
        return Gated(contrast, Decision.passed, None)
    if bounds[1] < -contrast.margin:
        return Gated(contrast, Decision.worse, None)
    # For an arm that equals the baseline; if those are there already, for the observed difference.
    distances = (contrast.margin, abs(sign * contrast.difference.mean + contrast.margin))
    found = [seeds_needed(deviation or 0.0, each, level=level) for each in distances if each > 0]
    known = [each for each in found if each is not None]
    # No number is larger where this look's level is stricter than that of the last one.
    needed = next((each for each in known if each > n), following if known else None)
    return Gated(contrast, Decision.undecided, needed)


def lacking(comparison: Comparison) -> dict[str, str]:
    """What each arm lacks: a run that crashed would favour its arm if it did not count.

    An arm must have a row of every seed that the baseline has. Where looks are planned, so is the
    number of seeds, and later ones need not have been run yet.
    """
    study, arms, found = comparison.study, comparison.arms, dict[str, str]()
    for arm in dict.fromkeys([*comparison.failed, *comparison.missing_seeds]):
        failed, parts = sorted(comparison.failed.get(arm, ())), list[str]()
        missing = [
            seed
            for seed in comparison.missing_seeds.get(arm, ())
            if seed in arms[study.baseline].seeds
            and (not study.looks or seed < max(arms[arm].seeds))
        ]
        parts += [f"no value of {text.of_seeds(failed)}"] if failed else []
        parts += [f"no row of {text.of_seeds(missing)}"] if missing else []
        if parts and arm != study.baseline:
            found[arm] = f"has {' and '.join(parts)}"
    return found


def decided(comparison: Comparison) -> list[Gated]:
    """The decisions on all arms of a comparison: none at a number of seeds that was not planned.

    Between two planned looks the levels would allow one more, but not one at every number of seeds,
    and a table does not say how often it was looked at before.
    """
    higher, looks = comparison.measure.higher_is_better, comparison.study.looks
    family, lacks = comparison.family, lacking(comparison)
    level = last_level(family, looks) / max(1, family.contrasts)
    found = []
    for contrast in comparison.contrasts:
        following = next((look for look in looks if look > contrast.n), None)
        one = gated(contrast, higher_is_better=higher, level=level, following=following)
        if looks and contrast.n not in looks:
            one = Gated(contrast, Decision.undecided, following, planned=False)
        if contrast.arm in lacks and one.decision is Decision.passed:
            one = one._replace(decision=Decision.undecided)
        found.append(one._replace(next_look=following, lacks=lacks.get(contrast.arm, "")))
    return found


def overall(found: Sequence[Gated], comparison: Comparison) -> Decision:
    """Worse if any arm is; passed if every arm is, those that have no value at all included."""
    decisions = {each.decision for each in found}
    if lacking(comparison):
        decisions.add(Decision.undecided)
    worst = (Decision.worse, Decision.undecided, Decision.passed)
    return next(each for each in worst if each in decisions)


def _why_undecided(each: Gated) -> str:
    n = each.contrast.n
    following = "" if each.next_look is None else f"; next look at {each.next_look}"
    if not each.planned:
        return f"n = {n} is no planned look{following or ', and none is left'}"
    if each.lacks:
        return each.lacks
    if each.contrast.interval is None:
        which = "one seed has" if n == 1 else f"{n} equal differences have"
        return f"{which} no interval; run {each.seeds_needed} seeds or more{following}"
    needed = "over a million" if each.seeds_needed is None else f"about {each.seeds_needed:,}"
    return f"{needed} seeds would decide{following}"


def _reason(found: Sequence[Gated], comparison: Comparison) -> str | None:
    """Why all arms together are undecided; None if they are not."""
    if overall(found, comparison) is not Decision.undecided:
        return None
    open_ = [each for each in found if each.decision is Decision.undecided]
    reasons = {each.contrast.arm: _why_undecided(each) for each in open_}
    return "; ".join(f"{arm}: {why}" for arm, why in (lacking(comparison) | reasons).items())


def _line(each: Gated, comparison: Comparison) -> str:
    contrast, measure = each.contrast, comparison.measure
    words = {
        Decision.passed: "passes: no worse by the margin",
        Decision.worse: "FAILS: worse by more than the margin",
        Decision.undecided: "UNDECIDED",
    }[each.decision]
    if each.decision is Decision.undecided:
        words += f": {_why_undecided(each)}"
    shown = text.difference(contrast, measure)
    if contrast.interval:
        shown += f" {text.difference_interval(contrast, measure)}"
    return f"{contrast.arm}: {words}; {measure.label} {shown} (n = {contrast.n})"


def _document(found: Sequence[Gated], comparison: Comparison) -> dict[str, object]:
    unplanned = [each for each in found if not each.planned]
    return {
        "decision": overall(found, comparison).name,
        "reason": _reason(found, comparison),
        "metric": comparison.measure.metric,
        "higher_is_better": comparison.measure.higher_is_better,
        "baseline": comparison.study.baseline,
        "margin": comparison.study.margin,
        "arms": {
            each.contrast.arm: {
                "decision": each.decision.name,
                "difference": each.contrast.difference.mean,
                "interval": each.contrast.interval,
                "verdict": each.contrast.verdict,
                "seeds": each.contrast.n,
                "seeds_needed": each.seeds_needed,
                "planned_look": each.planned,
                "next_look": each.next_look,
            }
            for each in found
        },
        "cautions": [
            *(f"{each.contrast.arm}: {_why_undecided(each)}." for each in unplanned),
            *(each.text for each in comparison.cautions),
        ],
    }


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice gate", __doc__)
    made.add_argument(
        "paths", type=Path, nargs="*", metavar="TABLE", help="table with a row a run (see below)"
    )
    made.add_argument("--json", action="store_true", help="print one JSON object")
    add_table_options(made)
    return made


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    made = parser()
    given = made.parse_args(arguments)
    if bool(given.paths) == bool(given.mlflow):
        made.error("name a table or an --mlflow EXPERIMENT")
    for path in given.paths:
        if not is_table(path):
            what = "a folder" if path.is_dir() else "a file of another kind"
            what = what if path.exists() else "no file or folder that exists"
            made.error(f"{path} is {what}; gate takes tables: {ACCEPTED}")
    if given.baseline is None:
        made.error("name the arm that the others are compared with: --baseline")
    return given


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print the decisions, and exit with the status that they have together."""
    given = _arguments(arguments)
    comparison = compared_table(given).labelled()
    found = decided(comparison)
    if given.json:
        print(json.dumps(_document(found, comparison), ensure_ascii=False))
    else:
        margin = text.margin(comparison.study.margin, comparison.measure)
        print(printable(f"{comparison.study.question} Margin {margin}."))
        reason = _reason(found, comparison)
        undecided = f"UNDECIDED, exit status {Decision.undecided}: {reason}."
        for line in [*(_line(each, comparison) for each in found),
                     *(f"! {each.text}" for each in comparison.cautions),
                     *([undecided] if reason else [])]:  # fmt: skip
            print(printable(line))
    sys.exit(overall(found, comparison))
