"""The launchers, as far as they go without their engines; with them: `make test-engines`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus

from convchoice.errors import UserError
from hydra_plugins.convchoice_launchers._job import HydraJob, jobs_of

submitit = pytest.importorskip("submitit", reason="pip install -e '.[launchers]'")
pytest.importorskip("ray", reason="pip install -e '.[launchers]'")

from hydra_plugins.convchoice_launchers import _ray, _slurm  # noqa: E402 - they need the engines

QUEUE = """\
7_3|PENDING|/data/sweeps/arm
7_2|RUNNING|/data/sweeps/arm
7_1|CANCELLED|/data/sweeps/arm
7_0|COMPLETING|/data/sweeps/arm
6|COMPLETED|a | b
"""


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has a `squeue` on the path that says what it is told to."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def says(lines: str, status: int = 0) -> None:
        program = folder / "squeue"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}END\nexit {status}\n", encoding="utf-8")
        program.chmod(0o755)

    return says


def job(number: int) -> HydraJob:
    nothing: Any = None
    overrides = [["arm=max", f"seed={seed}", "hydra.launcher.nodes=1"] for seed in range(4)]
    return jobs_of(overrides, 0, nothing, nothing, nothing)[number]


def sent(folder: Path, number: int) -> Any:
    return submitit.SlurmJob(folder=folder / "%j", job_id=f"7_{number}")


def answer(job: Any, outcome: str, value: object) -> None:
    job.paths.folder.mkdir(parents=True, exist_ok=True)
    submitit.core.utils.cloudpickle_dump((outcome, value), job.paths.result_pickle)


def test_the_queue_is_read_job_by_job(squeue: Callable[..., None]) -> None:
    squeue(QUEUE)
    found = _slurm.queue()
    assert found is not None
    assert {name: item.state for name, item in found.items()} == {
        "7_3": "PENDING", "7_2": "RUNNING", "7_1": "CANCELLED", "7_0": "COMPLETING",
        "6": "COMPLETED",
    }  # fmt: skip
    assert found["6"].comment == "a | b"
    assert found["7_3"].comment == "/data/sweeps/arm"


def test_a_controller_that_does_not_answer_says_nothing_about_jobs(
    squeue: Callable[..., None],
) -> None:
    squeue("", status=1)
    assert _slurm.queue() is None


def test_jobs_end_in_any_order_and_a_lost_one_stops_no_other(
    tmp_path: Path,
    squeue: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """0 ends well, 1 was cancelled, 2 failed over there, 3 is gone from the queue altogether."""
    monkeypatch.setattr(_slurm, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(_slurm, "ANSWER_SECONDS", 0.0)
    squeue(QUEUE)
    jobs = [job(number) for number in range(4)]
    slurm_jobs = [sent(tmp_path, number) for number in range(4)]
    for each in slurm_jobs:
        each.paths.folder.mkdir(parents=True)
    wait = _slurm.Wait(jobs, slurm_jobs)
    answer(slurm_jobs[2], "error", "Traceback\nZeroDivisionError: division by zero")
    wait.look()
    assert set(wait.answers) == {1, 2}
    answer(slurm_jobs[0], "success", JobReturn(_return_value=0.5, status=JobStatus.COMPLETED))
    squeue(QUEUE.replace("7_3", "8_3"))
    answers = wait.for_all()
    assert [each.status.name for each in answers] == ["COMPLETED", "FAILED", "FAILED", "FAILED"]
    assert answers[0].return_value == 0.5
    said = capsys.readouterr().out
    assert "job 1 was lost (seed=1): Slurm job 7_1 CANCELLED, see " in said
    assert "job 2 was lost (seed=2): it failed, see " in said
    assert "job 3 was lost (seed=3): Slurm job 7_3 no longer in the queue" in said


def test_a_job_that_is_back_in_the_queue_is_waited_for(
    tmp_path: Path, squeue: Callable[..., None]
) -> None:
    """The moment of being sent again must not be taken for the end."""
    slurm_job = sent(tmp_path, 1)
    slurm_job.paths.folder.mkdir(parents=True)
    wait = _slurm.Wait([job(1)], [slurm_job])
    squeue(QUEUE)  # 7_1 is CANCELLED there
    wait._look_for(0, _slurm.queue(), now=100.0)
    squeue(QUEUE.replace("CANCELLED", "REQUEUED"))
    wait._look_for(0, _slurm.queue(), now=110.0)
    squeue(QUEUE)
    wait._look_for(0, _slurm.queue(), now=100.0 + _slurm.ANSWER_SECONDS)
    assert wait.answers == {}
    wait._look_for(0, _slurm.queue(), now=100.0 + 2 * _slurm.ANSWER_SECONDS)
    assert wait.answers[0].status is JobStatus.FAILED


def test_jobs_of_the_same_sweep_in_the_queue_are_a_reason_not_to_send(
    tmp_path: Path, squeue: Callable[..., None]
) -> None:
    squeue(QUEUE)
    (tmp_path / "bin" / "sbatch").touch(mode=0o755)
    with pytest.raises(
        UserError, match=r"still has jobs of /data/sweeps/arm: 7_3, 7_2, 7_0\. Wait"
    ):
        _slurm.send([job(0)], {}, Path("/data/sweeps/arm"))


def test_without_slurm_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="there is no sbatch here"):
        _slurm.send([job(0)], {}, tmp_path)


def test_variables_are_carried_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    monkeypatch.setenv("KMNIST_MIRROR", "/mirror")
    monkeypatch.setenv("A_SECRET", "x")
    found = _ray.carried(["MLFLOW_*", "*_MIRROR"])
    assert found["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5000"
    assert found["KMNIST_MIRROR"] == "/mirror"
    assert "A_SECRET" not in found
