"""A sweep: all jobs are checked, the missing ones run, then the arms are compared and reported.

Its own folder, `<run_root>/sweeps/<name>`, holds the report, Hydra's `multirun.yaml` and the
engine's logs.
"""

import json
import shlex
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from convchoice.config.arm_keys import numeric_identity
from convchoice.config.composition import quoted
from convchoice.config.parameters import DataFolder
from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.errors import ImagesError, JobError, UserError, require, without_password
from convchoice.execution.executors import Executor
from convchoice.execution.job_names import job_name, run_config
from convchoice.execution.runner import OnComplete, update_runs
from convchoice.runs.events import RunEnded, RunKey, count
from convchoice.runs.output_files import write_output
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import run_path

OnReport = Callable[[Path, Sequence[str]], object]


def own_overrides(overrides: Sequence[str], swept: Sequence[str]) -> str:
    """The overrides that distinguish a job in its sweep."""
    own = [part for part in overrides if part.lstrip("+").partition("=")[0] in swept]
    return " ".join(own or overrides)


def checked_configs(
    batch: Iterable[Sequence[str]],
    swept: Sequence[str],
    compose: Callable[[Sequence[str]], Mapping[str, Any]],
) -> list[Config]:
    """Compose and check every job before the first one starts.

    Jobs that differ only in their seed are composed once, because composing takes time; unless an
    override refers to another key, which may be the seed.

    Raises:
        UserError: naming every illegal job and why, each reason once; or the images that cannot be
            used.
    """
    values: dict[tuple[str, ...], Mapping[str, Any]] = {}
    jobs: list[tuple[str, Config]] = []
    refused: dict[str, list[str]] = defaultdict(list)
    for overrides in map(tuple, batch):
        own = own_overrides(overrides, swept)
        seeds = [part.partition("=")[2] for part in overrides if part.startswith("seed=")]
        key, seed = overrides, {}
        if seeds and seeds[-1].isdecimal() and not any("${" in part for part in overrides):
            key = tuple(part for part in overrides if not part.startswith("seed="))
            seed = {"seed": int(seeds[-1])}
        try:
            if key not in values:
                values[key] = compose(overrides)
            jobs.append((own, run_config({**values[key], **seed}, overrides, swept)))
        except ImagesError as error:  # of every job with these images; reading them takes time
            raise UserError(f"no job can start; nothing was trained.\n  {error}") from error
        except UserError as error:
            refused[str(error)].append(own)
    illegal = sum(map(len, refused.values()))
    _refuse(f"{illegal} of {count(illegal + len(jobs), 'job')} are not legal", refused)

    folders: dict[str, list[str]] = defaultdict(list)
    equal: dict[str, list[str]] = defaultdict(list)
    names = dict[str, str]()
    for own, config in jobs:
        folders[f"{config.run_root}/{job_name(config)}"].append(own)
        identity = [numeric_identity(config), config.data.path]  # in two folders are two data sets
        equal[names.setdefault(json.dumps(identity), job_name(config))].append(own)
    for folder, same in folders.items():
        fix = "Give the arms names of their own (arm=NAME), or sweep a key that changes the run."
        if len(set(same)) == 1:
            fix = "Name each value of a key once."
        if len(same) > 1:
            refused[f"all of these would be {folder}. {fix}"] = same
    _refuse("jobs would replace one another", refused)
    rule = "nothing else that decides a number differs."
    twice = {f"all of these are {name}: {rule}": same for name, same in equal.items() if same[1:]}
    _refuse("jobs are the same", twice)
    return [config for _, config in jobs]


def _refuse(what: str, refused: Mapping[str, Sequence[str]]) -> None:
    """Raise `UserError` if jobs were refused: their overrides, by the reason."""
    lines = [f"{what}; nothing was trained."]
    for reason, jobs in refused.items():
        lines += [*(f"  {job}" for job in jobs), f"    {reason}"]
    if refused:
        raise UserError("\n".join(lines))


@dataclass(frozen=True)
class Sweep:
    """All the jobs of one multirun.

    Attributes:
        name: made of the swept keys.
        configs: of every job, checked.
        command: the command line that started the sweep.
        only: jobs to run; None runs all that are missing.
        baseline: the arm that the others are compared with; None takes the first.
    """

    name: str
    configs: Sequence[Config]
    command: Sequence[str]
    only: str | Sequence[str] | None = None
    baseline: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of the sweep, beside its arms."""
        return Path(self.configs[0].run_root).resolve() / "sweeps" / self.name

    @property
    def arms(self) -> list[str]:
        """The arms, in the order of the sweep."""
        return list(dict.fromkeys(str(config.arm) for config in self.configs))

    def chosen(self) -> list[Config]:
        """The jobs that `only` names, or all.

        Raises:
            ConfigurationError: for a name that no job has, or a baseline that no arm has.
        """
        known = [job_name(config) for config in self.configs]
        only = known if self.only is None else self.only
        names = [only] if isinstance(only, str) else only
        for name in names:
            rule, fix = "this sweep has no such job.", f"It has {', '.join(known)}."
            require(name in known, "hydra.sweeper.only", name, rule, fix)
        rule, fix = "this sweep has no such arm.", f"It has {', '.join(self.arms)}."
        legal = self.baseline in {None, *self.arms}
        require(legal, "hydra.sweeper.baseline", self.baseline, rule, fix)
        return [config for config in self.configs if job_name(config) in names]

    def run(
        self, executor: Executor, multirun: str, on_complete: OnComplete, on_report: OnReport
    ) -> None:
        """Run what is missing, compare and report.

        Raises:
            UserError: if nothing can be started.
            JobError: if a job or the report failed; the other jobs are complete.
        """
        wanted, report = self.chosen(), self.folder / "report"
        write_output(self.folder, {"multirun.yaml": without_password(multirun)})
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                failures = update_runs(wanted, executor, on_complete, f"sweep {self.name}")
                studies, broken = self._report(report, {event.key for event in failures})
                if studies and not broken:
                    on_report(report, studies)
        except Timeout:
            raise UserError(f"{self.folder}: this sweep is running already.") from None
        except (KeyboardInterrupt, SystemExit):
            again = shlex.join(self.command)
            print(f"sweep {self.name}: stopped. To continue:\n  {again}", file=sys.stderr)
            raise
        if failures or broken:
            raise JobError(self._failures(failures, broken))

    def _failures(self, failures: Sequence[RunEnded], commands: Sequence[str]) -> str:
        """The jobs that failed, each with the command that repeats it, and the failed commands."""
        lines, only = [], "hydra.sweeper.only="
        if failures:
            of = f"{len(failures)} of {count(len(self.configs), 'job')}"
            others = "; the others are complete" if len(failures) < len(self.configs) else ""
            lines.append(f"{of} failed{others}.")
        command = [part for part in self.command if not part.startswith(only)]
        for event in failures:
            job = f"{event.arm}/seed-{event.seed}"
            lines.append(f"  {job}: {event.failure}")
            if not event.diverged:  # it would diverge again
                lines.append(f"    again: {shlex.join([*command, only + quoted(job)])}")
        return "\n".join([*lines, *(f"this command failed: {failed}" for failed in commands)])

    def _report(self, output: Path, failed: set[RunKey]) -> tuple[list[str], list[str]]:
        """Compare the arms of complete runs, for each data set, and write the report.

        Returns:
            The names of the studies, and the commands that failed.
        """
        studies: list[str] = []
        broken: list[str] = []
        by_data: dict[str, list[Run]] = defaultdict(list)
        for run in self._complete(failed):
            by_data[DataFolder.of(config_from_mapping(run.config).data).short].append(run)
        for data, runs in by_data.items():
            arms = list(dict.fromkeys(run.arm for run in runs))
            if len(arms) == 1:
                found = [run.metrics["test/accuracy"] for run in runs]
                print(
                    f"{arms[0]}: mean test accuracy {statistics.fmean(found):.4f} over"
                    f" {count(len(found), 'seed')} ({min(found):.4f} to {max(found):.4f}); there is"
                    " no other arm to compare it with",
                    flush=True,
                )
                continue
            study = self.name if len(by_data) == 1 else f"{self.name}-{data}"
            studies.append(study)
            baseline = self.baseline if self.baseline in arms else arms[0]
            paths = [str(run.path) for run in runs]
            chosen = ["--baseline", str(baseline), "--name", study]
            broken += _failed("compare", *paths, *chosen, "--output", str(output / study))
        if studies and not broken:
            broken += _failed("report", "--studies", ",".join(studies), "--reports", str(output))
        return studies, broken

    def _complete(self, failed: set[RunKey]) -> list[Run]:
        """The complete runs by arm, in the order of the sweep, and seed."""
        found, arms = [], self.arms
        for config in self.configs:
            key = str(config.arm), config.seed
            with suppress(UserError):
                run = read_run(run_path(Path(config.run_root), *key))
                if run.evaluated and key not in failed:
                    found.append(run)
        return sorted(found, key=lambda run: (arms.index(run.arm), run.seed))


def _failed(verb: str, *arguments: str) -> list[str]:
    """Run a command of the project; the command as text if it failed."""
    line = [sys.executable, "-m", "convchoice", verb, *arguments]
    done = subprocess.run(line, check=False)
    return [shlex.join(["convchoice", verb, *arguments])] if done.returncode else []
