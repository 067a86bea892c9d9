"""Jobs side by side, each in a process of its own.

A fresh process a training keeps runs from touching one another: no state is left over, memory is
measured per run, and one that dies takes nobody along.
"""

import os
import shutil
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import sleep
from typing import Any, Protocol

from convchoice.errors import UserError
from convchoice.execution.processes import context, end_with_parent
from convchoice.runs.events import Ended, Event, Listener, RunKey

TERMINATION_SECONDS = 5.0
SIGNAL_SECONDS = 0.5
LAUNCH = "CONVCHOICE_LAUNCH"
"""Environment variable that names a launcher: it has the training done, and not this machine."""


class Job(Protocol):
    """What a worker is given: which runs, and what to do with them."""

    @property
    def runs(self) -> Sequence[RunKey]:
        """Which runs: mostly one; each ends in one `Ended` event."""

    def work(self, listener: Listener) -> None:
        """Do it, telling the listener; raise on failure."""


def work_reporting_end(job: Job, listener: Listener) -> None:
    """Do a job; each run's end, good or bad, is told as an `Ended` event.

    A job may tell the end of some of its runs itself; the rest end as the job ends.
    """
    left = dict.fromkeys(job.runs)

    def tell(event: Event) -> None:
        if isinstance(event, Ended):
            left.pop(event.key, None)
        listener(event)

    failure, details = "", ""
    try:
        job.work(tell)
    except UserError as error:
        failure = str(error)
    except Exception as error:  # noqa: BLE001 - one run's fault must not stop the others
        failure, details = f"{type(error).__name__}: {error}", traceback.format_exc()
    for arm, seed in tuple(left):
        listener(Ended(arm, seed, failure, details))


def _in_process(job: Job, connection: Connection) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        work_reporting_end(job, connection.send)
    except BrokenPipeError:
        os._exit(1)  # the parent is gone, and with it whoever could be told


@dataclass
class _Running:
    left: set[RunKey]
    process: BaseProcess
    connection: Any


def available_cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpu_present() -> bool:
    """Whether there is an NVIDIA GPU and a torch built for it: a look that imports no torch."""
    if not (Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi")):
        return False
    torch = find_spec("torch")
    libraries = Path(str(torch.origin)).parent / "lib" if torch else Path()
    return any(libraries.glob("*torch_cuda.*"))


def run_jobs(
    jobs: Iterable[Job],
    workers: int,
    listener: Listener,
    preload: Sequence[str] = (),
    when_started: Callable[[], None] = lambda: None,
) -> None:
    """Do all jobs, at most `workers` at once, each in a process of its own.

    Args:
        jobs: what to do; each of their runs ends in exactly one `Ended` event.
        workers: processes side by side.
        listener: called in this process with every event, in the order a run tells them.
        preload: modules that the server imports once for all workers.
        when_started: called once the first workers are on their way; slow preparations of this
            process fit here.

    Raises:
        BaseException: whatever the listener or a signal raises, after all workers were stopped.
    """
    making = context(preload)
    waiting = deque(jobs)
    running: list[_Running] = []
    started = False
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_launch(making, waiting.popleft()))
            if not started:
                started = True
                when_started()
            for ready in wait([item.connection for item in running]):
                item = next(item for item in running if item.connection is ready)
                if _hear(item, listener):
                    running.remove(item)
    finally:
        for item in running:
            item.process.terminate()
        for item in running:
            item.process.join(TERMINATION_SECONDS)
            if item.process.is_alive():
                item.process.kill()


class Carrier(Protocol):
    """Has jobs done: by processes of this one, or by an engine that may take them elsewhere."""

    @property
    def here(self) -> bool:
        """Whether the work is done on this machine."""

    def __call__(
        self, jobs: Sequence[Any], listener: Listener, when_started: Callable[[], None]
    ) -> None:
        """Have all jobs done.

        Args:
            jobs: what to do; each of their runs ends in exactly one `Ended` event.
            listener: called in this process with every event, in the order a run tells them.
            when_started: called once, before the first event; slow preparations of this process
                fit here.

        Raises:
            BaseException: whatever the listener or a signal raises, after all jobs were stopped.
        """


@dataclass(frozen=True)
class Workers:
    """Has jobs done by processes of this one.

    Attributes:
        count: processes side by side.
        preload: modules that all of them need.
    """

    count: int
    preload: tuple[str, ...] = ()
    here: bool = True

    def __call__(
        self, jobs: Sequence[Job], listener: Listener, when_started: Callable[[], None]
    ) -> None:
        """Have all jobs done."""
        run_jobs(jobs, self.count, listener, self.preload, when_started)


def _launch(making: Any, job: Job) -> _Running:
    receiver, sender = making.Pipe(duplex=False)
    process = making.Process(target=_in_process, args=(job, sender), daemon=True)
    process.start()
    sender.close()
    return _Running(set(job.runs), process, receiver)


def _hear(item: _Running, listener: Listener) -> bool:
    """Pass one event on; True when it was the process's last."""
    events: list[Event]
    try:
        events = [item.connection.recv()]
    except EOFError:
        item.process.join()
        # Who ends one worker may mean all of us (`scancel`, a time limit): its signal to this
        # process, which then stops in good order, gets the time to arrive.
        sleep(SIGNAL_SECONDS)
        failure = f"its process ended with exit status {item.process.exitcode}"
        events = [Ended(arm, seed, failure) for arm, seed in sorted(item.left)]
    item.left -= {event.key for event in events if isinstance(event, Ended)}
    if not item.left:
        item.process.join()
        item.connection.close()
    for event in events:
        listener(event)
    return not item.left
