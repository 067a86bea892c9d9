"""Sweeps and stages through a real Slurm, started on this machine for these tests."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path
from engine_sweeps import (
    ENGINES,
    LONG,
    hold_training,
    logged,
    numbers,
    runs,
    store_of,
    sweep,
    sweeping,
    under_way,
    wait_until,
)
from stages import TINY, composed_arm, training
from stages import numbers as trained_numbers

pytestmark = pytest.mark.slurm
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a sweep needs in its environment to find the cluster."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=SEARCHED) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurmctld slurmd slurm-client munge")
    if os.geteuid() != 0:
        pytest.skip("slurmd starts jobs and needs root")
    pytest.importorskip("submitit", reason="pip install -e '.[launchers]'")
    folder = tmp_path_factory.mktemp("slurm")
    script = str(ENGINES / "slurm.sh")
    subprocess.run([script, "start", str(folder)], check=True)
    yield {"SLURM_CONF": str(folder / "slurm.conf")}
    subprocess.run([script, "stop", str(folder)], check=True)


def queued(slurm: dict[str, str]) -> str:
    done = subprocess.run(
        ["squeue", "--noheader", "--array", "--states=PENDING,RUNNING"],
        env=os.environ | slurm, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_jobs_that_were_cancelled_or_out_of_time_resume(
    tmp_path: Path, data_root: Path, slurm: dict[str, str]
) -> None:
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    disturbed.mkdir()
    undisturbed.mkdir()
    given = (
        "hydra/launcher=submitit_slurm", "hydra.launcher.mem_gb=2", "hydra.launcher.timeout_min=3",
        "hydra.launcher.signal_delay_s=5", "seed=0,1,2", *LONG,
    )  # fmt: skip
    with sweeping(disturbed, data_root, *given, engine=slurm) as process:
        held: set[int] = set()

        def hold_both() -> bool:
            for seed in {0, 1} - held:
                if under_way(disturbed, "max", seed) and hold_training("SLURM_ARRAY_TASK_ID", seed):
                    held.add(seed)
            return len(held) == 2

        wait_until(hold_both, process)
        output = (disturbed / "output.txt").read_text(encoding="utf-8")
        found = re.search(r"3 jobs sent: (\d+)_0 … \1_2", output)
        assert found is not None
        array = found[1]
        subprocess.run(["scancel", f"{array}_0"], env=os.environ | slurm, check=True)
        assert process.wait(timeout=1200) == 1
    output = (disturbed / "output.txt").read_text(encoding="utf-8")
    # The cancelled job failed; the one out of time was requeued and is complete.
    assert "error: 1 of 3 jobs failed; the others are complete." in output
    assert re.search(rf"max/seed-0: .*{array}_0", output)
    assert set(runs(disturbed)) == {("max", seed) for seed in (1, 2)}
    logs = next((disturbed / "runs" / "sweeps").glob(f"*/slurm/{array}_1"))
    texts = [path.read_text(encoding="utf-8") for path in logs.glob("*_log.*")]
    assert "this job is timed-out" in "".join(texts)
    assert "max/seed-0" not in logged(store_of(disturbed))

    again = sweep(disturbed, data_root, *given, engine=slurm)
    assert again.returncode == 0, again.stderr
    assert "3 runs, 2 kept, 1 to do" in again.stdout
    alone = sweep(undisturbed, data_root, "seed=0,1", *LONG)
    assert alone.returncode == 0, alone.stderr
    expected, found_runs = runs(undisturbed), runs(disturbed)
    assert set(found_runs) == {("max", seed) for seed in range(3)}
    assert len(expected) == 2
    for key, run in expected.items():
        assert numbers(found_runs[key]) == numbers(run), key
    for seed in range(3):
        ((_, status),) = logged(store_of(disturbed))[f"max/seed-{seed}"]
        assert status == "FINISHED"


def test_a_stopped_sweep_leaves_no_job_and_a_killed_ones_are_not_sent_twice(
    tmp_path: Path, data_root: Path, slurm: dict[str, str]
) -> None:
    long = [part.replace("max_epochs=100", "max_epochs=5000") for part in LONG]
    given = ("launch=slurm", "hydra.launcher.mem_gb=2", "seed=0,1", *long)
    with sweeping(tmp_path, data_root, *given, engine=slurm) as process:
        wait_until(lambda: under_way(tmp_path, "max", 0), process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 143
    assert queued(slurm) == ""
    with sweeping(tmp_path, data_root, *given, engine=slurm) as process:
        wait_until(lambda: queued(slurm), process)
        process.kill()
        process.wait()
    again = sweep(tmp_path, data_root, *given, engine=slurm)
    assert again.returncode == 2
    assert f"Slurm still has jobs of {tmp_path}/runs/sweeps/seed/slurm: " in again.stderr
    subprocess.run(["scancel", "--me"], env=os.environ | slurm, check=True)


def test_the_seeds_of_a_stage_can_be_cancelled_and_resumed(
    tmp_path: Path, data_root: Path, slurm: dict[str, str]
) -> None:
    """`make repro LAUNCH=slurm`, for one arm of three seeds, against the same arm trained here."""
    trainer = {**TINY["trainer"], "max_epochs": 100}
    composed = composed_arm(tmp_path, data_root, seeds=3, trainer=trainer)
    variables = slurm | {"CONVCHOICE_LAUNCH": "slurm hydra.launcher.mem_gb=2"}
    stage = training(composed, tmp_path / "trained", **variables)
    stage.wait_for("3 jobs sent")
    partial = run_path(tmp_path / "trained", "tiny", 2).with_name("seed-2.partial")
    while not (partial / "resume.ckpt").is_file():
        assert stage.process.poll() is None
    subprocess.run(["scancel", "--me"], env=os.environ | slurm, check=True)
    assert stage.end() == 1, stage.output
    assert "ended without a result, see " in stage.output
    assert "To continue: CONVCHOICE_LAUNCH='slurm hydra.launcher.mem_gb=2' conv" in stage.output

    while (stage := training(composed, tmp_path / "trained", **variables)).end() == 2:
        assert "Slurm still has jobs of" in stage.output  # they are ending on the node
    assert stage.process.returncode == 0, stage.output
    logs = (tmp_path / "trained" / ".work" / "launch").glob("tiny/slurm/*/*_log.out")
    assert "seed 2: resumed after epoch" in "".join(log.read_text(encoding="utf-8") for log in logs)
    here = training(composed, tmp_path / "here")
    assert here.end() == 0, here.output
    for seed in range(3):
        there, alone = (
            read_run(run_path(tmp_path / name, "tiny", seed)) for name in ("trained", "here")
        )
        assert trained_numbers(there) == trained_numbers(alone)
