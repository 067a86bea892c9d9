"""Processes that take turns at what they share.

A lock is the operating system's and ends with the process that holds it, so that one that was
killed blocks nobody. The files of the locks lie in a folder of their own beside what is shared,
which git and DVC ignore.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

WORK = ".work"
"""Folder, under a folder of runs, of what belongs to work in progress and to no result."""


@contextmanager
def in_turn(root: Path, names: Iterable[str], what: str) -> Iterator[None]:
    """Hold the locks of some things under `root`; wait while another process holds one of them.

    All are taken in the order of their names, so that two processes never wait for each other. A
    process takes each only once: a second time it would wait for itself.

    Args:
        root: folder of what is shared.
        names: of what is shared there, such as ``max/seed-0``.
        what: is done, for whoever has to wait: ``training``.

    Raises:
        OSError: if the folder cannot be written.
    """
    folder = root / WORK
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name in sorted(set(names)):
            lock = FileLock(folder / f"{name.replace('/', '.')}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                print(
                    f"waiting for another process that is {what} {root / name}",
                    file=sys.stderr,
                    flush=True,
                )
                lock.acquire()
            stack.callback(lock.release)
        yield
