"""A whole `dvc repro` that is killed, or done twice at once.

Real DVC and a real MLflow store, on a study of two arms with two seeds that is as small as can be.
Behind `soak`: each `dvc repro` starts a dozen processes.
"""

import random
import re
import shutil
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest
import yaml

from convchoice.runs.run import Run, read_run
from made_up_runs import study_values
from stages import EXIT_STATUS, Stage, numbers
from test_pipeline import Project, environment_of, small_project

pytestmark = pytest.mark.soak

ARMS = ["max", "average"]
RUNS = [(arm, seed) for arm in ARMS for seed in range(2)]
EPOCHS = 30
KILLS = 12


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with one small study of its own, in which nothing was done yet."""
    folder = tmp_path_factory.mktemp("archive") / "project"
    root = small_project(folder, ARMS, ["tiny"], epochs=EPOCHS)
    study = yaml.safe_dump(study_values(name="tiny"))
    (root / "conf/study/tiny.yaml").write_text(study, encoding="utf-8")
    (root / ".dvc" / "config.local").write_text("[core]\n    no_scm = True\n", encoding="utf-8")
    return root


@pytest.fixture
def project(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of it of a test's own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(archive, tmp_path / "project")
    return Project(tmp_path / "project")


@pytest.fixture(scope="module")
def undisturbed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[object, object]:
    """What every run is where nothing happens."""
    root = tmp_path_factory.mktemp("undisturbed") / "project"
    shutil.copytree(archive, root)
    project = Project(root)
    assert project.repro()[-1] == "report"
    return bits(project.root)


def bits(root: Path) -> dict[object, object]:
    """Of every run of the pipeline all that must be the same to the last bit."""
    found: dict[object, object] = {}
    for arm, seed in RUNS:
        run: Run = read_run(root / "runs" / arm / f"seed-{seed}")
        logits, labels = run.predictions()
        found[arm, seed] = (*numbers(run), logits.tobytes(), labels.tobytes())
    return found


def begun(project: Project, *command: str) -> Stage:
    """A command of the project at work."""
    return Stage("-u", *command, folder=project.root, **environment_of(project.root))


def assert_all_is_well(project: Project, undisturbed: dict[object, object]) -> None:
    """The same runs, one told run each, and nothing left to do."""
    assert bits(project.root) == undisturbed
    assert project.repro() == []
    assert "up to date" in project.dvc("status")
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        told = store.execute("select name, status from runs where name like '%/seed-%'").fetchall()
    names = [f"{arm}/seed-{seed}" for arm, seed in RUNS]
    finished = Counter(name for name, status in told if status == "FINISHED" and name in names)
    assert finished == Counter(names)
    leftovers = [path for path in project.root.rglob("seed-*.*") if path.is_dir()]
    assert leftovers == []


def trained(*outputs: str) -> Counter[str]:
    """How often the training of each run was started, by the lines of the first epochs."""
    return Counter(
        f"{arm}/seed-{seed}"
        for output in outputs
        for arm, seed in re.findall(r"(\w+) seed (\d+): epoch 1/", output)
    )


def forget(project: Project) -> None:
    """Let all be done anew but the download, and told to a new MLflow store."""
    for name in ("trained", "runs", "configs", "compared", "reports", ".dvc/cache", "mlartifacts"):
        shutil.rmtree(project.root / name, ignore_errors=True)
    for name in ("dvc.lock", "mlflow.db"):
        (project.root / name).unlink(missing_ok=True)


def test_a_repro_that_is_killed_again_and_again_ends_the_same_to_the_last_bit(
    project: Project, undisturbed: dict[object, object]
) -> None:
    """By any signal, to DVC alone (whose stage goes on) or to all of it, at any moment."""
    chance = random.Random(7)
    kills: Counter[str] = Counter()
    while kills.total() < KILLS:
        repro = begun(project, "-m", "dvc", "repro")
        repro.wait_for("Running stage", or_end=True)
        time.sleep(chance.uniform(0, 6))
        number = chance.choice(list(EXIT_STATUS))
        running = repro.process.poll() is None
        with suppress(ProcessLookupError):
            repro.send(number, group=number is signal.SIGINT or chance.random() < 0.5)
        repro.process.wait()
        if chance.random() < 0.5:
            repro.end()  # else the next one meets what is left of it
        assert "Traceback" not in repro.output, repro.output
        if running:
            at_work = re.findall(r"Running stage '([^']+)'", repro.output)
            kills[at_work[-1] if at_work else "before the first stage"] += 1
        else:
            repro.end()
            assert_all_is_well(project, undisturbed)
            forget(project)
    project.repro()
    assert_all_is_well(project, undisturbed)
    print(f"{kills.total()} kills of a whole dvc repro survived, in {dict(kills)}")


def test_two_repros_at_once_lose_nothing_and_train_nothing_twice(
    project: Project, undisturbed: dict[object, object]
) -> None:
    """DVC refuses the second and names the process that is at work."""
    first = begun(project, "-m", "dvc", "repro")
    first.wait_for("Running stage 'train@max'")
    second = begun(project, "-m", "dvc", "repro")
    refused = second.end()
    assert first.end() == 0, first.output
    assert refused not in {0, None}, second.output
    assert "Traceback" not in second.output
    assert re.search(r"is busy|Unable to acquire lock", second.output), second.output
    assert set(trained(first.output, second.output).values()) == {1}
    assert_all_is_well(project, undisturbed)


def test_a_sweep_beside_a_repro_loses_nothing(
    project: Project, undisturbed: dict[object, object]
) -> None:
    """Into the pipeline's own `runs`: arms of its own, and one that the pipeline trains too."""
    repro = begun(project, "-m", "dvc", "repro")
    repro.wait_for("Running stage 'train@max'")
    own = ["downsample=average,strided", "conv.padding=same,full", "seed=0"]
    sweeps = [
        begun(project, "-m", "convchoice.train", "-m", *own),
        begun(project, "-m", "convchoice.train", "-m", "arm=max,average", "seed=0,1"),
    ]
    for stage in (*sweeps, repro):
        assert stage.end() == 0, stage.output
        assert "locked" not in stage.output
        assert "Traceback" not in stage.output
    for name in ("average-same", "average-full", "strided-same", "strided-full"):
        assert read_run(project.root / "runs" / name / "seed-0").evaluated
    project.repro()  # the runs of the sweep lie where `compare` looks
    assert_all_is_well(project, undisturbed)
