"""Sweeps through a real Ray cluster of two nodes, started on this machine for these tests."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
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

pytestmark = pytest.mark.ray
BEGUN = re.compile(r"^node (\w+) process \d+: ", re.MULTILINE)


def nodes(folder: Path, action: str) -> str:
    """What the script of the cluster says."""
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


def begun_on(folder: Path) -> list[list[str]]:
    """For each job of the sweep, the nodes on which it was started."""
    logs = sorted((folder / "runs" / "sweeps").glob("*/ray/*.log"))
    return [BEGUN.findall(log.read_text(encoding="utf-8")) for log in logs]


def test_a_job_of_a_dead_node_resumes_on_another(
    tmp_path: Path, data_root: Path, cluster: Path
) -> None:
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    disturbed.mkdir()
    undisturbed.mkdir()
    with sweeping(
        disturbed, data_root, "launch=ray", "seed=0,1,2,3", *LONG, engine=exported(cluster)
    ) as process:
        wait_until(lambda: len([job for job in begun_on(disturbed) if job]) >= 2, process)
        head, second = json.loads((cluster / "cluster.json").read_text(encoding="utf-8"))["nodes"]
        first = [job[0] for job in begun_on(disturbed)[:2]]
        assert set(first) == {head["id"], second["id"]}  # a job on either node
        lost = first.index(second["id"])
        wait_until(lambda: under_way(disturbed, "max", lost), process)
        (raylet,) = second["processes"]["raylet"]
        held = hold_training("RAY_RAYLET_PID", raylet)
        assert held
        nodes(cluster, "kill")
        for training in held:  # they find their parent gone, and end
            with suppress(ProcessLookupError):
                os.kill(training, signal.SIGCONT)
        assert process.wait(timeout=1200) == 0
    begun = begun_on(disturbed)
    assert begun[lost] == [second["id"], head["id"]]  # begun again on the node that was left
    assert [len(job) for job in begun] == [1 + (seed == lost) for seed in range(4)]
    alone = sweep(undisturbed, data_root, "seed=0,1", *LONG)
    assert alone.returncode == 0, alone.stderr
    expected, found = runs(undisturbed), runs(disturbed)
    assert set(found) == {("max", seed) for seed in range(4)}
    for key, run in expected.items():
        assert numbers(found[key]) == numbers(run), key
    names = logged(store_of(disturbed))
    for seed in range(4):
        assert [status for _, status in names[f"max/seed-{seed}"]] == ["FINISHED"]


def test_the_seeds_of_a_stopped_stage_resume(
    tmp_path: Path, data_root: Path, cluster: Path
) -> None:
    """`make repro LAUNCH=ray`, for one arm of two seeds, against the same arm trained here."""
    composed = composed_arm(
        tmp_path, data_root, seeds=2, trainer={**TINY["trainer"], "max_epochs": 100}
    )
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
    logs = (tmp_path / "trained").glob(".work/launch/tiny/ray/*.log")
    texts = [log.read_text(encoding="utf-8") for log in logs]
    assert "resumed after epoch" in "".join(texts)
    begun = [BEGUN.findall(text) for text in texts]
    assert len({job[-1] for job in begun}) == 2  # a seed on either node
    here = training(composed, tmp_path / "here")
    assert here.end() == 0, here.output
    for seed in range(2):
        there, alone = (
            read_run(run_path(tmp_path / name, "tiny", seed)) for name in ("trained", "here")
        )
        assert trained_numbers(there) == trained_numbers(alone)
