"""Train networks: the `train` stage of the pipeline, and Hydra's single runs and sweeps."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from convchoice.commands import CommandParser
from convchoice.config.schema import Config
from convchoice.config.validation import read_arms, runs_of
from convchoice.errors import JobError
from convchoice.execution.executors import Executor, LocalExecutor
from convchoice.execution.runner import failure_text, run
from convchoice.execution.specification import missing_runs, specify
from convchoice.execution.worker import worker_context
from convchoice.runs.events import count
from convchoice.runs.locks import WORK
from convchoice.runs.ownership import remove_leftovers
from convchoice.tracking.publish import import_mlflow, publish

LAUNCH = "CONVCHOICE_LAUNCH"
SWEEP = ("-m", "--multirun")
USAGE = """convchoice train [-m] [--dry-run] [--allow-code] [KEY=VALUE ...]
       convchoice train --composed PATH --output FOLDER"""
EXAMPLES = """examples:
  convchoice train arm=max seed=3 trainer.max_epochs=2             one run
  convchoice train -m downsample=max,average seed=0,1              a sweep
  convchoice train -m 'seed=range(9)' launch=slurm                 a launcher
  convchoice train -m 'seed=range(9)' --dry-run                    what it would do
  convchoice train --cfg job arm=max                               show the keys
  convchoice train --composed configs/arms --output trained        the pipeline's stage

A run or sweep takes overrides and flags of Hydra (--hydra-help): docs/sweeps.md."""


def parser() -> argparse.ArgumentParser:
    """The command line of the stage; what is of a run or sweep is for the help: Hydra parses it."""
    made = CommandParser("convchoice train", __doc__, usage=USAGE, epilog=EXAMPLES)
    of_hydra = made.add_argument_group("a run or a sweep")
    of_hydra.add_argument(*SWEEP, action="store_true", help="every combination of the values")
    of_hydra.add_argument("--dry-run", action="store_true", help="print what would be trained")
    allowed = "import code that a configuration from elsewhere names"
    of_hydra.add_argument("--allow-code", action="store_true", help=allowed)
    add = made.add_argument_group("the pipeline's stage").add_argument
    composed = "folder of composed arms (configs/arms), or one arm's file"
    add("--composed", type=Path, required=True, metavar="PATH", help=composed)
    add("--output", type=Path, required=True, metavar="FOLDER", help="folder of trained arms")
    return made


def train_stage(composed: Path, output: Path, command: str) -> None:
    """Train every seed of some composed arms that is not complete; remove runs of other seeds.

    All of them share the workers, so that no core is idle at the end of each arm, and torch is
    imported once.

    Args:
        composed: YAML file of one arm, or a folder of such files.
        output: folder of trained arms.
        command: that continues after a failure.

    Raises:
        UserError: if an arm cannot be read.
        JobError: if a run failed, after the others are complete. A run whose loss became infinite
            or NaN is recorded and does not fail the stage.
    """
    arms = read_arms(composed)
    executor = _executor(arms, output)
    runs = specify([config for arm in arms for config in runs_of(arm)], output)
    missing = missing_runs(runs, evaluates=False)
    for arm in arms:
        if arm.seeds:  # an arm that is left out keeps its runs
            remove_leftovers(output / str(arm.arm), range(arm.seeds))
    kept, of = len(runs) - len(missing), count(len(runs), "run")
    due = count(len([arm for arm in arms if arm.seeds]), "arm")
    print(f"{due}, {of}: {kept} kept, {len(missing)} to train", flush=True)
    failures = []
    for event in run(missing, executor, evaluates=False):
        if event.diverged:
            print(f"{event.arm} seed {event.seed}: recorded as failed: {event.failure}", flush=True)
        else:
            failures.append(event)
    if failures:
        failed = failure_text(failures, len(runs), "failed")
        raise JobError(f"{failed}\nTo continue: {command}")


def _executor(arms: Sequence[Config], output: Path) -> Executor:
    if not os.environ.get(LAUNCH, "").strip():
        return LocalExecutor()
    from convchoice.execution.launch import pipeline_executor  # noqa: PLC0415 - Hydra takes a second

    most = max(arms, key=lambda arm: arm.trainer.threads)  # of which a job gets as many cores
    return pipeline_executor(os.environ[LAUNCH], most, (output / WORK / "launch").resolve())


def _command(arguments: Sequence[str]) -> str:
    """The command that starts the stage again, for DVC, make or a person."""
    launch = os.environ.get(LAUNCH, "").strip()
    prefix = f"{LAUNCH}={shlex.quote(launch)} " if launch else ""
    if "DVC_STAGE" not in os.environ:
        return f"{prefix}{shlex.join(['convchoice', 'train', *arguments])}"
    make = f" LAUNCH={shlex.quote(launch)}" if launch else ""
    return f"{prefix}dvc repro, or make repro{make}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stage or Hydra, by the arguments."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    stage = any(argument.partition("=")[0] == "--composed" for argument in given)
    if stage or not {"-h", "--help"}.isdisjoint(given):
        made = parser()
        options = made.parse_args(given)
        if options.multirun or options.dry_run:
            made.error("-m and --dry-run are of a sweep, and --composed is the pipeline's stage")
        train_stage(options.composed, options.output, _command(given))
    else:
        if all("launch" not in each and (each[0:1] != "-" or each in SWEEP) for each in given):
            worker_context()  # imports torch while this process imports Hydra
        from convchoice.execution.launch import run_application  # noqa: PLC0415 - Hydra

        run_application(given, publish, import_mlflow)
