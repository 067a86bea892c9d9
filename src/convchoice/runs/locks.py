"""Processes that take turns at what they share.

    python -m convchoice.runs.locks COMMAND…

does a command when no other process does one in this folder: two `make repro` go one after the
other.

A lock is the operating system's and ends with the process that holds it, so that one that was
killed blocks nobody. The files of the locks lie in a folder of their own beside what is shared,
which git and DVC ignore.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from filelock import FileLock, Timeout

try:
    import fcntl
except ImportError:  # Windows, where there is no make either
    fcntl = None  # type: ignore[assignment]

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


def become(command: Sequence[str], folder: Path) -> NoReturn:
    """Become a command, once no other command that was begun like this is at work in a folder.

    The lock goes to whatever the command becomes or begins with its own files, so that a command
    whose shell was killed still has its turn to itself.
    """
    (folder / WORK).mkdir(exist_ok=True)
    lock = os.open(folder / WORK / "command.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"waiting for another {command[0]} in {folder}", file=sys.stderr, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)
    os.execvp(command[0], list(command))  # noqa: S606 - the person's own command


if __name__ == "__main__":
    become(sys.argv[1:], Path.cwd())
