"""`dvc repro` killed at random times, and beside other commands: every result keeps its bits.

Marked `soak`: each `dvc repro` starts a dozen processes.
"""

import random
import re
import shutil
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing, suppress
from copy import copy
from pathlib import Path

import pytest

from convchoice.runs.run import read_run
from project_copy import ProjectCopy
from stages import EXIT_STATUS, Stage
from stages import bits as bits_of

pytestmark = pytest.mark.soak

RUNS = [(arm, seed) for arm in ("max", "average") for seed in range(2)]
KILLS = 12

Bits = dict[tuple[str, int], object]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    """A project with one small study and no results."""
    root = tmp_path_factory.mktemp("archive") / "project"
    return ProjectCopy(root, {"small": ["average"]}, epochs=30)


def copied(original: ProjectCopy, folder: Path) -> ProjectCopy:
    made = copy(original)
    made.root = shutil.copytree(original.root, folder / "project")
    return made


@pytest.fixture
def project(original: ProjectCopy, tmp_path: Path) -> ProjectCopy:
    """A copy for one test."""
    return copied(original, tmp_path)


@pytest.fixture(scope="module")
def undisturbed(original: ProjectCopy, tmp_path_factory: pytest.TempPathFactory) -> Bits:
    """The results of a `dvc repro` that nothing disturbs."""
    made = copied(original, tmp_path_factory.mktemp("undisturbed"))
    assert made.repro()[-1] == "report"
    return bits(made)


def bits(project: ProjectCopy) -> Bits:
    folders = {key: project.root / "runs" / key[0] / f"seed-{key[1]}" for key in RUNS}
    return {key: bits_of(read_run(folder)) for key, folder in folders.items()}


def start(project: ProjectCopy, *module: str) -> Stage:
    return Stage("-u", "-m", *module, folder=project.root, **project.environment)


def assert_complete(project: ProjectCopy, undisturbed: Bits) -> None:
    """The undisturbed results; each run is once in MLflow; nothing is left to do or to remove."""
    assert bits(project) == undisturbed
    assert project.repro() == []
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        rows = store.execute("select name from runs where status = 'FINISHED'").fetchall()
    names = {f"{arm}/seed-{seed}" for arm, seed in RUNS}
    assert Counter(name for (name,) in rows if name in names) == Counter(names)
    assert [path for path in project.root.rglob("seed-*.*") if path.is_dir()] == []


def remove_results(project: ProjectCopy) -> None:
    """Remove all results but the downloaded data."""
    for name in ("trained", "runs", "configs", "compared", "reports", ".dvc/cache", "mlartifacts"):
        shutil.rmtree(project.root / name, ignore_errors=True)
    for name in ("dvc.lock", "mlflow.db"):
        (project.root / name).unlink(missing_ok=True)


def test_a_repro_killed_at_random_times_ends_with_the_same_bits(project, undisturbed):
    """By any signal, to DVC alone (whose stage continues) or to its process group."""
    chance = random.Random(7)
    kills: Counter[str] = Counter()
    while kills.total() < KILLS:
        repro = start(project, "dvc", "repro")
        repro.wait_for("Running stage", or_end=True)
        time.sleep(chance.uniform(0, 6))
        number = chance.choice(list(EXIT_STATUS))
        running = repro.process.poll() is None
        with suppress(ProcessLookupError):
            repro.send(number, group=number is signal.SIGINT or chance.random() < 0.5)
        repro.process.wait()
        if chance.random() < 0.5:
            repro.end()  # otherwise the next one starts while its processes still run
        assert "Traceback" not in repro.output, repro.output
        if running:
            stages = re.findall(r"Running stage '([^']+)'", repro.output)
            kills[stages[-1] if stages else "before the first stage"] += 1
        else:
            repro.end()
            assert_complete(project, undisturbed)
            remove_results(project)
    project.repro()
    assert_complete(project, undisturbed)
    print(f"{kills.total()} kills of dvc repro, by stage: {dict(kills)}")


def test_a_second_repro_is_refused_and_nothing_is_trained_twice(project, undisturbed):
    first = start(project, "dvc", "repro")
    first.wait_for("Running stage 'train'")
    second = start(project, "dvc", "repro")
    assert second.end() not in {0, None}, second.output
    assert first.end() == 0, first.output
    assert "Traceback" not in second.output
    assert re.search(r"is busy|Unable to acquire lock", second.output), second.output
    started = Counter(re.findall(r"(\w+ seed \d+): epoch 1/", first.output + second.output))
    assert set(started.values()) == {1}
    assert_complete(project, undisturbed)


def test_sweeps_beside_a_repro_lose_nothing(project, undisturbed):
    """They write into the pipeline's `runs`: arms of their own, and arms of the pipeline."""
    repro = start(project, "dvc", "repro")
    repro.wait_for("Running stage 'train'")
    own = ["downsample=average,strided", "conv.padding=same,full", "seed=0"]
    sweeps = [
        start(project, "convchoice.train", "-m", *own),
        start(project, "convchoice.train", "-m", "arm=max,average", "seed=0,1"),
    ]
    for stage in (*sweeps, repro):
        assert stage.end() == 0, stage.output
        assert "locked" not in stage.output
        assert "Traceback" not in stage.output
    for name in ("average-same", "average-full", "strided-same", "strided-full"):
        assert read_run(project.root / "runs" / name / "seed-0").evaluated
    project.repro()  # `runs` has changed, which `compare` depends on
    assert_complete(project, undisturbed)
