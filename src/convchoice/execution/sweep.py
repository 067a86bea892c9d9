"""A sweep: all its jobs checked, those that are missing done, then compared and reported.

A job leaves a run folder (`application`). The sweep leaves `<run_root>/sweeps/<name>` beside them:
its report, what became of each job, and Hydra's `multirun.yaml`.
"""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from convchoice.config.composition import (
    composition_errors,
    plain,
    quoted,
)
from convchoice.config.schema import TrackingConfig
from convchoice.errors import UserError, exit_codes, require
from convchoice.execution.naming import sweep_name
from convchoice.execution.sweep_jobs import (
    SweepJob,
    checked_jobs,
    chosen_jobs,
    fetch_data,
    jobs_to_do,
    refuse_foreign_runs,
    told,
)
from convchoice.execution.sweep_journal import DONE, Journal, Watch
from convchoice.execution.sweep_result import SweepResult, make_result

SWEEPS = "sweeps"
JOB_FAILED = 1
"""Exit status of a sweep of which a job failed; the others are whole."""
# What a job is told through its Hydra configuration, whatever launcher carries it.
SWEPT = "CONVCHOICE_SWEPT"
FOLDER = "CONVCHOICE_SWEEP_FOLDER"
SENDER = "CONVCHOICE_SWEEP_PROCESS"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@dataclass
class Sweep:
    """All the jobs of one multirun, from the check of the first to the report of all.

    Attributes:
        swept: keys that have more than one value.
        batch: each job's overrides.
        config: Hydra's configuration of the multirun.
        loader: composes a job.
        launcher: carries jobs out.
        at_once: jobs that are handed to the launcher at once; None hands over all.
        only: jobs to do; None does all that are missing.
        baseline: the arm that the others are compared with; None takes the first.
        publish_result: called with the sweep's result and where it is to be tracked.
    """

    swept: Sequence[str]
    batch: Sequence[Sequence[str]]
    config: DictConfig
    loader: ConfigLoader
    launcher: Launcher
    at_once: int | None = None
    only: str | Sequence[str] | None = None
    baseline: str | None = None
    publish_result: Callable[[SweepResult, TrackingConfig], object] = lambda result, settings: None  # noqa: ARG005

    @cached_property
    def jobs(self) -> list[SweepJob]:
        """Every job, checked."""
        return checked_jobs(self.batch, self.swept, self._composed)

    @property
    def name(self) -> str:
        """By what is swept."""
        return sweep_name(self.swept)

    @property
    def folder(self) -> Path:
        """Of the sweep itself, beside its arms."""
        return Path(self.jobs[0].config.run_root).resolve() / SWEEPS / self.name

    @property
    def journal(self) -> Journal:
        """What became of the jobs."""
        return Journal(self.folder)

    def _composed(self, overrides: Sequence[str]) -> dict[str, Any]:
        with composition_errors("sweep", told(overrides, self.swept)):
            whole = self.loader.load_sweep_config(self.config, list(overrides))
        keys = [str(key) for key in whole if key != "hydra"]
        return plain(OmegaConf.masked_copy(whole, keys))

    def carry_out(self) -> None:
        """Check all jobs, do what is missing, compare and report.

        Raises:
            SystemExit: 2 if a job is not legal (nothing was done then), 1 if one failed, 143 and
                130 when stopped.
        """
        with exit_codes():
            wanted = chosen_jobs(self.jobs, self.only)
            arms = list(dict.fromkeys(str(job.config.arm) for job in self.jobs))
            require(
                self.baseline in {None, *arms}, "hydra.sweeper.baseline", self.baseline,
                "this sweep has no such arm.", f"It has {', '.join(arms)}.",
            )  # fmt: skip
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(self.folder / ".lock", timeout=0):
                    failed = self._do(wanted, arms)
            except Timeout:
                raise UserError(f"{self.folder}: this sweep is at work already.") from None
            if failed:
                sys.exit(JOB_FAILED)

    def _do(self, wanted: Sequence[SweepJob], arms: Sequence[str]) -> bool:
        fetch_data(wanted)
        missing = jobs_to_do(wanted)
        refuse_foreign_runs(missing)
        kept = len(wanted) - len(missing)
        print(
            f"sweep {self.name}: {_count(len(wanted), 'job')}, {_count(len(arms), 'arm')};"
            f" {kept} kept (same configuration, data and code), {len(missing)} to do",
            flush=True,
        )
        OmegaConf.save(self.config, self.folder / "multirun.yaml")
        for job in missing:
            self.journal.forget(job.key)
        try:
            if missing:
                self._launch(missing, kept)
            whole = {job.key for job in self.jobs} - {job.key for job in jobs_to_do(self.jobs)}
            failed = [job for job in missing if job.key not in whole]
            result = make_result(
                self.name, [job for job in self.jobs if job.key in whole], self.folder,
                self.baseline,
            )  # fmt: skip
            if missing:
                self.publish_result(result, missing[0].config.tracking)
        except (KeyboardInterrupt, SystemExit):
            self._say_stopped(missing)
            raise
        self._say_failures(failed, result.failed)
        return bool(failed or result.failed)

    def _launch(self, missing: Sequence[SweepJob], kept: int) -> None:
        """Hand the jobs to the launcher; what it raises for a lost job is said, and no more."""
        carried = {FOLDER: str(self.folder), SENDER: str(os.getpid())}
        told_to_jobs = [
            f"+hydra.job.env_set.{key}={quoted(value)}" for key, value in carried.items()
        ]
        overrides = [[*job.overrides, *told_to_jobs] for job in missing]
        size = self.at_once or len(overrides)
        with Watch(self.journal, [job.key for job in missing], kept):
            for first in range(0, len(overrides), size):
                try:
                    self.launcher.launch(overrides[first : first + size], initial_job_idx=first)
                except Exception as error:  # noqa: BLE001 - engines raise whatever they come upon
                    lines = str(error).strip().splitlines()
                    reason = lines[-1] if lines else "no reason given"
                    print(f"launcher: {type(error).__name__}: {reason}", file=sys.stderr)

    def _say_stopped(self, missing: Sequence[SweepJob]) -> None:
        done = sum(self.journal.state(job.key) == DONE for job in missing)
        print(
            f"sweep {self.name}: stopped with {done} of {len(missing)} jobs done."
            f" It goes on where it stopped:\n  {_command()}",
            file=sys.stderr,
            flush=True,
        )

    def _say_failures(self, failed: Sequence[SweepJob], commands: Sequence[str]) -> None:
        lines = []
        if failed:
            lines += [
                f"error: {len(failed)} of {len(self.jobs)} jobs failed; the others are whole."
            ]
        for job in failed:
            repeated = _command(f"hydra.sweeper.only={quoted(job.name)}")
            lines += [f"  {job.name}: {self.journal.reason(job.key)}", f"    again: {repeated}"]
        lines += [f"error: this failed: {command}" for command in commands]
        if lines:
            print("\n".join(lines), file=sys.stderr, flush=True)


def _command(*more: str) -> str:
    """The command line of this sweep, with something more."""
    ours = (f"+hydra.job.env_set.{SWEPT}=", "hydra.sweeper.only=" if more else "\n")
    given = [argument for argument in sys.argv[1:] if not argument.startswith(ours)]
    return shlex.join(["python", "-m", "convchoice.train", *given, *more])
