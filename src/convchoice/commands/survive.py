"""Does an answer survive other settings? Run a study's contrasts over a grid of them.

The study's key `survive` lists the settings, such as learning rates and numbers of epochs; every
combination is run with a few seeds. Complete runs are kept.

Examples:
  convchoice survive pooling --arms average
  convchoice survive pooling --seeds 10 --scale quick --output reports/pooling/survival
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from convchoice import CONF_DIR
from convchoice.analysis.provenance import provenance_of_runs
from convchoice.analysis.survival import SURVIVAL, survival
from convchoice.commands import CommandParser
from convchoice.config.composition import options
from convchoice.config.study import Study, read_study
from convchoice.errors import UserError, exit_codes, nearest, printable, require
from convchoice.execution.grid import Grid, narrowed, settings_of
from convchoice.runs.output_files import check_output, write_output
from convchoice.runs.run_folder import json_text

SEEDS, MOST_SEEDS = 6, 1_000
"""With 4 seeds an interval that holds over 12 settings is too wide to show anything."""


def study_of(name: str) -> Study:
    """The study of a name in `conf/study`, or of a YAML file.

    Raises:
        UserError: if there is none, or it is not legal.
    """
    path = Path(name)
    if path.suffix != ".yaml":
        known = options("study")
        require(name in known, "STUDY", name, "there is no such study.", nearest(name, known))
        path = CONF_DIR / "study" / f"{name}.yaml"
    return read_study(path)


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice survive", __doc__)
    add = made.add_argument
    add("study", metavar="STUDY", help="a name in conf/study, or a YAML file")
    add("--arms", metavar="A,B", help="only these compared arms, with their references")
    add("--seeds", type=int, default=SEEDS, help=f"seeds of every setting (default: {SEEDS})")
    add("--scale", default="quick", help="an option of conf/scale (default: quick)")
    add("--runs", type=Path, default=Path("survival"), help="folder of the runs")
    add("--output", type=Path, metavar="FOLDER", help="default: reports/STUDY/survival")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the grid, write the result and print its sentences."""
    with exit_codes():
        given = parser().parse_args(arguments)
        study = narrowed(study_of(given.study), given.arms and given.arms.split(","))
        rule = f"must be from 1 to {MOST_SEEDS}."
        require(1 <= given.seeds <= MOST_SEEDS, "--seeds", given.seeds, rule)
        if not study.survive:
            raise UserError(
                f"study {study.name}: names no settings. Add them to its file, for example"
                " survive: {trainer.max_epochs: [2, 4, 8], optimizer.learning_rate: [0.001, 0.01]}"
            )
        output = given.output or Path("reports") / study.name / "survival"
        check_output(output, [SURVIVAL])
        grid = Grid(study, settings_of(study.survive), given.seeds, given.scale, given.runs)
        grid.run(shlex.join(["convchoice", "survive", *(arguments or sys.argv[1:])]))
        found = survival(study, study.survive, grid.settings, grid.runs, provenance_of_runs)
        write_output(output, {SURVIVAL: json_text(found.model_dump(mode="json"))})
        for contrast in found.contrasts:
            print(printable(contrast.sentence))
        print(f"→ {output / SURVIVAL}")
