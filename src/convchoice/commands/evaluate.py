"""The `evaluate` stage: evaluate every seed of every arm on the test set."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from convchoice.commands import CommandParser
from convchoice.config.validation import read_arms, runs_of
from convchoice.errors import JobError
from convchoice.execution.executors import LocalExecutor
from convchoice.execution.runner import failure_text, run
from convchoice.execution.specification import missing_runs, specify_evaluation
from convchoice.runs.events import count
from convchoice.runs.ownership import check_replaceable, remove_failure, write_failure
from convchoice.runs.run_folder import read_failure
from convchoice.tracking.publish import import_mlflow, publish

EXAMPLE = "example: convchoice evaluate --composed configs/arms --trained trained --output runs"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = CommandParser("convchoice evaluate", __doc__, epilog=EXAMPLE)
    composed = "folder of composed arms (configs/arms), or one arm's file"
    for option, metavar, text in (
        ("--composed", "PATH", composed),
        ("--trained", "FOLDER", "folder of trained arms"),
        ("--output", "FOLDER", "folder of run folders"),
    ):
        made.add_argument(option, type=Path, required=True, metavar=metavar, help=text)
    return made


def evaluate_stage(composed: Path, trained: Path, output: Path) -> None:
    """Evaluate the runs of some composed arms whose evaluation is not up to date.

    Failures of the training are recorded here too.

    Args:
        composed: YAML file of one arm, or a folder of such files.
        trained: folder of trained arms.
        output: folder of evaluated run folders.

    Raises:
        UserError: if an arm cannot be read, or an output folder is not convchoice's.
        JobError: if a trained run is missing or cannot be evaluated.
    """
    arms = read_arms(composed)
    runs = specify_evaluation([config for arm in arms for config in runs_of(arm)], trained, output)
    tracking = {item.folder: item.config.tracking for item in runs}

    def log(folder: Path) -> None:
        publish(folder, tracking[folder])

    for item in runs:
        check_replaceable(item.folder)
    todo = []
    for item in runs:
        if failure := read_failure(item.trained or item.folder):
            write_failure(item.folder, failure)
            log(item.folder)
        else:
            remove_failure(item.folder)
            todo.append(item)
    missing = missing_runs(todo)
    kept = len(todo) - len(missing)
    print(f"{count(len(todo), 'run')}: {kept} kept, {len(missing)} to evaluate", flush=True)
    if missing:
        import_mlflow(missing[0].config.tracking)
    failures = run(missing, LocalExecutor(), trains=False, on_complete=log)
    if failures:
        raise JobError(failure_text(failures, len(runs), "could not be evaluated"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stage."""
    options = parser().parse_args(arguments)
    evaluate_stage(options.composed, options.trained, options.output)
