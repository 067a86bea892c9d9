"""Worker processes of this machine, which take jobs.

Processes are forked from a server that has imported torch once (spawned on Windows), and end with
their parent. What a process has loaded serves its next job too: on a GPU that is its driver's
context and its libraries, which take seconds.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from convchoice.execution.job import Job
from convchoice.runs.events import Listener, RunEnded, RunKey
from convchoice.training.environment_variables import CLEARED

PRELOADED = ("convchoice.execution.worker_imports",)
POLL_SECONDS = 0.5
TERMINATION_SECONDS = 5.0


@contextmanager
def worker_surroundings() -> Iterator[None]:
    """Start processes without the variables in `CLEARED`, with Ctrl-C blocked and without a script.

    A terminal sends Ctrl-C to every process of its group; only the parent answers it. A user's
    script that calls `convchoice.run` would run again in each worker, which needs nothing of it.
    """
    cleared = {key: value for key, value in os.environ.items() if key.startswith(CLEARED)}
    for key in cleared:
        del os.environ[key]
    main = sys.modules["__main__"]
    masks = hasattr(signal, "pthread_sigmask")  # not on Windows
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else set()
    try:
        sys.modules["__main__"] = ModuleType("__main__")
        yield
    finally:
        sys.modules["__main__"] = main
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
    with worker_surroundings():
        forkserver.ensure_running()
    return context


def end_after(waiting: Callable[[], object]) -> None:
    """End this process as soon as a function returns, which a thread calls."""

    def watch() -> None:
        waiting()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Worker:
    """A process that takes jobs, one after another.

    Attributes:
        left: keys of the runs of its job that have not ended; without any, it has nothing to do.
        connection: where its events arrive.
        ended: whether it takes no other job: the process has ended, or had a fault that may last,
            as those of a GPU do.
    """

    def __init__(self) -> None:
        """Start the process."""
        self.left: set[RunKey] = set()
        self.ended = False
        self._deterministic: bool | None = None
        self.connection, theirs = worker_context().Pipe()
        with worker_surroundings():
            given = (theirs, dict(os.environ))
            self.process = worker_context().Process(target=self._work, args=given, daemon=True)
            self.process.start()
        theirs.close()

    @staticmethod
    def _work(connection: Connection, variables: Mapping[str, str]) -> None:
        os.environ.update(variables)  # the server may have started before they were set
        parent: Any = multiprocessing.parent_process()
        end_after(parent.join)
        try:
            while True:
                connection.recv().work(connection.send)
        except EOFError:
            return  # `close`
        except (BrokenPipeError, ConnectionResetError):
            os._exit(1)  # the parent is gone

    def takes(self, job: Job) -> bool:
        """Whether it can take a job: cuBLAS stays deterministic, or not, as long as its process."""
        used = self._deterministic
        return not self.ended and used in {None, job.runs[0].config.trainer.deterministic}

    def start(self, job: Job) -> None:
        """Give it a job; it must have none."""
        self.left, self._deterministic = set(job.keys), job.runs[0].config.trainer.deterministic
        with suppress(BrokenPipeError):  # it has died; `forward` reports that
            self.connection.send(job)

    def forward(self, listener: Listener) -> None:
        """Pass on the next event; if the process died, end its remaining runs."""
        try:
            events = [self.connection.recv()]
        except (EOFError, ConnectionResetError):
            self.ended = True
            self.process.join()
            # A signal that ended the worker may be meant for the parent too; let it arrive first.
            time.sleep(POLL_SECONDS)
            reason = f"the process ended with exit status {self.process.exitcode}"
            events = [RunEnded(arm, seed, reason) for arm, seed in sorted(self.left)]
        self.ended |= any(isinstance(event, RunEnded) and event.details for event in events)
        self.left -= {event.key for event in events if isinstance(event, RunEnded)}
        for event in events:
            listener(event)

    def close(self) -> None:
        """End the process, which has no job."""
        self.connection.close()
        self.process.join()

    def stop(self) -> None:
        """End the process, whatever it does; a job that is cut off can be started again."""
        self.process.terminate()
        self.process.join(TERMINATION_SECONDS)
        if self.process.is_alive():
            self.process.kill()
