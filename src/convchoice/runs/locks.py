"""Locks between processes.

    python -m convchoice.runs.locks COMMAND…

runs a command while no other command of this kind runs in the same folder, so that two ``make
repro`` run one after the other.

The operating system releases a lock when its process ends, also after a kill. The lock files are
in a folder of their own, which git and DVC ignore.
"""

import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from convchoice.errors import storing_in

WORK = ".work"
"""Folder, under a folder of runs, for lock files and other files that are no result."""

SILENT_SECONDS = 2.0
"""A longer wait for the lock of a file is reported."""


class WaitingLock(FileLock):
    """The lock ``NAME.lock`` of a file; a wait for another process is reported."""

    def acquire(self, *args: Any, **options: Any) -> Any:
        """Acquire the lock; Timeout if another process keeps it."""
        try:
            return super().acquire(SILENT_SECONDS)
        except Timeout:
            what = str(self.lock_file).removesuffix(".lock")
            print(f"waiting for another process that writes to {what}", file=sys.stderr)
        return super().acquire(*args, **options)


@contextmanager
def _locked(path: Path, waiting: str) -> Iterator[None]:
    """Hold a lock; print `waiting` if another process holds it."""
    lock = FileLock(path)
    with storing_in(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(waiting, file=sys.stderr, flush=True)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def lock_runs(root: Path, names: Iterable[str]) -> Iterator[None]:
    """Hold the locks of some runs; wait while another process holds one of them.

    They are acquired in the order of their names, so that two processes never block each other. A
    process must not acquire the same lock twice.

    Raises:
        StorageError: if the folder cannot be written.
    """
    with ExitStack() as stack:
        for name in sorted(set(names)):
            path = root / WORK / f"{name.replace('/', '.')}.lock"
            waiting = f"waiting for another process that is working on {root / name}"
            stack.enter_context(_locked(path, waiting))
        yield


def _terminate(pid: int) -> None:
    """Send SIGTERM to a process and all below it: DVC would leave its stage running."""
    import psutil  # noqa: PLC0415 - only when it is stopped

    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        # The command first: one whose child ended before it might end as if all were done.
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                each.terminate()


def run_locked(command: Sequence[str], folder: Path) -> int:
    """The exit status of a command, 128 + n after signal n; one runs in a folder at a time."""
    with _locked(folder / WORK / "command.lock", f"waiting for another {command[0]} in {folder}"):
        process = subprocess.Popen(list(command), cwd=folder)
        # The terminal sends Ctrl-C to the command too.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: _terminate(process.pid))
        status = process.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(run_locked(sys.argv[1:], Path.cwd()))
