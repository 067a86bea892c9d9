"""Sweeps and stages through a real Slurm and a real Ray cluster, started on this machine."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from convchoice.runs.events import RunKey
from convchoice.runs.run import Run, read_run
from small_runs import OVERRIDES
from stages import PATIENCE_SECONDS, TINY, Stage, bits, composed_arm, numbers, training

ENGINES = Path(__file__).parents[1] / "engines"
LONG = ("arm=max", "trainer.max_epochs=100", *OVERRIDES)
"""Jobs that last some seconds each, so that they can be disturbed."""
SLURM = ("launch=slurm", "hydra.launcher.mem_gb=2")
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
BEGUN = re.compile(r"^node (\w+) process \d+: ", re.MULTILINE)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a sweep needs in its environment to find the cluster."""
    searched = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=searched) is None]
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
    """The jobs that wait or run."""
    command = ["squeue", "--noheader", "--array", "--states=PENDING,RUNNING"]
    variables = os.environ | slurm
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout


def cancel(slurm: dict[str, str], *which: str) -> None:
    subprocess.run(["scancel", *which], env=os.environ | slurm, check=True)


def nodes(folder: Path, action: str) -> str:
    """What the script of Ray's cluster says."""
    command = [sys.executable, str(ENGINES / "ray_nodes.py"), action, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a cluster of two nodes, each with a core."""
    pytest.importorskip("ray", reason="pip install -e '.[launchers]'")
    folder = tmp_path_factory.mktemp("ray")
    nodes(folder, "start")
    yield folder
    nodes(folder, "stop")


def exported(cluster: Path) -> dict[str, str]:
    """What a sweep needs in its environment to find the cluster."""
    lines = nodes(cluster, "start").splitlines()  # it runs already
    pairs = [line.removeprefix("export ").partition("=") for line in lines]
    return {name: value for name, _, value in pairs}


def sweeping(folder: Path, data_root: Path, *arguments: str, **engine: str) -> Stage:
    """A sweep under way, with runs in `folder`/runs."""
    folder.mkdir(exist_ok=True)
    places = [f"run_root={folder}/runs", f"data.root={data_root}"]
    store = f"tracking.uri=sqlite:///{folder}/mlflow.db"
    command = ["-m", "convchoice.train", "-m", *arguments, *places, store]
    return Stage(*command, folder=folder, OMP_NUM_THREADS="1", **engine)


def wait_until(true: Callable[[], Any], stage: Stage) -> None:
    """Wait for something of a sweep that is still under way."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert stage.process.poll() is None, stage.output
        assert time.monotonic() < deadline
        time.sleep(0.01)


def under_way(folder: Path, seed: int) -> bool:
    """Whether a run has finished an epoch, and not the last."""
    return (folder / "runs" / "max" / f"seed-{seed}.partial" / "resume.ckpt").is_file()


def hold_training(variable: str, value: object) -> list[int]:
    """Stop the processes that train where an environment variable has a value; returns their ids.

    They will not end before they must, however busy the machine is.
    """
    held = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            variables = (place / "environ").read_bytes().split(b"\0")
            line = (place / "cmdline").read_bytes()
        except OSError:  # it has ended, or is somebody else's
            continue
        if f"{variable}={value}".encode() in variables and b"forkserver" in line:
            os.kill(int(place.name), signal.SIGSTOP)
            held.append(int(place.name))
    return held


def runs(folder: Path) -> dict[RunKey, Run]:
    """Every complete run of the sweep."""
    found = [read_run(path) for path in (folder / "runs").glob("[!.]*/seed-*[0-9]")]
    return {(run.arm, run.seed): run for run in found}


def results(folder: Path) -> dict[RunKey, tuple[Any, ...]]:
    """All that the configurations of the runs decide, to the last bit."""
    return {key: (bits(run), run.environment["fingerprint"]) for key, run in runs(folder).items()}


def logged(folder: Path) -> list[tuple[str, str]]:
    """Names and states of the runs in MLflow."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        return store.execute("select name, status from runs where name like '%/seed-%'").fetchall()


def check_undisturbed(folder: Path, data_root: Path, seeds: int) -> None:
    """The runs of a disturbed sweep are those of an undisturbed one, and each is logged once."""
    sweep = sweeping(folder / "undisturbed", data_root, "seed=0,1", *LONG)
    assert sweep.end() == 0, sweep.output
    expected, found = results(folder / "undisturbed"), results(folder)
    assert set(found) == {("max", seed) for seed in range(seeds)}
    assert {key: found[key] for key in expected} == expected
    assert sorted(logged(folder)) == [(f"max/seed-{seed}", "FINISHED") for seed in range(seeds)]


@pytest.mark.slurm
@pytest.mark.ray
def test_a_sweep_gives_the_same_numbers_on_joblib_slurm_and_ray(
    tmp_path, data_root, slurm, cluster
):
    swept = ("downsample=max,average", "conv.padding=valid,same", "seed=0,1")
    engines = {"launch=joblib": {}, "launch=slurm": slurm, "launch=ray": exported(cluster)}
    found = []
    for launch, variables in engines.items():
        memory = ["hydra.launcher.mem_gb=2"] if variables is slurm else []
        arguments = [launch, *memory, *swept, "trainer.max_epochs=2", *OVERRIDES]
        folder = tmp_path / launch.removeprefix("launch=")
        stage = sweeping(folder, data_root, *arguments, **variables)
        assert stage.end() == 0, stage.output
        found.append(results(folder))
    assert len(found[0]) == 8
    assert found[0] == found[1] == found[2]


@pytest.mark.slurm
def test_jobs_that_were_cancelled_or_out_of_time_resume(tmp_path, data_root, slurm):
    given = (
        "hydra/launcher=submitit_slurm", "hydra.launcher.mem_gb=2", "hydra.launcher.timeout_min=3",
        "hydra.launcher.signal_delay_s=5", "seed=0,1,2", *LONG,
    )  # fmt: skip
    sweep, held = sweeping(tmp_path, data_root, *given, **slurm), set[int]()

    def hold_both() -> bool:
        for seed in {0, 1} - held:
            if under_way(tmp_path, seed) and hold_training("SLURM_ARRAY_TASK_ID", seed):
                held.add(seed)
        return len(held) == 2

    wait_until(hold_both, sweep)
    found = re.search(r"3 jobs sent: (\d+)_0 … \1_2", sweep.output)
    assert found is not None
    array = found[1]
    cancel(slurm, f"{array}_0")
    assert sweep.end() == 1
    # The cancelled job failed; the one out of time was requeued and is complete.
    assert "error: 1 of 3 jobs failed; the others are complete." in sweep.output
    assert re.search(rf"max/seed-0: .*{array}_0", sweep.output)
    assert set(runs(tmp_path)) == {("max", seed) for seed in (1, 2)}
    logs = next((tmp_path / "runs" / "sweeps").glob(f"*/slurm/{array}_1")).glob("*_log.*")
    assert any("this job is timed-out" in path.read_text() for path in logs)
    assert "max/seed-0" not in dict(logged(tmp_path))
    sweep = sweeping(tmp_path, data_root, *given, **slurm)
    assert sweep.end() == 0, sweep.output
    assert "3 runs, 2 kept, 1 to do" in sweep.output
    check_undisturbed(tmp_path, data_root, seeds=3)


@pytest.mark.slurm
def test_a_stopped_sweep_leaves_no_job_and_a_killed_ones_are_not_sent_twice(
    tmp_path, data_root, slurm
):
    given = (*SLURM, "seed=0,1", "arm=max", "trainer.max_epochs=5000", *OVERRIDES)
    sweep = sweeping(tmp_path, data_root, *given, **slurm)
    wait_until(lambda: under_way(tmp_path, 0), sweep)
    sweep.send(signal.SIGTERM, group=False)
    assert sweep.end() == 143
    assert queued(slurm) == ""
    sweep = sweeping(tmp_path, data_root, *given, **slurm)
    wait_until(lambda: queued(slurm), sweep)
    sweep.send(signal.SIGKILL, group=False)
    sweep.end()
    sweep = sweeping(tmp_path, data_root, *given, **slurm)
    assert sweep.end() == 2
    assert f"Slurm still has jobs of {tmp_path}/runs/sweeps/seed/slurm: " in sweep.output
    cancel(slurm, "--me")


@pytest.mark.parametrize(
    "name",
    [pytest.param("slurm", marks=pytest.mark.slurm), pytest.param("ray", marks=pytest.mark.ray)],
)
def test_the_seeds_of_a_stopped_stage_resume(tmp_path, data_root, name, request):
    """`make repro LAUNCH=slurm` and `LAUNCH=ray`, for one arm of two seeds."""
    if name == "slurm":
        engine, launch = request.getfixturevalue("slurm"), "slurm hydra.launcher.mem_gb=2"
    else:
        engine, launch = exported(request.getfixturevalue("cluster")), "ray"
    trainer = {**TINY["trainer"], "max_epochs": 100}
    composed = composed_arm(tmp_path, data_root, seeds=2, trainer=trainer)
    stage = training(composed, tmp_path / "trained", CONVCHOICE_LAUNCH=launch, **engine)
    stage.wait_for("2 jobs sent")
    wait_until(lambda: [*tmp_path.glob("trained/tiny/seed-*.partial/resume.ckpt")], stage)
    stage.send(signal.SIGTERM, group=False)
    assert stage.end() == 143, stage.output
    again = training(composed, tmp_path / "trained", CONVCHOICE_LAUNCH=launch, **engine)
    here = training(composed, tmp_path / "here")
    for each in (again, here):
        assert each.end() == 0, each.output
    logs = [*(tmp_path / "trained" / ".work" / "launch" / "tiny" / name).rglob("*log*")]
    texts = [path.read_text() for path in logs if path.is_file()]
    assert any("resumed after epoch" in text for text in texts)
    for seed in ("seed-0", "seed-1"):
        there, alone = (read_run(tmp_path / root / "tiny" / seed) for root in ("trained", "here"))
        assert numbers(there) == numbers(alone)


@pytest.mark.ray
def test_a_job_of_a_dead_node_resumes_on_another(tmp_path, data_root, cluster):
    def begun() -> list[list[str]]:
        """For each job, the nodes on which it was started."""
        logs = sorted(tmp_path.glob("runs/sweeps/*/ray/*.log"))
        return [BEGUN.findall(log.read_text()) for log in logs]

    engine = exported(cluster)
    sweep = sweeping(tmp_path, data_root, "launch=ray", "seed=0,1,2,3", *LONG, **engine)
    wait_until(lambda: len([job for job in begun() if job]) >= 2, sweep)
    head, second = json.loads((cluster / "cluster.json").read_text())["nodes"]
    first = [job[0] for job in begun()[:2]]
    assert set(first) == {head["id"], second["id"]}  # a job on either node
    lost = first.index(second["id"])
    wait_until(lambda: under_way(tmp_path, lost), sweep)
    (raylet,) = second["processes"]["raylet"]
    held = hold_training("RAY_RAYLET_PID", raylet)
    assert held
    nodes(cluster, "kill")
    for process_id in held:  # they find their parent gone, and end
        with suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGCONT)
    assert sweep.end() == 0, sweep.output
    assert begun()[lost] == [second["id"], head["id"]]  # begun again on the node that was left
    assert [len(job) for job in begun()] == [1 + (seed == lost) for seed in range(4)]
    check_undisturbed(tmp_path, data_root, seeds=4)
