"""Train networks: the `train` stage of the pipeline, and Hydra's single runs and sweeps."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from convchoice.command_parser import CommandParser
from convchoice.config.schema import Config
from convchoice.config.validation import read_arm, runs_of
from convchoice.errors import JobError, exit_codes
from convchoice.execution.executors import Executor, LocalExecutor
from convchoice.execution.runner import failure_text, missing_runs, run, specify
from convchoice.runs.locks import WORK
from convchoice.runs.ownership import remove_leftovers
from convchoice.tracking.store import publish

LAUNCH = "CONVCHOICE_LAUNCH"
USAGE = """convchoice train [-m] [KEY=VALUE ...]
       convchoice train --composed FILE --output FOLDER"""
EXAMPLES = """examples:
  convchoice train arm=max seed=3 trainer.max_epochs=2                   one run
  convchoice train -m downsample=max,average seed=0,1,2 launch=joblib    a sweep
  convchoice train --cfg job arm=max                                     show the configuration
  convchoice train --composed configs/max.yaml --output trained          the stage of dvc.yaml

A run or sweep takes overrides and flags of Hydra (--hydra-help); see docs/sweeps.md."""


def parser() -> argparse.ArgumentParser:
    """The command line of the stage; other arguments are Hydra's."""
    made = CommandParser("convchoice train", __doc__, usage=USAGE, epilog=EXAMPLES)
    made.add_argument("--composed", type=Path, required=True, help="composed YAML of one arm")
    made.add_argument("--output", type=Path, required=True, help="folder of trained arms")
    return made


def train_stage(composed: Path, output: Path, command: str) -> None:
    """Train every seed of one composed arm that is not complete; remove runs of other seeds.

    Args:
        composed: file of the arm.
        output: folder of trained arms.
        command: to start the stage again.

    Raises:
        UserError: if the arm cannot be read.
        JobError: if a run failed, after the others are complete. A run whose loss became infinite
            or NaN is recorded and does not fail the stage.
    """
    config = read_arm(composed)
    arm = str(config.arm)
    executor = _executor(config, output)
    runs = specify(runs_of(config), output)
    missing = missing_runs(runs, evaluates=False)
    remove_leftovers(output / arm, range(config.seeds))
    kept = len(runs) - len(missing)
    print(f"arm {arm}: {len(runs)} seeds, {kept} kept, {len(missing)} to train", flush=True)
    failures = []
    for event in run(missing, executor, evaluates=False):
        if event.diverged:
            print(f"{event.arm} seed {event.seed}: recorded as failed: {event.failure}", flush=True)
        else:
            failures.append(event)
    if failures:
        failed = failure_text(failures, len(runs), "failed")
        raise JobError(f"{failed}\nThe other runs are complete. To continue: {command}")


def _executor(arm: Config, output: Path) -> Executor:
    if not os.environ.get(LAUNCH, "").strip():
        return LocalExecutor()
    from convchoice.execution.launch import pipeline_executor  # noqa: PLC0415 - Hydra takes a second

    folder = (output / WORK / "launch" / str(arm.arm)).resolve()
    return pipeline_executor(os.environ[LAUNCH], arm, folder)


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
    with exit_codes():
        stage = any(argument.partition("=")[0] == "--composed" for argument in given)
        if stage or not {"-h", "--help"}.isdisjoint(given):
            options = parser().parse_args(given)
            train_stage(options.composed, options.output, _command(given))
        else:
            from convchoice.execution.launch import run_application  # noqa: PLC0415 - Hydra

            run_application(given, publish)


if __name__ == "__main__":
    main()
