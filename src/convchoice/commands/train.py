"""Train networks: the `train` stage of the pipeline, and Hydra's single runs and sweeps."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Thread

from convchoice.commands import CommandParser
from convchoice.config.datasets import spec_of
from convchoice.config.schema import Config, Store, TrackingConfig
from convchoice.config.validation import read_arm, runs_of
from convchoice.errors import JobError, UserError
from convchoice.execution.executors import Executor, LocalExecutor, available_cores
from convchoice.execution.job import is_trained
from convchoice.execution.runner import failure_text, missing_runs, run, specify
from convchoice.execution.worker import worker_context
from convchoice.networks.geometry_suggestions import fitting_plan
from convchoice.runs.events import count, duration
from convchoice.runs.locks import WORK
from convchoice.runs.ownership import remove_leftovers
from convchoice.runs.run import RunSpecification, read_run
from convchoice.tracking.publish import publish

LAUNCH = "CONVCHOICE_LAUNCH"
SWEEP = ("-m", "--multirun")
MLFLOW = "mlflow.store.tracking.sqlalchemy_store"  # imports MLflow, and what its database needs
USAGE = """convchoice train [-m] [KEY=VALUE ...]
       convchoice train --composed FILE --output FOLDER"""
EXAMPLES = """examples:
  convchoice train arm=max seed=3 trainer.max_epochs=2             one run
  convchoice train -m downsample=max,average seed=0,1              a sweep
  convchoice train -m seed=range(9) launch=joblib                  a launcher
  convchoice train -m seed=range(9) --dry-run                      what it would do
  convchoice train --cfg job arm=max                               show the keys
  convchoice train --composed configs/max.yaml --output trained    one stage

A run or sweep takes overrides and flags of Hydra (--hydra-help): docs/sweeps.md."""


def parser() -> argparse.ArgumentParser:
    """The command line of the stage; other arguments are Hydra's."""
    made = CommandParser("convchoice train", __doc__, usage=USAGE, epilog=EXAMPLES)
    made.add_argument("--composed", type=Path, required=True, help="composed YAML of one arm")
    made.add_argument("--output", type=Path, required=True, help="folder of trained arms")
    return made


def _work(config: Config, seeds: int) -> float:
    """What training some seeds of an arm takes, up to a factor: multiply-accumulates."""
    images = config.data.train_size or spec_of(config.data).train_size
    return seeds * config.trainer.max_epochs * images * fitting_plan(config).macs


def _overhead_and_speed(
    config: Config, runs: Sequence[RunSpecification], wall: float
) -> tuple[float, float]:
    """Seconds of an arm that are not spent in training, and its work in a second of training."""
    metrics = [read_run(item.folder).metrics for item in runs if item.folder.is_dir()]
    together = min(len(runs), max(1, available_cores() // config.trainer.threads))
    training = min(wall, sum(each["cost/train_seconds"] for each in metrics) / together)
    return wall - training, _work(config, len(metrics)) / max(training, 1e-3)


def pipeline_progress(composed: Path, output: Path, overhead: float, speed: float) -> str:
    """How many arms of the pipeline are trained, and how long the others take.

    Args:
        composed: file of the arm that was trained last, among those of the other arms.
        output: folder of trained arms.
        overhead: seconds that an arm takes besides training, such as the start of processes.
        speed: multiply-accumulates a second of training, as `_work` counts them; 0 if no seed was
            trained to the end, and then no time is given.
    """
    arms = [read_arm(path) for path in sorted(composed.parent.glob("*.yaml"))]
    trained = set[str]()
    for item in specify([config for arm in arms for config in runs_of(arm)], output):
        if item.arm not in trained and is_trained(item):  # reading every seed would take long
            trained.add(item.arm)
    missing = [_work(arm, arm.seeds) for arm in arms if arm.arm not in trained]
    left = sum(overhead + work / speed for work in missing) if speed else 0.0
    text = f"{len(trained)} of {len(arms)} arms are trained"
    return f"{text}, about {duration(left)} left to train" if left else text


def train_stage(composed: Path, output: Path, command: str) -> None:
    """Train every seed of one composed arm that is not complete; remove runs of other seeds.

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
    seeds = count(len(runs), "seed")
    print(f"arm {arm}: {seeds}, {kept} kept, {len(missing)} to train", flush=True)
    failures, started = [], time.monotonic()
    for event in run(missing, executor, evaluates=False):
        if event.diverged:
            print(f"{event.arm} seed {event.seed}: recorded as failed: {event.failure}", flush=True)
        else:
            failures.append(event)
    if failures:
        failed = failure_text(failures, len(runs), "failed")
        raise JobError(f"{failed}\nTo continue: {command}")
    if missing:
        with suppress(UserError):  # another arm's file, which its own stage reports
            known = _overhead_and_speed(config, missing, time.monotonic() - started)
            print(pipeline_progress(composed, output, *known), flush=True)


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


def _import_mlflow(settings: TrackingConfig) -> None:
    """Import MLflow, if it is used, in a thread of its own while the run is trained."""
    if settings.store is not Store.none:
        Thread(target=import_module, args=(MLFLOW,), daemon=True).start()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stage or Hydra, by the arguments."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    stage = any(argument.partition("=")[0] == "--composed" for argument in given)
    if stage or not {"-h", "--help"}.isdisjoint(given):
        options = parser().parse_args(given)
        train_stage(options.composed, options.output, _command(given))
    else:
        if all("launch" not in each and (each[0:1] != "-" or each in SWEEP) for each in given):
            worker_context()  # imports torch while this process imports Hydra
        from convchoice.execution.launch import run_application  # noqa: PLC0415 - Hydra

        run_application(given, publish, _import_mlflow)
