"""Decompose the spread between runs: initial weights, order of images, training subset.

Every combination of a few seeds of each source is run once, for each arm of a study.

Examples:
  convchoice variance pooling --arms average
  convchoice variance strides_vs_pooling --arms strided --levels 4,4,3
"""

from collections.abc import Sequence

import numpy as np

from convchoice.analysis.measure import measure_of
from convchoice.analysis.provenance import provenance_of_runs
from convchoice.analysis.sentences import RANGES, shares_text
from convchoice.analysis.variance_sources import SOURCES, VARIANCE, VarianceSources, decompositions
from convchoice.commands import CommandParser
from convchoice.commands.survive import parser as grid_parser
from convchoice.commands.survive import runs_of_grid, study_and_output
from convchoice.errors import UserError, printable, require
from convchoice.execution.grid import settings_of
from convchoice.runs.output_files import write_output
from convchoice.runs.run_folder import json_text

LEVELS = "4,4,3"


def parser() -> CommandParser:
    """The command line."""
    made = grid_parser("variance", VARIANCE, __doc__)
    help_text = f"seeds of {', '.join(SOURCES.values())} (default: {LEVELS})"
    made.add_argument("--levels", default=LEVELS, metavar="N,N,N", help=help_text)
    return made


def _levels(given: str) -> dict[str, int]:
    parts = given.split(",")
    legal = len(parts) == len(SOURCES) and all(part.isdecimal() for part in parts)
    legal = legal and all(len(part) < 4 and 2 <= int(part) <= 100 for part in parts)  # noqa: PLR2004 - as the rule says
    rule = f"must be {len(SOURCES)} whole numbers from 2 to 100."
    require(legal, "--levels", given, rule, f"For example --levels {LEVELS}")
    return dict(zip(SOURCES, map(int, parts), strict=True))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the crossed seeds, write the components and print their shares."""
    given = parser().parse_args(arguments)
    study, output = study_and_output(given)
    levels, measure = _levels(given.levels), measure_of(study.metric)
    crossed = settings_of({key: range(count) for key, count in levels.items()})
    runs = runs_of_grid(study, crossed, 1, given, arguments)
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
        values={arm: each.tolist() for arm, each in values.items()},
        decompositions=decompositions(values, study.pairs(), list(SOURCES.values())),
        provenance=provenance_of_runs([run for each in runs.values() for [run] in each]),
    )
    write_output(output, {VARIANCE: json_text(result.model_dump(mode="json"))})
    for item in result.decompositions:
        name = f"{item.arm} − {item.reference}" if item.reference else item.arm
        unit = measure.short_unit
        spread = f"{item.standard_deviation:.3f} {unit}".rstrip()
        print(printable(f"{name}: spread {spread}: {shares_text(item)}"))
    print(RANGES)
    print(f"→ {output / VARIANCE}")
