"""Compare results with the published ones: those of the same reports in git's last commit.

Every run's metrics are compared digit for digit. Exit status 1 if one differs.

Examples:
  convchoice check
  convchoice check reports/full
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convchoice.analysis.comparison_files import COMPARISON
from convchoice.commands import CommandParser
from convchoice.commands.summary import read_comparisons
from convchoice.config.field_types import within
from convchoice.config.parameters import read_parameters
from convchoice.errors import UserError, printable
from convchoice.runs.events import count
from convchoice.runs.fingerprint import git

Result = Mapping[str, Any]
"""The content of a `comparison.json`; a published one may be of an older schema."""
Scores = dict[tuple[str, int], dict[str, float]]
"""The metrics of a run, by arm and seed."""
REASONS = (
    "epochs", "dataset", "device", "device_name", "instructions", "cpu_capability", "tf32",
    "precision", "threads", "versions", "commit",
)  # fmt: skip
"""Keys, and groups of keys, of a result's provenance that can explain a difference; the most likely
first."""


def published(file: Path) -> Result | None:
    """The content of a file in the last commit; None if it is not there.

    Raises:
        UserError: if it is no result.
    """
    text = git(file.parent, "show", f"HEAD:./{file.name}")
    if text is None:
        return None
    try:
        content: Result = json.loads(text)
        scores(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file}: the one in git's last commit cannot be read.") from error
    return content


def scores(result: Result) -> Scores:
    """The metrics of a result's runs."""
    found: Scores = {}
    for name, arm in result["arms"].items():
        for metric, sample in arm["scores"].items():
            for seed, value in zip(arm["seeds"], sample["values"], strict=True):
                found.setdefault((name, seed), {})[metric.removeprefix("test/")] = value
    return found


def differences(ours: Scores, theirs: Scores) -> list[str]:
    """A line for each run whose metrics differ, or that only one of two results has."""
    lines = []
    for arm, seed in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get((arm, seed), {}), theirs.get((arm, seed), {})
        if not mine or not other:
            found = f"only {'published' if other else 'here'}"
        else:
            found = ", ".join(
                f"{metric} {mine.get(metric)}, published {other.get(metric)}"
                for metric in sorted(mine.keys() | other.keys())
                if mine.get(metric) != other.get(metric)
            )
        if found:
            lines.append(printable(f"{arm} seed {seed}: {found}"))
    return lines


def reasons(ours: Result, theirs: Result) -> Iterator[str]:
    """What the runs of two results were made with, where it differs; the most likely first."""
    for name in sorted(ours["arms"].keys() & theirs["arms"].keys()):
        mine, other = (each["arms"][name].get("configuration", {}) for each in (ours, theirs))
        for key in sorted(mine.keys() & other.keys()):
            if mine[key] != other[key]:
                yield printable(f"{name}: {key} {mine[key]}, published {other[key]}")
    mine, other = (each.get("provenance", {}).get("recorded", {}) for each in (ours, theirs))
    for group in REASONS:
        for key in sorted(key for key in mine.keys() | other.keys() if within(key, (group,))):
            here, there = (
                " and ".join(map(str, each.get(key, []))) or "not recorded"
                for each in (mine, other)
            )
            if here != there:
                yield printable(f"{key} {here}, published {there}")


def check_study(file: Path) -> tuple[int, list[str], list[str]] | None:
    """Compare the result in a file; None if it is not published.

    Returns:
        The number of runs, a line for each that differs, and the likely reasons.
    """
    theirs = published(file)
    if theirs is None:
        return None
    ours: Result = json.loads(file.read_text(encoding="utf-8"))
    mine, other = scores(ours), scores(theirs)
    found = differences(mine, other)
    return len(mine.keys() | other.keys()), found, list(reasons(ours, theirs)) if found else []


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice check", __doc__)
    folder = "folder of the reports (default: reports)"
    made.add_argument("reports", nargs="?", type=Path, default=Path("reports"), help=folder)
    made.add_argument(
        "--params", type=Path, metavar="FILE",
        help="print one line about the published ones of this file's `studies`; exit status 0",
    )  # fmt: skip
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the results of all studies under a reports folder, or of a parameters file.

    Raises:
        UserError: if there is no result, or none is published.
        SystemExit: with status 1 if a run differs.
    """
    given = parser().parse_args(arguments)
    if given.params:
        parameters = read_parameters(given.params)
        reports, names = Path(parameters.reports), list(parameters.studies)
    else:
        reports = given.reports
        names = sorted(file.parent.name for file in reports.glob(f"*/{COMPARISON}"))
    read_comparisons(reports, names or None)  # refuses what is no result
    checked = {name: check_study(reports / name / COMPARISON) for name in names}
    known = {name: result for name, result in checked.items() if result is not None}
    runs = count(sum(each for each, _, _ in known.values()), "run")
    differing = sum(len(lines) for _, lines, _ in known.values())
    outcome = f"Identical to the published results: {runs}, every digit."
    if differing:
        outcome = f"{differing} of {runs} differ from the published results."
    if given.params:
        if known:
            print(f"{outcome} Which, and why: convchoice check" if differing else outcome)
        return
    if not known:
        fix = "The published results are in git: clone the repository and run it there."
        raise UserError(f"{reports}: git's last commit has none of these results. {fix}")
    for name in sorted(checked.keys() - known.keys()):
        print(f"{name}: not published")
    for name, (_, lines, why) in known.items():
        if lines:
            print("\n  ".join([f"{name}: differs from the published results", *lines]))
            print("\n    ".join(["  Likely because of:", *(why or ["nothing recorded"])]))
    print(outcome)
    if differing:
        raise SystemExit(1)
