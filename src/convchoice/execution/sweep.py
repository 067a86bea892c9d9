"""A sweep: all jobs are checked, the missing ones run, then the arms are compared and reported.

Its own folder, `<run_root>/sweeps/<name>`, holds the report, Hydra's `multirun.yaml` and the
engine's logs.
"""

import shlex
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout

from convchoice.config.composition import quoted
from convchoice.errors import UserError, require, without_password
from convchoice.execution.executors import Executor
from convchoice.execution.runner import OnComplete, count, update_runs
from convchoice.execution.sweep_jobs import SweepJob, chosen_jobs
from convchoice.runs.events import RunEnded, RunKey
from convchoice.runs.output_files import write_output
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import run_path

REPORT = "report"
OnReport = Callable[[Path, Sequence[str]], object]
JOB_FAILED = 1
"""Exit status of a sweep with a failed job; the other jobs are complete."""


@dataclass(frozen=True)
class Sweep:
    """All the jobs of one multirun.

    Attributes:
        name: made of the swept keys.
        jobs: every job, checked.
        command: the command line that started the sweep.
        only: jobs to run; None runs all that are missing.
        baseline: the arm that the others are compared with; None takes the first.
    """

    name: str
    jobs: Sequence[SweepJob]
    command: Sequence[str]
    only: str | Sequence[str] | None = None
    baseline: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of the sweep, beside its arms."""
        return Path(self.jobs[0].config.run_root).resolve() / "sweeps" / self.name

    @cached_property
    def arms(self) -> list[str]:
        """The arms, in the order of the sweep."""
        return list(dict.fromkeys(str(job.config.arm) for job in self.jobs))

    def run(
        self, executor: Executor, multirun: str, on_complete: OnComplete, on_report: OnReport
    ) -> None:
        """Run what is missing, compare and report.

        Args:
            executor: runs the jobs.
            multirun: text of `multirun.yaml`.
            on_complete: see `runner.run`.
            on_report: called with the report's folder and the names of its studies.

        Raises:
            UserError: if nothing can be started.
            SystemExit: 1 if a job or the report failed.
        """
        wanted = [job.config for job in chosen_jobs(self.jobs, self.only)]
        legal, fix = {None, *self.arms}, f"It has {', '.join(self.arms)}."
        rule = "this sweep has no such arm."
        require(self.baseline in legal, "hydra.sweeper.baseline", self.baseline, rule, fix)
        write_output(self.folder, {"multirun.yaml": without_password(multirun)})
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                failures = update_runs(wanted, executor, on_complete, f"sweep {self.name}")
                studies, report_failures = self._report({event.key for event in failures})
                if studies and not report_failures:
                    on_report(self.folder / REPORT, studies)
        except Timeout:
            raise UserError(f"{self.folder}: this sweep is running already.") from None
        except (KeyboardInterrupt, SystemExit):
            again = shlex.join(self.command)
            print(f"sweep {self.name}: stopped. To continue:\n  {again}", file=sys.stderr)
            raise
        if failures or report_failures:
            self._print_failures(failures, report_failures)
            sys.exit(JOB_FAILED)

    def _print_failures(self, failures: Sequence[RunEnded], commands: Sequence[str]) -> None:
        lines, total = [], count(len(self.jobs), "job")
        if failures:
            lines.append(f"error: {len(failures)} of {total} failed; the others are complete.")
        only = "hydra.sweeper.only="
        command = [part for part in self.command if not part.startswith(only)]
        for event in failures:
            job = f"{event.arm}/seed-{event.seed}"
            lines.append(f"  {job}: {event.failure}")
            if not event.diverged:  # it would diverge again
                lines.append(f"    again: {shlex.join([*command, only + quoted(job)])}")
        lines += [f"error: this command failed: {failed}" for failed in commands]
        print("\n".join(lines), file=sys.stderr, flush=True)

    def _report(self, failed: set[RunKey]) -> tuple[list[str], list[str]]:
        """Compare the arms of complete runs, for each data set, and write the report.

        Returns:
            The names of the studies, and the commands that failed.
        """
        output = self.folder / REPORT
        studies: list[str] = []
        broken: list[str] = []
        by_data: dict[str, list[Run]] = defaultdict(list)
        for run in self._complete(failed):
            by_data[run.config["data"]["name"]].append(run)
        for data, runs in by_data.items():
            runs.sort(key=lambda run: (self.arms.index(run.arm), run.seed))
            arms = list(dict.fromkeys(run.arm for run in runs))
            if len(arms) == 1:
                _print_mean(runs)
                continue
            study = self.name if len(by_data) == 1 else f"{self.name}-{data}"
            studies.append(study)
            baseline = self.baseline if self.baseline in arms else arms[0]
            paths = [str(run.path) for run in runs]
            chosen = ["--baseline", str(baseline), "--name", study]
            broken += _failed(["compare", *paths, *chosen, "--output", str(output / study)])
        if studies and not broken:
            broken += _failed(["report", "--studies", ",".join(studies), "--reports", str(output)])
        return studies, broken

    def _complete(self, failed: set[RunKey]) -> Iterator[Run]:
        for config in (job.config for job in self.jobs):
            key = str(config.arm), config.seed
            with suppress(UserError):
                run = read_run(run_path(Path(config.run_root), *key))
                if run.evaluated and key not in failed:
                    yield run


def _print_mean(runs: Sequence[Run]) -> None:
    """The mean of the only arm: there is nothing to compare it with."""
    found = [run.metrics["test/accuracy"] for run in runs]
    print(
        f"{runs[0].arm}: mean test accuracy {statistics.fmean(found):.4f} over"
        f" {count(len(found), 'seed')} ({min(found):.4f} to {max(found):.4f}); there is no other"
        " arm to compare it with",
        flush=True,
    )


def _failed(command: Sequence[str]) -> list[str]:
    """Run a command of the project; the command as text if it failed."""
    module, *arguments = command
    line = [sys.executable, "-m", f"convchoice.{module}", *arguments]
    done = subprocess.run(line, check=False)
    return [shlex.join(["convchoice", *command])] if done.returncode else []
