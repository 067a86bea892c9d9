"""Executors: what runs jobs. The interface, processes of this machine, and joblib.

Slurm and Ray have modules of their own. A fresh process for each job keeps runs independent: no
state is left over, memory is measured for each run, and a process that dies ends no other run.
Processes are forked from a server that has imported torch once (spawned on Windows), and end with
their parent.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from convchoice.config.schema import Accelerator, Config
from convchoice.execution.job import Job
from convchoice.execution.progress import Display
from convchoice.runs.events import Event, Listener, RunEnded
from convchoice.training.environment_variables import CLEARED

PRELOADED = ("convchoice.execution.worker_imports",)
POLL_SECONDS = 0.5
TERMINATION_SECONDS = 5.0


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


@contextmanager
def _worker_surroundings() -> Iterator[None]:
    """Start processes without the variables in `CLEARED` and with Ctrl-C blocked.

    A terminal sends Ctrl-C to every process of its group; only the parent answers it.
    """
    cleared = {key: value for key, value in os.environ.items() if key.startswith(CLEARED)}
    for key in cleared:
        del os.environ[key]
    masks = hasattr(signal, "pthread_sigmask")  # not on Windows
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else set()
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.environ.update(cleared)


@cache
def worker_context() -> Any:
    """What creates worker processes. Its server starts at the first call, and imports torch."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker  # noqa: PLC0415 - not on Windows

    context = multiprocessing.get_context("forkserver")
    # A process of joblib has a start method of joblib's, which exists only where that is imported.
    joblib = ["joblib"] if "joblib" in sys.modules else []
    context.set_forkserver_preload([*PRELOADED, *joblib])
    resource_tracker.ensure_running()  # unblocks Ctrl-C when it has to be started
    with _worker_surroundings():
        forkserver.ensure_running()
    return context


def _cuda_is_available() -> bool:
    import torch  # noqa: PLC0415 - only in the worker

    return torch.cuda.is_available()


@cache
def gpu_is_usable() -> bool:
    """Whether torch can use a GPU here. A worker process asks the device itself."""
    with ProcessPoolExecutor(1, worker_context()) as pool:
        return pool.submit(_cuda_is_available).result()


def uses_gpu(config: Config) -> bool:
    """Whether a run with this configuration trains on a GPU of this machine."""
    return config.trainer.accelerator is not Accelerator.cpu and gpu_is_usable()


def available_cores() -> int:
    """CPU cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def default_workers(config: Config) -> int:
    """How many runs go side by side: `trainer.workers`, one on a GPU, or as many as cores allow."""
    if config.trainer.workers is not None:
        return config.trainer.workers
    if uses_gpu(config):
        return 1
    return max(1, available_cores() // config.trainer.threads)


def _end_after(waiting: Callable[[], object]) -> None:
    """End this process as soon as a function returns, which a thread calls."""

    def watch() -> None:
        waiting()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Worker:
    """A process that works on a job.

    Attributes:
        left: keys of the runs that have not ended.
        connection: where its events arrive.
    """

    def __init__(self, job: Job) -> None:
        self.left = set(job.keys)
        self.connection, sender = worker_context().Pipe(duplex=False)
        with _worker_surroundings():
            given = (job, sender, dict(os.environ))
            self.process = worker_context().Process(target=self._work, args=given, daemon=True)
            self.process.start()
        sender.close()

    @staticmethod
    def _work(job: Job, connection: Connection, variables: Mapping[str, str]) -> None:
        os.environ.update(variables)  # the server may have started before they were set
        parent: Any = multiprocessing.parent_process()
        _end_after(parent.join)
        try:
            job.work(connection.send)
        except BrokenPipeError:
            os._exit(1)  # the parent is gone

    def forward(self, listener: Listener) -> None:
        """Pass on the next event; if the process died, end its remaining runs."""
        try:
            events = [self.connection.recv()]
        except EOFError:
            self.process.join()
            # A signal that ended the worker may be meant for the parent too; let it arrive first.
            time.sleep(POLL_SECONDS)
            reason = f"the process ended with exit status {self.process.exitcode}"
            events = [RunEnded(arm, seed, reason) for arm, seed in sorted(self.left)]
        self.left -= {event.key for event in events if isinstance(event, RunEnded)}
        if not self.left:
            self.process.join()
            self.connection.close()
        for event in events:
            listener(event)


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
        workers = self.workers or default_workers(jobs[0].runs[0].config)
        waiting = deque(jobs)
        running: list[_Worker] = []
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    running.append(_Worker(waiting.popleft()))
                ready = wait([worker.connection for worker in running])
                for worker in [worker for worker in running if worker.connection in ready]:
                    worker.forward(listener)
                running = [worker for worker in running if worker.left]
        finally:
            for worker in running:
                worker.process.terminate()
            for worker in running:
                worker.process.join(TERMINATION_SECONDS)
                if worker.process.is_alive():
                    worker.process.kill()


@cache
def end_with_parent(parent: int) -> None:
    """End this process as soon as its parent is gone, if the parent has this process id."""

    def waiting() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)

    if os.getppid() == parent:
        _end_after(waiting)


def run_job(job: Job, parent: int | None = None) -> list[RunEnded]:
    """Run a job of an engine in a process of its own, on the machine that the engine chose.

    Args:
        job: what to do.
        parent: process id of the process that sent the job; if it is the parent of this process,
            as with joblib, this process ends with it.

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
        left = dict.fromkeys(key for job in jobs for key in job.keys)
        parallel = joblib.Parallel(n_jobs, return_as="generator_unordered", **self.options)
        results = parallel(joblib.delayed(run_job)(job, os.getpid()) for job in jobs)
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
