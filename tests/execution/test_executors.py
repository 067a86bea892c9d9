"""Worker processes on this machine: real ones, really killed."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from convchoice.config.schema import Accelerator, Config, TrainerConfig
from convchoice.errors import ConfigurationError
from convchoice.execution import executors
from convchoice.execution.executors import LocalExecutor, default_workers, gpu_is_usable
from convchoice.execution.job import Job
from convchoice.execution.specification import specify
from convchoice.execution.worker import Worker
from convchoice.runs.events import Event, Listener, RunEnded, RunKey, RunStarted
from convchoice.training import device


@dataclass(frozen=True)
class ScriptedJob:
    """A job of two runs that does what `action` names."""

    action: str
    folder: Path | None = None

    @property
    def keys(self) -> list[RunKey]:
        return [(self.action, seed) for seed in range(2)]

    @property
    def runs(self) -> list[Any]:
        return [SimpleNamespace(config=Config(trainer=TrainerConfig(accelerator=Accelerator.cpu)))]

    def work(self, listener: Listener) -> None:
        listener(RunStarted(*self.keys[0], epochs=1, epochs_done=0))
        if self.action == "killed":
            listener(RunEnded(*self.keys[0]))
            os.kill(os.getpid(), signal.SIGKILL)
        for _ in range(600 if self.action == "talks" else 0):
            time.sleep(0.1)
            listener(RunStarted(*self.keys[0], epochs=1, epochs_done=0))
        if self.action == "fails":
            for key in self.keys:
                listener(RunEnded(*key, "RuntimeError: CUDA error", "Traceback: …"))
            return
        if self.action == "sleeps":
            time.sleep(60)
        if self.folder is not None:
            (self.folder / f"{os.getpid()}").touch()
        for key in self.keys:
            listener(RunEnded(*key))


def broken_gpu(_variables: object) -> tuple[str, bool]:
    """Runs in a worker process, which finds it by its name."""
    return "torch cannot use the GPU: no kernel image.", True


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code; a process that it leaves alive would hold the pipe of its output open."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_each_job_has_a_process_and_one_that_dies_ends_no_other(tmp_path):
    events: list[Event] = []
    jobs: Any = [ScriptedJob(name, tmp_path) for name in ("a", "killed", "b")]
    LocalExecutor(2).run(jobs, events.append)
    ended = sorted((e.arm, e.seed, e.failure) for e in events if isinstance(e, RunEnded))
    assert ended == [
        ("a", 0, ""), ("a", 1, ""), ("b", 0, ""), ("b", 1, ""), ("killed", 0, ""),
        ("killed", 1, "the process ended with exit status -9"),
    ]  # fmt: skip
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("breaks", "failing"),
    [(["killed"], [("killed", 1)]), (["fails"], [("fails", 0), ("fails", 1)])],
)
def test_on_a_gpu_a_process_takes_the_jobs_one_after_another_until_it_dies_or_has_a_fault(
    tmp_path, monkeypatch, breaks, failing
):
    monkeypatch.setattr(executors, "uses_gpu", lambda config: True)
    events: list[Event] = []
    folders = [tmp_path / name for name in "abcd"]
    for folder in folders:
        folder.mkdir()
    actions = ("a", "b", *breaks, "c", "d")
    jobs: Any = [ScriptedJob(name, tmp_path / name) for name in actions]
    LocalExecutor(1).run(jobs, events.append)
    a, b, c, d = ([each.name for each in folder.iterdir()] for folder in folders)
    assert a == b != c == d
    failed = [event.key for event in events if isinstance(event, RunEnded) and event.failure]
    assert failed == failing


def test_a_process_that_was_deterministic_takes_no_job_that_is_not(tmp_path, configs):
    worker, jobs = Worker(), []
    for deterministic in (True, False):
        trainer = {"accelerator": "cpu", "deterministic": deterministic}
        jobs.append(Job(tuple(specify(configs(1, trainer=trainer), tmp_path))))
    assert all(map(worker.takes, jobs))
    worker.start(jobs[0])
    assert [worker.takes(job) for job in jobs] == [True, False]
    worker.stop()


def test_a_gpu_that_torch_cannot_use_is_named_once_and_not_used(monkeypatch, capfd):
    def unsupported(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available\nmore")

    device.gpu_fault.cache_clear()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", unsupported)
    fault = "torch cannot use the GPU: CUDA error: no kernel image is available."
    assert device.gpu_fault() == fault
    assert device.device_of(Accelerator.auto) == torch.device("cpu")
    with pytest.raises(ConfigurationError, match="no kernel image is available"):
        device.device_of(Accelerator.gpu)
    device.gpu_fault.cache_clear()
    gpu_is_usable.cache_clear()
    monkeypatch.setattr(executors, "_gpu_fault", broken_gpu)
    assert not gpu_is_usable()
    assert not gpu_is_usable()
    warning = "warning: torch cannot use the GPU: no kernel image. trainer.accelerator=auto takes"
    assert capfd.readouterr().err.count(warning) == 1
    gpu_is_usable.cache_clear()


def test_workers_are_as_many_as_asked_for_or_one_on_a_gpu_or_the_cores(
    tmp_path, configs, monkeypatch
):
    (tmp_path / "nvidia-smi").touch(mode=0o755)  # a program is no GPU
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    gpu_is_usable.cache_clear()
    assert not gpu_is_usable()
    gpu_is_usable.cache_clear()
    monkeypatch.setattr(executors, "available_cores", lambda: 5)
    monkeypatch.setattr(executors, "gpu_is_usable", lambda: True)
    jobs: list[Job] = []
    for trainer, workers in (
        ({"workers": 3}, 3),
        ({"accelerator": "auto"}, 1),
        ({"accelerator": "cpu"}, 5),
        ({"accelerator": "cpu", "threads": 2}, 2),
        ({"accelerator": "cpu", "threads": 8}, 1),
    ):
        jobs.append(Job(tuple(specify(configs(1, trainer=trainer), tmp_path))))
        assert default_workers(jobs[-1:]) == workers
    assert default_workers([jobs[2], jobs[3]]) == 2


def test_an_exception_of_the_listener_stops_the_workers():
    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LocalExecutor(2).run([ScriptedJob("sleeps")] * 2, interrupt)  # type: ignore[list-item]
    # If a worker were still asleep, joining it at exit would take a minute.


@pytest.mark.parametrize("action", ["talks", "sleeps"])
def test_a_worker_ends_silently_when_its_parent_is_killed(action):
    """Whether it sends events or not: the next start of the same runs works in the same folders."""
    done = python(
        "import os, signal\n"
        "from convchoice.execution import executors, worker\n"
        "worker.PRELOADED = ()\n"  # workers start faster, without torch
        "from test_executors import ScriptedJob\n"
        "def die(event): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"executors.LocalExecutor(2).run([ScriptedJob('{action}')] * 2, die)\n"
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")


@pytest.mark.parametrize(("parent", "ends_too"), [("os.getppid()", True), ("os.getpid()", False)])
def test_a_process_of_an_engine_ends_with_the_process_that_sent_its_job(tmp_path, parent, ends_too):
    """If that is its parent, as for joblib; Slurm's and Ray's processes have another parent."""
    child = (
        "import os, time\n"
        "from pathlib import Path\n"
        "from convchoice.execution.executors import end_with_parent\n"
        f"end_with_parent({parent})\n"
        "print('ready', flush=True)\n"
        "time.sleep(3)\n"
        f"Path({str(tmp_path / 'end')!r}).touch()\n"
    )
    done = python(
        "import os, signal, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    assert (tmp_path / "end").exists() is not ends_too
