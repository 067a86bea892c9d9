"""Where does the spread between runs come from? Seeds of weights, order and subset set apart.

Every combination of a few seeds of each source is run once, for each arm of a study.

Examples:
  convchoice variance pooling --arms average
  convchoice variance strides_vs_pooling --arms strided --levels 4,4,3
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convchoice.analysis.measure import measure_of
from convchoice.analysis.provenance import provenance_of_runs
from convchoice.analysis.variance import SOURCES, VARIANCE, VarianceSources, grid_of, table
from convchoice.commands import CommandParser
from convchoice.commands.survive import study_of
from convchoice.errors import UserError, exit_codes, printable, require
from convchoice.execution.grid import Grid, narrowed, settings_of
from convchoice.runs.output_files import check_output, write_output
from convchoice.runs.run_folder import json_text

LEVELS = "4,4,3"


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice variance", __doc__)
    add = made.add_argument
    add("study", metavar="STUDY", help="a name in conf/study, or a YAML file")
    add("--arms", metavar="A,B", help="only these compared arms, with their references")
    help_text = f"seeds of {', '.join(SOURCES.values())} (default: {LEVELS})"
    add("--levels", default=LEVELS, metavar="N,N,N", help=help_text)
    add("--scale", default="quick", help="an option of conf/scale (default: quick)")
    add("--runs", type=Path, default=Path("variance"), help="folder of the runs")
    add("--output", type=Path, metavar="FOLDER", help="default: reports/STUDY/variance")
    return made


def _levels(given: str) -> dict[str, int]:
    parts = given.split(",")
    legal = len(parts) == len(SOURCES) and all(part.isdecimal() for part in parts)
    legal = legal and all(2 <= int(part) <= 100 for part in parts)  # noqa: PLR2004 - as the rule says
    rule = f"must be {len(SOURCES)} whole numbers from 2 to 100."
    require(legal, "--levels", given, rule, f"For example --levels {LEVELS}")
    return dict(zip(SOURCES, map(int, parts), strict=True))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the crossed seeds, write the components and print their shares."""
    with exit_codes():
        given = parser().parse_args(arguments)
        study = narrowed(study_of(given.study), given.arms and given.arms.split(","))
        levels, measure = _levels(given.levels), measure_of(study.metric)
        output = given.output or Path("reports") / study.name / "variance"
        check_output(output, [VARIANCE])
        grid = Grid(study, settings_of(grid_of(levels)), 1, given.scale, given.runs)
        grid.run(shlex.join(["convchoice", "variance", *(arguments or sys.argv[1:])]))
        runs = {arm: [grid.runs(arm, each) for each in grid.settings] for arm in study.all_arms()}
        for arm, found in runs.items():
            if not all(found):
                raise UserError(f"arm {arm}: a training diverged; the design must be complete.")
        values = {
            arm: np.reshape(measure.shown([run.metrics[study.metric] for [run] in each]),
                            tuple(levels.values()))
            for arm, each in runs.items()
        }  # fmt: skip
        result = VarianceSources(
            study=study.name,
            measure=measure,
            levels=levels,
            decompositions=table(values, study.pairs(), list(SOURCES.values())),
            provenance=provenance_of_runs([run for each in runs.values() for [run] in each]),
        )
        write_output(output, {VARIANCE: json_text(result.model_dump(mode="json"))})
        for item in result.decompositions:
            name = f"{item.arm} − {item.reference}" if item.reference else item.arm
            shares = ", ".join(f"{source} {share:.0%}" for source, share in item.shares.items())
            unit = measure.short_unit
            print(printable(f"{name}: spread {item.standard_deviation:.3f} {unit}: {shares}"))
        print(f"→ {output / VARIANCE}")
