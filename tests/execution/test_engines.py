"""Sweeps and stages through a real Slurm and a real Ray cluster, started on this machine."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from convchoice import PROJECT_ROOT
from convchoice.runs.events import RunKey
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import WEIGHTS, run_path
from stages import TINY as TINY_ARM
from stages import composed_arm, training
from stages import numbers as trained_numbers

ENGINES = Path(__file__).parents[1] / "engines"
TINY = (
    "model.filters=[4,4]", "model.hidden_units=8", "data.train_size=100",
    "trainer.accelerator=cpu",
)  # fmt: skip
LONG = ("arm=max", "trainer.max_epochs=100", *TINY)
"""Jobs that last some seconds each, so that they can be disturbed."""
SLURM = ("launch=slurm", "hydra.launcher.mem_gb=2")
PATIENCE_SECONDS = 1200.0
MEASURED_ANEW = {"cost/train_seconds", "cost/peak_memory_bytes"}
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


@contextmanager
def sweeping(
    folder: Path, data_root: Path, *arguments: str, engine: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A sweep under way, with runs in `folder`/runs; its output goes to `folder`/output.txt."""
    folder.mkdir(exist_ok=True)
    places = [f"run_root={folder}/runs", f"data.root={data_root}"]
    ours = {"PYTHONPATH": str(PROJECT_ROOT / "src"), "OMP_NUM_THREADS": "1"}
    with (folder / "output.txt").open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "convchoice.train", "-m", *arguments, *places,
             f"tracking.uri={store_of(folder)}"],
            cwd=folder, env=os.environ | ours | dict(engine or {}), stdout=output,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=60)


def sweep(
    folder: Path, data_root: Path, *arguments: str, engine: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """The exit status and the output of a whole sweep."""
    with sweeping(folder, data_root, *arguments, engine=engine) as process:
        status = process.wait(timeout=PATIENCE_SECONDS)
    return status, said(folder)


def said(folder: Path) -> str:
    return (folder / "output.txt").read_text(encoding="utf-8")


def wait_until(true: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    """Wait for something of a sweep that is still under way."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert process.poll() is None, "the sweep ended before its time"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def under_way(folder: Path, seed: int) -> bool:
    """Whether a run has finished an epoch, and not the last."""
    return (folder / "runs" / "max" / f"seed-{seed}.partial" / "resume.ckpt").is_file()


def hold_training(variable: str, value: object) -> list[int]:
    """Stop the processes that train where an environment variable has a value.

    They will not end before they must, however busy the machine is.

    Returns:
        Their ids.
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


def numbers(run: Run) -> tuple[Any, ...]:
    """All that a run's configuration decides, to the last bit; not its seconds and memory."""
    metrics = {key: run.metrics[key] for key in run.metrics if key not in MEASURED_ANEW}
    evaluated = tuple(array.tobytes() for array in run.predictions())
    weights = (run.path / WEIGHTS).read_bytes()
    return trained_numbers(run), weights, metrics, evaluated, run.environment["fingerprint"]


def store_of(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def states(folder: Path) -> dict[str, list[str]]:
    """The states of the runs that a sweep has logged, by their names."""
    code = (
        "import json, mlflow\n"
        f"client = mlflow.MlflowClient({store_of(folder)!r})\n"
        "found = client.search_experiments()\n"
        "runs = client.search_runs([each.experiment_id for each in found], max_results=500)\n"
        "print(json.dumps([[run.info.run_name, run.info.status] for run in runs]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    named: dict[str, list[str]] = {}
    for name, status in json.loads(done.stdout.splitlines()[-1]):
        named.setdefault(name, []).append(status)
    return named


def check_undisturbed(folder: Path, data_root: Path, seeds: int) -> None:
    """The runs of a disturbed sweep are those of an undisturbed one, and each is logged once."""
    status, output = sweep(folder / "undisturbed", data_root, "seed=0,1", *LONG)
    assert status == 0, output
    expected, found = runs(folder / "undisturbed"), runs(folder)
    assert set(expected) == {("max", 0), ("max", 1)}
    assert set(found) == {("max", seed) for seed in range(seeds)}
    for key, run in expected.items():
        assert numbers(found[key]) == numbers(run), key
    for seed in range(seeds):
        assert states(folder)[f"max/seed-{seed}"] == ["FINISHED"]


def check_trained(folder: Path, composed: Path, seeds: int) -> None:
    """The runs of a disturbed stage are those of the same stage on this machine."""
    here = training(composed, folder / "here")
    assert here.end() == 0, here.output
    for seed in range(seeds):
        there, alone = (read_run(run_path(folder / name, "tiny", seed)) for name in
                        ("trained", "here"))  # fmt: skip
        assert trained_numbers(there) == trained_numbers(alone)


def arm_of_seeds(folder: Path, data_root: Path, seeds: int) -> Path:
    trainer = {**TINY_ARM["trainer"], "max_epochs": 100}
    return composed_arm(folder, data_root, seeds=seeds, trainer=trainer)


@pytest.mark.slurm
@pytest.mark.ray
def test_a_sweep_gives_the_same_numbers_on_joblib_slurm_and_ray(
    tmp_path: Path, data_root: Path, slurm: dict[str, str], cluster: Path
) -> None:
    swept = ("downsample=max,average", "conv.padding=valid,same", "seed=0,1")
    engines = {
        "joblib": (["launch=joblib"], {}),
        "slurm": (SLURM, slurm),
        "ray": (["launch=ray"], exported(cluster)),
    }
    found = {}
    for name, (chosen, variables) in engines.items():
        arguments = [*chosen, *swept, "trainer.max_epochs=2", *TINY]
        status, output = sweep(tmp_path / name, data_root, *arguments, engine=variables)
        assert status == 0, output
        found[name] = {key: numbers(run) for key, run in runs(tmp_path / name).items()}
        assert len(found[name]) == 8
    assert found["slurm"] == found["joblib"]
    assert found["ray"] == found["joblib"]


@pytest.mark.slurm
def test_jobs_that_were_cancelled_or_out_of_time_resume(
    tmp_path: Path, data_root: Path, slurm: dict[str, str]
) -> None:
    given = (
        "hydra/launcher=submitit_slurm", "hydra.launcher.mem_gb=2", "hydra.launcher.timeout_min=3",
        "hydra.launcher.signal_delay_s=5", "seed=0,1,2", *LONG,
    )  # fmt: skip
    with sweeping(tmp_path, data_root, *given, engine=slurm) as process:
        held: set[int] = set()

        def hold_both() -> bool:
            for seed in {0, 1} - held:
                if under_way(tmp_path, seed) and hold_training("SLURM_ARRAY_TASK_ID", seed):
                    held.add(seed)
            return len(held) == 2

        wait_until(hold_both, process)
        found = re.search(r"3 jobs sent: (\d+)_0 … \1_2", said(tmp_path))
        assert found is not None
        array = found[1]
        cancel(slurm, f"{array}_0")
        assert process.wait(timeout=PATIENCE_SECONDS) == 1
    # The cancelled job failed; the one out of time was requeued and is complete.
    assert "error: 1 of 3 jobs failed; the others are complete." in said(tmp_path)
    assert re.search(rf"max/seed-0: .*{array}_0", said(tmp_path))
    assert set(runs(tmp_path)) == {("max", seed) for seed in (1, 2)}
    logs = next((tmp_path / "runs" / "sweeps").glob(f"*/slurm/{array}_1"))
    texts = [path.read_text(encoding="utf-8") for path in logs.glob("*_log.*")]
    assert "this job is timed-out" in "".join(texts)
    assert "max/seed-0" not in states(tmp_path)
    status, output = sweep(tmp_path, data_root, *given, engine=slurm)
    assert status == 0, output
    assert "3 runs, 2 kept, 1 to do" in output
    check_undisturbed(tmp_path, data_root, seeds=3)


@pytest.mark.slurm
def test_a_stopped_sweep_leaves_no_job_and_a_killed_ones_are_not_sent_twice(
    tmp_path: Path, data_root: Path, slurm: dict[str, str]
) -> None:
    long = [part.replace("max_epochs=100", "max_epochs=5000") for part in LONG]
    given = (*SLURM, "seed=0,1", *long)
    with sweeping(tmp_path, data_root, *given, engine=slurm) as process:
        wait_until(lambda: under_way(tmp_path, 0), process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 143
    assert queued(slurm) == ""
    with sweeping(tmp_path, data_root, *given, engine=slurm) as process:
        wait_until(lambda: queued(slurm), process)
        process.kill()
        process.wait()
    status, output = sweep(tmp_path, data_root, *given, engine=slurm)
    assert status == 2
    assert f"Slurm still has jobs of {tmp_path}/runs/sweeps/seed/slurm: " in output
    cancel(slurm, "--me")


@pytest.mark.slurm
def test_the_seeds_of_a_stage_can_be_cancelled_and_resumed(
    tmp_path: Path, data_root: Path, slurm: dict[str, str]
) -> None:
    """`make repro LAUNCH=slurm`, for one arm of three seeds."""
    composed = arm_of_seeds(tmp_path, data_root, seeds=3)
    variables = slurm | {"CONVCHOICE_LAUNCH": "slurm hydra.launcher.mem_gb=2"}
    stage = training(composed, tmp_path / "trained", **variables)
    stage.wait_for("3 jobs sent")
    partial = run_path(tmp_path / "trained", "tiny", 2).with_name("seed-2.partial")
    while not (partial / "resume.ckpt").is_file():
        assert stage.process.poll() is None
    cancel(slurm, "--me")
    assert stage.end() == 1, stage.output
    assert "ended without a result, see " in stage.output
    assert "To continue: CONVCHOICE_LAUNCH='slurm hydra.launcher.mem_gb=2' conv" in stage.output
    while (stage := training(composed, tmp_path / "trained", **variables)).end() == 2:
        assert "Slurm still has jobs of" in stage.output  # they are ending on the node
    assert stage.process.returncode == 0, stage.output
    logs = (tmp_path / "trained" / ".work" / "launch").glob("tiny/slurm/*/*_log.out")
    assert "seed 2: resumed after epoch" in "".join(log.read_text(encoding="utf-8") for log in logs)
    check_trained(tmp_path, composed, seeds=3)


def begun_on(folder: Path, logs: str) -> list[list[str]]:
    """For each job of Ray, the nodes on which it was started."""
    return [BEGUN.findall(log.read_text(encoding="utf-8")) for log in sorted(folder.glob(logs))]


@pytest.mark.ray
def test_a_job_of_a_dead_node_resumes_on_another(
    tmp_path: Path, data_root: Path, cluster: Path
) -> None:
    def begun() -> list[list[str]]:
        return begun_on(tmp_path, "runs/sweeps/*/ray/*.log")

    given, engine = ("launch=ray", "seed=0,1,2,3", *LONG), exported(cluster)
    with sweeping(tmp_path, data_root, *given, engine=engine) as process:
        wait_until(lambda: len([job for job in begun() if job]) >= 2, process)
        head, second = json.loads((cluster / "cluster.json").read_text(encoding="utf-8"))["nodes"]
        first = [job[0] for job in begun()[:2]]
        assert set(first) == {head["id"], second["id"]}  # a job on either node
        lost = first.index(second["id"])
        wait_until(lambda: under_way(tmp_path, lost), process)
        (raylet,) = second["processes"]["raylet"]
        held = hold_training("RAY_RAYLET_PID", raylet)
        assert held
        nodes(cluster, "kill")
        for process_id in held:  # they find their parent gone, and end
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGCONT)
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert begun()[lost] == [second["id"], head["id"]]  # begun again on the node that was left
    assert [len(job) for job in begun()] == [1 + (seed == lost) for seed in range(4)]
    check_undisturbed(tmp_path, data_root, seeds=4)


@pytest.mark.ray
def test_the_seeds_of_a_stopped_stage_resume(
    tmp_path: Path, data_root: Path, cluster: Path
) -> None:
    """`make repro LAUNCH=ray`, for one arm of two seeds."""
    composed = arm_of_seeds(tmp_path, data_root, seeds=2)
    variables = exported(cluster) | {"CONVCHOICE_LAUNCH": "ray"}
    stage = training(composed, tmp_path / "trained", **variables)
    stage.wait_for("2 jobs sent")
    while not list((tmp_path / "trained").glob("tiny/seed-*.partial/resume.ckpt")):
        assert stage.process.poll() is None
    stage.send(signal.SIGTERM, group=False)
    assert stage.end() == 143, stage.output
    stage = training(composed, tmp_path / "trained", **variables)
    assert stage.end() == 0, stage.output
    assert "ray: 2 jobs sent to 2 nodes" in stage.output
    logs = "trained/.work/launch/tiny/ray/*.log"
    texts = [log.read_text(encoding="utf-8") for log in tmp_path.glob(logs)]
    assert "resumed after epoch" in "".join(texts)
    assert len({job[-1] for job in begun_on(tmp_path, logs)}) == 2  # a seed on either node
    check_trained(tmp_path, composed, seeds=2)
