"""What became of a sweep's jobs, a small file each: written by the job, wherever it runs.

A launcher's own word is not enough: Hydra lets a failed job pass for a completed one, and a node
that dies says nothing. A job whose file says that it began and not how it ended was lost.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from convchoice.errors import RunFolderError
from convchoice.execution.progress import duration
from convchoice.runs.events import RunKey
from convchoice.runs.run_folder import read_json, write_json

JOBS = "jobs"
BEGUN, DONE, FAILED = "begun", "done", "failed"
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Journal:
    """The files of a sweep's jobs.

    Attributes:
        folder: of the sweep.
    """

    folder: Path

    def _file(self, key: RunKey) -> Path:
        arm, seed = key
        return self.folder / JOBS / f"{arm}.seed-{seed}.json"

    def note(self, key: RunKey, state: str, reason: str = "", details: str = "") -> None:
        """Write down that a job begins, is done, or failed for a reason (with a traceback)."""
        path = self._file(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"state": state, "reason": reason, "details": details})

    def forget(self, key: RunKey) -> None:
        """Take away what a former start wrote down of a job."""
        self._file(key).unlink(missing_ok=True)

    def state(self, key: RunKey) -> str:
        """``begun``, ``done`` or ``failed``; empty for a job that did not begin."""
        return self._read(key)[0]

    def reason(self, key: RunKey) -> str:
        """Why a job is not done, in one line."""
        state, reason = self._read(key)
        if state == BEGUN:
            return "it began and was lost before its end: killed, or out of time or memory"
        return reason or "it never began"

    def _read(self, key: RunKey) -> tuple[str, str]:
        path = self._file(key)
        if not path.exists():
            return "", ""
        try:
            values = read_json(path)
        except RunFolderError:  # a node that died, or a disk that was full, in the midst of it
            return BEGUN, ""
        return str(values.get("state", BEGUN)), str(values.get("reason", ""))


class Watch:
    """Says a line whenever a job of the sweep has ended: how many are left, and for how long.

    Looks at the jobs' files, so it is the same under every launcher.

    Args:
        journal: of the sweep.
        keys: the jobs that were sent out.
        kept: number of jobs that are there from before.
    """

    def __init__(self, journal: Journal, keys: Sequence[RunKey], kept: int) -> None:
        """Nothing is said before the `with` block."""
        self.journal = journal
        self.waiting = list(keys)
        self.failed: list[RunKey] = []
        self.sent = len(keys)
        self.kept = kept
        self.began = time.perf_counter()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_now_and_then, daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self.began = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Look once more, and end."""
        self._over.set()
        self._thread.join()
        self.look()

    def _look_now_and_then(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Say a line if a job has ended since the last look."""
        states = {key: self.journal.state(key) for key in self.waiting}
        ended = [key for key, state in states.items() if state in {DONE, FAILED}]
        if not ended:
            return
        self.failed += [key for key in ended if states[key] == FAILED]
        self.waiting = [key for key in self.waiting if key not in ended]
        print(self.line(), flush=True)

    def line(self) -> str:
        """The progress of the whole sweep, in a line."""
        ended = self.sent - len(self.waiting)
        text = f"sweep: {self.kept + ended} of {self.kept + self.sent} jobs done"
        if self.failed:
            text += f" ({len(self.failed)} failed)"
        if not self.waiting or not ended:
            return text
        left = (time.perf_counter() - self.began) / ended * len(self.waiting)
        return f"{text}, {len(self.waiting)} left, about {duration(left)}"
