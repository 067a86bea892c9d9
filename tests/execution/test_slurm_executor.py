"""submitit: real local jobs, and Slurm's queue played by a script; with Slurm: `test_slurm`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convchoice.config.schema import Config
from convchoice.errors import UserError
from convchoice.execution.job import Job
from convchoice.execution.runner import run
from convchoice.execution.specification import specify
from convchoice.runs.events import RunEnded
from convchoice.runs.run import RunSpecification, read_run

submitit = pytest.importorskip("submitit", reason="pip install -e '.[launchers]'")

from convchoice.execution import slurm_executor  # noqa: E402
from convchoice.execution.slurm_executor import SubmititExecutor, queue  # noqa: E402

QUEUE = """\
7_3|PENDING|/data/sweeps/arm
7_2|RUNNING|/data/sweeps/arm
7_1|CANCELLED|/data/sweeps/arm
7_0|COMPLETING|/data/sweeps/arm
6|COMPLETED|a | b
"""


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that sets what `squeue` prints, and its exit status."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sbatch").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def prints(lines: str, status: int = 0) -> None:
        program = folder / "squeue"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}END\nexit {status}\n")
        program.chmod(0o755)

    return prints


def jobs() -> list[Job]:
    return [
        Job((RunSpecification(Config(arm="max", seed=seed), Path("raw"), Path("runs")),))
        for seed in range(4)
    ]


def test_runs_are_trained_by_local_jobs_of_submitit(tmp_path, configs):
    runs = specify(configs(2), tmp_path / "trained")
    settings = {"name": "convchoice", "timeout_min": 60, "cpus_per_task": 1}
    executor = SubmititExecutor(tmp_path / "logs", "local", settings)
    assert run(runs, executor, evaluates=False) == []
    assert [read_run(item.folder).seed for item in runs] == [0, 1]
    logs = [path.read_text() for path in (tmp_path / "logs").glob("*/*_log.out")]
    assert sum("epoch 1/1" in text for text in logs) == 2


def test_jobs_end_in_any_order_and_a_lost_one_stops_no_other(tmp_path, squeue, monkeypatch):
    """0 succeeds, 1 was cancelled, 2 failed on its node, 3 is gone from the queue altogether."""
    for name in ("POLL_SECONDS", "QUEUE_SECONDS", "RESULT_SECONDS"):
        monkeypatch.setattr(slurm_executor, name, 0.0)
    squeue(QUEUE.replace("7_3", "8_3"))
    sent = [submitit.SlurmJob(folder=tmp_path / "%j", job_id=f"7_{seed}") for seed in range(4)]
    for each in sent:
        each.paths.folder.mkdir(parents=True)

    def result(number: int, outcome: str, value: object) -> None:
        submitit.core.utils.cloudpickle_dump((outcome, value), sent[number].paths.result_pickle)

    result(2, "error", "Traceback\nZeroDivisionError: division by zero")
    monkeypatch.setattr(SubmititExecutor, "_submit", lambda _self, _jobs: sent)
    ended: dict[int, RunEnded] = {}

    def listen(event: Any) -> None:
        ended[event.seed] = event
        if len(ended) == 3:  # the others are done with: the first one succeeds at last
            result(0, "success", [RunEnded("max", 0)])

    SubmititExecutor(tmp_path, "slurm", {}).run(jobs(), listen)
    assert list(ended) == [1, 2, 3, 0]
    assert ended[0].failure == ""
    assert ended[1].failure.startswith("job 7_1 ended without a result, see ")
    assert ended[2].failure.startswith("the job failed, see ")
    assert ended[3].failure.startswith("job 7_3 ended without a result, see ")


def test_jobs_of_the_same_folder_are_not_sent_twice(squeue, monkeypatch, tmp_path):
    squeue("", status=1)
    assert queue() is None  # which says nothing about jobs
    squeue(QUEUE)
    executor = SubmititExecutor(Path("/data/sweeps/arm"), "slurm", {})
    with pytest.raises(UserError, match=r"jobs of /data/sweeps/arm: 7_3, 7_2, 7_0\. Wait"):
        executor.run(jobs(), lambda event: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="sbatch is not on the path"):
        executor.run(jobs(), lambda event: None)
