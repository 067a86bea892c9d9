"""The runner: brings runs up to date through an executor. Pipeline, sweep and search all use it."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from convchoice.config.datasets import data_folder, spec_of
from convchoice.config.schema import Config
from convchoice.config.validation import config_to_mapping
from convchoice.data.conversion import prepare
from convchoice.errors import RunFolderError
from convchoice.execution.executors import Executor, uses_gpu
from convchoice.execution.job import Job
from convchoice.execution.progress import Display
from convchoice.execution.specification import missing_runs, refuse_to_replace, specify
from convchoice.runs.events import Event, RunEnded, count
from convchoice.runs.run import RunSpecification, read_run
from convchoice.runs.run_folder import read_failure
from convchoice.training.environment_variables import ignored

OnComplete = Callable[[Path], object]


def run(
    runs: Sequence[RunSpecification],
    executor: Executor,
    *,
    trains: bool = True,
    evaluates: bool = True,
    on_complete: OnComplete = lambda _folder: None,
) -> list[RunEnded]:
    """Train runs, evaluate them, or both, and wait for all of them.

    `on_complete` is called with the folder of each run that is complete, or has failed for good.

    A run whose training failed before with the same configuration, data and code (its loss became
    infinite or NaN) is not tried again.

    Returns:
        The failures, in the order of `runs`. Every other run is complete.
    """
    by_key = {item.key: item for item in runs}
    failures: dict[tuple[str, int], RunEnded] = {}
    todo = []
    for item in runs:
        failure = read_failure(item.folder) if trains else None
        if failure is None or failure["fingerprint"] != item.fingerprint:
            todo.append(item)
        else:
            failures[item.key] = RunEnded(*item.key, str(failure["reason"]), diverged=True)
            on_complete(item.folder)
    for chosen in dict.fromkeys(item.config.trainer.instructions for item in todo):
        for setting in ignored(chosen, os.environ):
            print(f"{setting}: ignored; trainer.instructions={chosen} decides.", flush=True)

    work = {item.key: _images(item.config) if trains else 1 for item in todo}
    with Display(work) as display:

        def listen(event: Event) -> None:
            if isinstance(event, RunEnded):
                event = _checked(event, by_key[event.key], evaluates=evaluates)
                if event.failure:
                    failures[event.key] = event
            display.show(event)
            if isinstance(event, RunEnded) and (event.diverged or not event.failure):
                on_complete(by_key[event.key].folder)

        if todo:
            jobs = _jobs(todo, executor, trains=trains, evaluates=evaluates)
            executor.run(jobs, listen)
    return [failures[key] for key in by_key if key in failures]


def _images(config: Config) -> int:
    """How many images a run's training takes, in all epochs."""
    return config.trainer.max_epochs * (config.data.train_size or spec_of(config.data).train_size)


def _checked(event: RunEnded, item: RunSpecification, *, evaluates: bool) -> RunEnded:
    """The end of a run, judged by its run folder."""
    if not event.failure:
        try:
            if not read_run(item.folder).evaluated and evaluates:
                return replace(event, failure=f"{item.folder}: is not evaluated.")
        except RunFolderError as error:
            return replace(event, failure=str(error))
    return event


def _jobs(
    runs: Sequence[RunSpecification], executor: Executor, *, trains: bool, evaluates: bool
) -> list[Job]:
    """The runs as jobs: those that differ only in their seed may be worked on in one pass."""
    alike: dict[str, list[RunSpecification]] = {}
    for item in runs:
        without_seed = json.dumps(config_to_mapping(replace(item.config, seed=0)), sort_keys=True)
        alike.setdefault(without_seed, []).append(item)
    jobs = []
    for group in alike.values():
        size = _seeds_together(group[0], executor, trains=trains) or len(group)
        starts = range(0, len(group), size)
        jobs += [Job(tuple(group[at : at + size]), trains, evaluates) for at in starts]
    return jobs


def _seeds_together(item: RunSpecification, executor: Executor, *, trains: bool) -> int | None:
    """How many seeds one process trains or evaluates in one pass; None for all.

    All on a GPU of this machine, where a step costs its kernel launches; one on the CPU. In float16
    each seed needs a loss scale of its own, so seeds are trained separately.
    """
    trainer = item.config.trainer
    if trains and trainer.seeds_together is not None:
        return trainer.seeds_together
    possible = executor.stacks_seeds and not (trains and trainer.precision == "16-mixed")
    return None if possible and uses_gpu(item.config) else 1


def print_plan(configs: Sequence[Config], name: str) -> None:
    """Print which runs are kept, which are to do, and how long those take, judged by the others.

    Raises:
        UserError: see `update_runs`.
    """
    missing = _missing(configs, name)
    todo, kept = {item.key for item in missing}, []
    for item in specify(configs):
        if item.key in todo:
            print(f"  to do {item.arm}/seed-{item.seed}")
        else:
            kept.append(read_run(item.folder).metrics["cost/train_seconds"])
            print(f"  kept  {item.arm}/seed-{item.seed}")
    if kept and missing:
        minutes = len(missing) * fmean(kept) / 60
        print(f"about {minutes:.1f} minutes of training, one by one, judged by those that are kept")


def update_runs(
    configs: Sequence[Config], executor: Executor, on_complete: OnComplete, name: str
) -> list[RunEnded]:
    """Train and evaluate runs, each in its configuration's `run_root`; complete ones are kept.

    Returns:
        The failures.

    Raises:
        UserError: if there is no data, or a run would replace one of another configuration.
    """
    return run(_missing(configs, name), executor, on_complete=on_complete)


def _missing(configs: Sequence[Config], name: str) -> list[RunSpecification]:
    """The runs to do, after the data was prepared; their number is printed."""
    needed = {(data_folder(each.data), each.data.fallback): each.data for each in configs}
    for data in needed.values():
        prepare(data)
    runs = specify(configs)
    missing = missing_runs(runs)
    for item in missing:
        refuse_to_replace(item)
    kept = len(runs) - len(missing)
    print(f"{name}: {count(len(runs), 'run')}, {kept} kept, {len(missing)} to do", flush=True)
    return missing


def print_result(folder: Path) -> None:
    """Print the result of a complete run in one line; nothing for a failed one."""
    if folder.is_dir():
        run = read_run(folder)
        of = run.metrics
        print(
            f"{run.arm} seed {run.seed}: test accuracy {of['test/accuracy']:.4f},"
            f" negative log-likelihood {of['test/nll']:.4f},"
            f" {of['cost/parameters']:,.0f} parameters, {of['cost/macs']:,.0f} MACs,"
            f" {of['cost/train_seconds']:.1f} s → {run.path}",
            flush=True,
        )


def failure_text(failures: Sequence[RunEnded], runs: int, what: str) -> str:
    """The failures as a message: how many of the runs, each with its reason, and the others."""
    listed = "\n".join(f"  {event.arm} seed {event.seed}: {event.failure}" for event in failures)
    others = "\nThe other runs are complete." if len(failures) < runs else ""
    return f"{len(failures)} of {count(runs, 'run')} {what}:\n{listed}{others}"
