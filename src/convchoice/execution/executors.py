"""Executors: what runs jobs. The interface, processes of this machine, and joblib.

Slurm and Ray have modules of their own. A fresh process for each job keeps runs independent: no
state is left over, memory is measured for each run, and a process that dies ends no other run. On a
GPU, whose own start takes seconds, a process takes one job after another.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Protocol

from convchoice.config.schema import Accelerator, Config
from convchoice.execution.job import Job
from convchoice.execution.progress import Display
from convchoice.execution.worker import (
    POLL_SECONDS,
    Worker,
    end_after,
    worker_context,
    worker_surroundings,
)
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


def _gpu_fault(variables: Mapping[str, str]) -> tuple[str, bool]:
    """Why torch can use no GPU, and whether there is one."""
    os.environ.update(variables)  # the server may have started before they were set
    from convchoice.training.device import NO_GPU, gpu_fault  # noqa: PLC0415 - torch

    fault = gpu_fault()
    return fault, fault != NO_GPU


@cache
def gpu_is_usable() -> bool:
    """Whether torch can use a GPU here. A worker process asks the device itself."""
    with ProcessPoolExecutor(1, worker_context()) as pool, worker_surroundings():
        fault, exists = pool.submit(_gpu_fault, dict(os.environ)).result()
    if fault and exists:
        print(f"warning: {fault} trainer.accelerator=auto takes the CPU.", file=sys.stderr)
    return not fault


def uses_gpu(config: Config) -> bool:
    """Whether a run with this configuration trains on a GPU of this machine."""
    return config.trainer.accelerator is not Accelerator.cpu and gpu_is_usable()


def available_cores() -> int:
    """CPU cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def default_workers(jobs: Sequence[Job]) -> int:
    """How many jobs go side by side: as many as the most demanding of them allows."""
    return min(_workers(job.runs[0].config) for job in jobs)


def _workers(config: Config) -> int:
    """`trainer.workers`, one on a GPU, or as many as cores allow."""
    if config.trainer.workers is not None:
        return config.trainer.workers
    if uses_gpu(config):
        return 1
    return max(1, available_cores() // config.trainer.threads)


@dataclass(frozen=True)
class LocalExecutor:
    """Runs jobs in processes of this machine.

    Attributes:
        workers: processes side by side; None chooses by the machine.
    """

    workers: int | None = None
    stacks_seeds = True

    def run(self, jobs: Sequence[Job], listener: Listener) -> None:
        """Run all jobs; see `Executor`."""
        workers = self.workers or default_workers(jobs)
        waiting, running = deque(jobs), list[Worker]()
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    running.append(Worker())
                    running[-1].start(waiting.popleft())
                ready = wait([worker.connection for worker in running])
                for worker in [worker for worker in running if worker.connection in ready]:
                    worker.forward(listener)
                for worker in [worker for worker in running if not worker.left]:
                    if waiting and worker.takes(waiting[0]) and uses_gpu(waiting[0].runs[0].config):
                        worker.start(waiting.popleft())
                    else:
                        running.remove(worker)
                        worker.close()
        finally:
            for worker in running:
                worker.process.terminate()  # all at once, before waiting for one
            for worker in running:
                worker.stop()


@cache
def end_with_parent(parent: int) -> None:
    """End this process as soon as its parent is gone, if the parent has this process id."""

    def waiting() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)

    if os.getppid() == parent:
        end_after(waiting)


def run_job(job: Job, folder: str = "", parent: int | None = None) -> list[RunEnded]:
    """Run a job of an engine in a process of its own, on the machine that the engine chose.

    Args:
        job: what to do.
        folder: the sender's working directory, unless it is this process's, too. A process that
            joblib uses again may have been started in another one.
        parent: process id of the process that sent the job; if it is the parent of this process,
            as with joblib, this process ends with it.

    Returns:
        How each run ended.
    """
    if parent is not None:
        end_with_parent(parent)
    if folder:
        os.chdir(folder)
    ended = []
    with Display(dict.fromkeys(job.keys, 1.0), lines=True) as display:

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
    stacks_seeds = True

    def run(self, jobs: Sequence[Job], listener: Listener) -> None:
        """Run all jobs; see `Executor`."""
        import joblib  # noqa: PLC0415 - only if it is used

        n_jobs = self.n_jobs or default_workers(jobs)
        if n_jobs == 1 and self.n_jobs is None:  # on a GPU: one process, which starts it once
            LocalExecutor(1).run(jobs, listener)
            return
        left = dict.fromkeys(key for job in jobs for key in job.keys)
        parallel = joblib.Parallel(n_jobs, return_as="generator_unordered", **self.options)
        sender = str(Path.cwd()), os.getpid()
        results = parallel(joblib.delayed(run_job)(job, *sender) for job in jobs)
        reason = ""
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
