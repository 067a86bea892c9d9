"""Jobs on this machine: each in a process of its own, a limited number side by side.

A fresh process for each job keeps runs independent: no state is left over, memory is measured for
each run, and a process that dies ends no other run. Processes are forked from a server that has
imported torch once (spawned on Windows), and end with their parent.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from convchoice.config.schema import Accelerator, Config
from convchoice.execution.job import Job
from convchoice.runs.events import Listener, RunEnded, RunKey

PRELOADED = ("convchoice.training.train", "convchoice.evaluation.evaluate")
# Variables by which a shell or a scheduler would change what Lightning or torch compute.
CLEARED = ("PL_", "SLURM_NTASKS", "TORCHELASTIC_", "TORCH_ALLOW_", "NVIDIA_TF32_OVERRIDE")
POLL_SECONDS = 0.5
TERMINATION_SECONDS = 5.0


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
def _context() -> Any:
    """What creates worker processes."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker  # noqa: PLC0415 - not on Windows

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
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
    with ProcessPoolExecutor(1, _context()) as pool:
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


@cache
def end_with_parent(parent: int) -> None:
    """End this process as soon as its parent is gone, if the parent has this process id.

    Args:
        parent: of a worker of loky or multiprocessing; another id starts no watch.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    if os.getppid() == parent:
        threading.Thread(target=watch, daemon=True).start()


def _end_with_creator() -> None:
    creator = multiprocessing.parent_process()
    if creator is not None:
        wait([creator.sentinel])
        os._exit(1)


def _worker(job: Job, connection: Connection) -> None:
    threading.Thread(target=_end_with_creator, daemon=True).start()
    try:
        job.work(connection.send)
    except BrokenPipeError:
        os._exit(1)  # the parent is gone


@dataclass
class _Running:
    left: set[RunKey]
    process: BaseProcess
    connection: Connection

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
        """Run all jobs; see `executors.Executor`."""
        workers = self.workers or default_workers(jobs[0].runs[0].config)
        waiting = deque(jobs)
        running: list[_Running] = []
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    running.append(_start(waiting.popleft()))
                ready = wait([item.connection for item in running])
                for item in [item for item in running if item.connection in ready]:
                    item.forward(listener)
                running = [item for item in running if item.left]
        finally:
            for item in running:
                item.process.terminate()
            for item in running:
                item.process.join(TERMINATION_SECONDS)
                if item.process.is_alive():
                    item.process.kill()


def _start(job: Job) -> _Running:
    context = _context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_worker, args=(job, sender), daemon=True)
    with _worker_surroundings():
        process.start()
    sender.close()
    return _Running(set(job.keys), process, receiver)
