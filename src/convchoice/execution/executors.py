"""Executors: what runs jobs. The interface, and joblib; Slurm and Ray have modules of their own.

Engines other than local processes run each job through `run_job`, in a process of its own on the
machine that the engine chose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import getpid
from typing import Any, Protocol

from convchoice.execution.job import Job
from convchoice.execution.local_processes import LocalExecutor, default_workers, end_with_parent
from convchoice.execution.progress import Display
from convchoice.runs.events import Event, Listener, RunEnded


class Executor(Protocol):
    """Runs jobs and waits for them."""

    stacks_seeds: bool
    """Whether jobs run on this machine's GPU, so that it decides how many seeds go together."""

    def run(self, jobs: Sequence[Job], listener: Listener) -> None:
        """Run all jobs.

        Args:
            jobs: at least one.
            listener: called in this process; each run ends with exactly one `RunEnded` event.

        Raises:
            BaseException: whatever the listener or a signal raises, after all jobs were stopped.
        """


def run_job(job: Job, parent: int | None = None) -> list[RunEnded]:
    """Run a job in a process of its own on this machine.

    Args:
        job: what to do.
        parent: process id of the process that sent the job; if it is the parent of this process,
            this process ends with it.

    Returns:
        How each run ended.
    """
    if parent is not None:
        end_with_parent(parent)
    ended = []
    with Display(len(job.runs), lines=True) as display:

        def listen(event: Event) -> None:
            if isinstance(event, RunEnded):
                ended.append(event)
            else:
                display.show(event)

        LocalExecutor(workers=1).run([job.on_this_machine()], listen)
    return ended


def lost(job: Job, reason: str) -> list[RunEnded]:
    """The ends of the runs of a job that its engine lost."""
    return [RunEnded(arm, seed, reason) for arm, seed in job.keys]


def last_line(error: BaseException) -> str:
    """What an engine's error says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else 'no reason given'}"


@dataclass(frozen=True)
class JoblibExecutor:
    """Runs jobs in processes of joblib.

    Attributes:
        n_jobs: jobs side by side; None chooses by the machine.
        options: further arguments of `joblib.Parallel`.
    """

    n_jobs: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    stacks_seeds = False

    def run(self, jobs: Sequence[Job], listener: Listener) -> None:
        """Run all jobs; see `Executor`."""
        import joblib  # noqa: PLC0415 - only if it is used

        n_jobs = self.n_jobs or default_workers(jobs[0].runs[0].config)
        left = {key: job for job in jobs for key in job.keys}
        parallel = joblib.Parallel(n_jobs, return_as="generator_unordered", **self.options)
        calls = (joblib.delayed(run_job)(job, getpid()) for job in jobs)
        results, reason = parallel(calls), ""
        while left and not reason:
            try:
                ended = next(results)
            except Exception as error:  # noqa: BLE001 - a worker process that died, for one
                reason = last_line(error)
                continue
            for event in ended:
                del left[event.key]
                listener(event)
        for key in left:
            listener(RunEnded(*key, reason))
