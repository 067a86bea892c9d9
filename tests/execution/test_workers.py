"""Runs side by side, in real processes."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from convchoice.errors import UserError
from convchoice.execution.workers import available_cores, run_jobs, work_reporting_end
from convchoice.runs.events import Ended, Event, Listener, RunKey, Started


@dataclass(frozen=True)
class PlayedJob:
    """Does what `kind` says."""

    arm: str
    seed: int
    kind: str = "well"
    folder: Path | None = None

    @property
    def runs(self) -> list[RunKey]:
        return [(self.arm, self.seed)]

    def work(self, listener: Listener) -> None:
        listener(Started(self.arm, self.seed, epochs=1, epochs_done=0))
        if self.kind == "refused":
            raise UserError("the field is wrong")
        if self.kind == "fault":
            raise ZeroDivisionError("division by zero")
        if self.kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "telling":
            for _ in range(600):
                time.sleep(0.1)
                listener(Started(self.arm, self.seed, epochs=1, epochs_done=0))
        if self.kind == "slow":
            time.sleep(60)
        if self.folder is not None:
            (self.folder / f"{self.seed}").write_text(str(os.getpid()), encoding="utf-8")


def ends(jobs: list[PlayedJob], workers: int = 2) -> dict[int, Ended]:
    heard: list[Event] = []
    run_jobs(jobs, workers, heard.append)
    ended = [event for event in heard if isinstance(event, Ended)]
    assert len(ended) == len(jobs)
    return {event.seed: event for event in ended}


def test_every_job_is_done_in_a_process_of_its_own(tmp_path: Path) -> None:
    ended = ends([PlayedJob("a", seed, folder=tmp_path) for seed in range(5)])
    assert [ended[seed].failure for seed in range(5)] == [""] * 5
    processes = {path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert len(processes) == 5
    assert str(os.getpid()) not in processes


def test_one_failure_leaves_the_others_alone(tmp_path: Path) -> None:
    kinds = ["well", "refused", "fault", "killed", "well"]
    ended = ends([PlayedJob("a", seed, kind, tmp_path) for seed, kind in enumerate(kinds)])
    assert ended[1].failure == "the field is wrong"
    assert ended[1].details == ""
    assert ended[2].failure == "ZeroDivisionError: division by zero"
    assert "Traceback" in ended[2].details
    assert ended[3].failure == "its process ended with exit status -9"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "4"]


def test_an_exception_in_the_listener_stops_the_workers() -> None:
    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs([PlayedJob("a", seed, "slow") for seed in range(2)], 2, interrupt)
    # Were a worker still asleep, joining it at exit would take the minute that it sleeps.


def test_the_preparation_runs_once_after_the_first_workers_are_launched() -> None:
    calls: list[str] = []
    run_jobs(
        [PlayedJob("a", seed) for seed in range(3)],
        1,
        lambda event: calls.append(type(event).__name__),
        when_started=lambda: calls.append("prepared"),
    )
    assert calls[0] == "prepared"
    assert calls.count("prepared") == 1


def test_no_jobs_are_no_work() -> None:
    run_jobs([], 2, lambda event: pytest.fail(f"heard {event}"))


def test_a_job_in_this_process_reports_its_end_too() -> None:
    heard: list[Event] = []
    work_reporting_end(PlayedJob("a", 0, "fault"), heard.append)
    assert isinstance(heard[-1], Ended)
    assert heard[-1].failure.startswith("ZeroDivisionError")


@dataclass(frozen=True)
class PlayedGroup:
    """Four runs in one process: one ends itself, then the process does what `kind` says."""

    kind: str

    @property
    def runs(self) -> list[RunKey]:
        return [("a", seed) for seed in range(4)]

    def work(self, listener: Listener) -> None:
        listener(Ended("a", 2, failure="the loss is nan"))
        PlayedJob("a", 0, self.kind).work(listener)


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        ("well", ""),
        ("refused", "the field is wrong"),
        ("killed", "its process ended with exit status -9"),
    ],
)
def test_every_run_of_a_group_ends_once(kind: str, failure: str) -> None:
    heard: list[Event] = []
    run_jobs([PlayedGroup(kind), PlayedGroup("well")], 1, heard.append)
    ended = [(event.seed, event.failure) for event in heard if isinstance(event, Ended)]
    first, second = ended[:4], ended[4:]
    assert sorted(first) == [(0, failure), (1, failure), (2, "the loss is nan"), (3, failure)]
    assert sorted(second) == [(0, ""), (1, ""), (2, "the loss is nan"), (3, "")]


def test_there_is_a_core() -> None:
    assert available_cores() >= 1


@pytest.mark.parametrize("kind", ["telling", "slow"])
def test_a_worker_whose_parent_is_gone_ends_without_a_word(kind: str) -> None:
    """The parent is killed in mid-work; the workers notice, whether they have much to tell or not.

    They must: the next start of the same runs works in the same folders.
    """
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from convchoice.execution.workers import run_jobs\n"
        "from test_workers import PlayedJob\n"
        "def die(event): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"run_jobs([PlayedJob('a', seed, '{kind}') for seed in range(2)], 2, die)\n"
    )
    folder = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=40,  # were a worker alive, it would hold the pipe of its output open
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stderr == ""


@pytest.mark.parametrize(("sender", "ends"), [("os.getppid()", True), ("os.getpid()", False)])
def test_what_an_engine_started_ends_with_the_sender_that_is_its_parent(
    tmp_path: Path, sender: str, ends: bool
) -> None:
    """Loky's processes, that is; one of Slurm's or Ray's has another parent, and is left alone."""
    end = tmp_path / "end"
    child = (
        "import os, time\n"
        "from pathlib import Path\n"
        "from convchoice.execution.processes import end_with\n"
        f"end_with({sender})\n"
        "print('ready', flush=True)\n"
        "time.sleep(3)\n"
        f"Path({str(end)!r}).touch()\n"
    )
    parent = (
        "import os, signal, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", parent],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,  # which the child holds open for as long as it lives
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    assert end.exists() is not ends
