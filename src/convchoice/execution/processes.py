"""Processes that work for this one: how they begin, and that none outlives whom it works for.

They are forked from a server that has imported the heavy libraries once; where there is no fork
(Windows) they are spawned.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import wait
from typing import Any

LOOK_SECONDS = 0.5


def context(preload: Sequence[str]) -> Any:
    """What makes processes.

    Args:
        preload: modules that the server imports once for all of them.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker  # noqa: PLC0415 - not on Windows

    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(list(preload))
    resource_tracker.ensure_running()  # which unblocks Ctrl-C when it has to be started
    with _ctrl_c_blocked():
        forkserver.ensure_running()
    return made


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: a terminal sends it to all, and one answers.

    Blocked, and not ignored: one that comes meanwhile reaches this process afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """End this process as soon as its parent is gone, however that ended.

    Nobody could be told any more, and the next start of the same run works in the same folder.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@cache
def end_with(sender: int) -> None:
    """End this process as soon as its parent is gone, if the parent is the one that sent its work.

    For processes that an engine started: loky's outlive a stage or sweep that was killed outright,
    work to the end for nobody, and are idle for five minutes more.

    Args:
        sender: number of the process that sent the work; one that is not the parent is elsewhere,
            or not alone in deciding, as with Slurm and Ray, and nothing is done.
    """

    def watch() -> None:
        # A process whose parent is gone has another at once, also where nobody has buried it yet.
        while os.getppid() == sender:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    if os.getppid() == sender:
        threading.Thread(target=watch, daemon=True).start()
