"""The `evaluate` stage: evaluate every seed of one arm on the test set."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from convchoice.commands import CommandParser
from convchoice.config.validation import read_arm, runs_of
from convchoice.errors import JobError
from convchoice.execution.executors import LocalExecutor
from convchoice.execution.runner import failure_text, run, specify_evaluation
from convchoice.runs.ownership import check_replaceable, remove_failure, write_failure
from convchoice.runs.run_folder import read_failure
from convchoice.tracking.publish import publish

EXAMPLE = "example: convchoice evaluate --composed configs/max.yaml --trained trained --output runs"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = CommandParser("convchoice evaluate", __doc__, epilog=EXAMPLE)
    made.add_argument("--composed", type=Path, required=True, help="composed YAML of one arm")
    made.add_argument("--trained", type=Path, required=True, help="folder of trained arms")
    made.add_argument("--output", type=Path, required=True, help="folder of run folders")
    return made


def evaluate_stage(composed: Path, trained: Path, output: Path) -> None:
    """Evaluate the runs of one composed arm. Failures of the training are recorded here too.

    Raises:
        UserError: if the arm cannot be read, or an output folder is not convchoice's.
        JobError: if a trained run is missing or cannot be evaluated.
    """
    arm = read_arm(composed)
    on_complete = partial(publish, settings=arm.tracking)
    runs = specify_evaluation(runs_of(arm), trained, output)
    for item in runs:
        check_replaceable(item.folder)
    todo = []
    for item in runs:
        if failure := read_failure(item.trained or item.folder):
            write_failure(item.folder, failure)
            on_complete(item.folder)
        else:
            remove_failure(item.folder)
            todo.append(item)
    failures = run(todo, LocalExecutor(), trains=False, on_complete=on_complete)
    if failures:
        raise JobError(failure_text(failures, len(runs), "could not be evaluated"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stage."""
    options = parser().parse_args(arguments)
    evaluate_stage(options.composed, options.trained, options.output)
