"""Does a result hold with other settings? Run a study's contrasts over a grid of them.

The study's key `survive` lists the settings, such as learning rates and numbers of epochs; every
combination is run with a few seeds. Complete runs are kept. The pipeline does it for the studies
that `convchoice choose --survive` names.

Examples:
  convchoice survive pooling --arms average
  convchoice survive pooling --seeds 10 --scale quick --output reports/pooling/survival
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from convchoice.analysis.comparison_files import read_beside
from convchoice.analysis.sentences import survival_lines
from convchoice.analysis.survival import SURVIVAL, Survival, survival
from convchoice.commands import CommandParser, names_in
from convchoice.config.options import study_file
from convchoice.config.parameters import USUAL_SCALE, reports_of
from convchoice.config.study import Study, read_study
from convchoice.errors import RunFolderError, UserError, printable, require
from convchoice.execution.grid import Setting, narrowed, run_grid, settings_of
from convchoice.runs.output_files import check_output, write_output
from convchoice.runs.run import Run
from convchoice.runs.run_folder import json_text

SEEDS, MOST_SEEDS = 6, 1_000
"""With 4 seeds an interval that holds over 12 settings is too wide to show anything."""


def parser(
    verb: str = "survive", result: str = SURVIVAL, description: str = __doc__
) -> CommandParser:
    """The command line of a verb that runs a study over a grid; `survive` has `--seeds`, too."""
    made = CommandParser(f"convchoice {verb}", description)
    made.set_defaults(verb=verb, result=result)
    add = made.add_argument
    add("study", metavar="STUDY", help="a name in conf/study, or a YAML file")
    add("--arms", metavar="A,B", help="only these compared arms, with their references")
    scale = f"an option of conf/scale (default: {USUAL_SCALE})"
    add("--scale", default=USUAL_SCALE, help=scale)
    runs, where = f"folder of the runs (default: {verb}/SCALE)", Path(result).stem
    add("--runs", type=Path, metavar="FOLDER", help=runs)
    add("--output", type=Path, metavar="FOLDER", help=f"default: reports/STUDY/{where}")
    if verb == "survive":
        help_text = f"seeds of every setting (default: {SEEDS})"
        add("--seeds", type=int, default=SEEDS, help=help_text)
    return made


def study_and_output(given: argparse.Namespace) -> tuple[Study, Path]:
    """The study that is named, and the checked folder of the result."""
    study = narrowed(read_study(study_file(given.study)), given.arms and names_in(given.arms))
    output = given.output or Path(reports_of(given.scale), study.name, Path(given.result).stem)
    check_output(output, [given.result], given.result)
    return study, output


def runs_of_grid(
    study: Study,
    settings: Sequence[Setting],
    seeds: int,
    given: argparse.Namespace,
    arguments: Sequence[str] | None,
) -> dict[str, list[list[Run]]]:
    """Train and evaluate what is missing; the runs by arm and setting."""
    root = given.runs or Path(given.verb) / given.scale
    command = shlex.join(["convchoice", given.verb, *(arguments or sys.argv[1:])])
    return run_grid(study, settings, seeds, given.scale, root, command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the grid, write the result and print its sentences."""
    given = parser().parse_args(arguments)
    study, output = study_and_output(given)
    rule = f"must be from 1 to {MOST_SEEDS}."
    require(1 <= given.seeds <= MOST_SEEDS, "--seeds", given.seeds, rule)
    if not study.survive:
        raise UserError(
            f"study {study.name}: names no settings. Add them to its file, for example"
            " survive: {trainer.max_epochs: [2, 4, 8], optimizer.learning_rate: [0.001, 0.01]}"
        )
    earlier = None
    with suppress(RunFolderError):  # one of an earlier version has no looks
        earlier = read_beside(output / SURVIVAL, Survival)
    settings = settings_of(study.survive)
    runs = runs_of_grid(study, settings, given.seeds, given, arguments)
    found = survival(study, settings, runs, given.seeds, earlier)
    write_output(output, {SURVIVAL: json_text(found.model_dump(mode="json"))})
    for line in survival_lines(found, lambda arm: study.labels.get(arm, arm)):
        print(printable(line))
    print(f"→ {output / SURVIVAL}")
