"""The whole pipeline, as a person runs it: a copy of the project, real DVC, a real MLflow store.

At a tiny scale, on the digits that ship with scikit-learn (no network is asked), in an unpacked
archive without git's metadata, under a path with a space in it.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from convchoice import PROJECT_ROOT
from convchoice.runs.run import read_run

pytestmark = pytest.mark.pipeline

TINY_SCALE = {
    "name": "quick",
    "seeds": 2,
    "epochs": 1,
    "train_size": 150,
    "recipe_seeds": 1,
    "recipe_epochs": 1,
}
TINY_MODEL = {"filters": [4, 4, 4], "hidden_units": 8}
# Two of the studies, to save minutes: every kind of stage, and arms that a study shares or not.
ARMS = ["max", "strided", "all_conv", "conv_pool", "lecture"]
STUDIES = ["strides_vs_pooling", "lecture"]


def copy_of_the_project(folder: Path) -> Path:
    """What an archive of the project holds: the files that git tracks or would track."""
    options = ["-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(
        ["git", "-C", str(PROJECT_ROOT), "ls-files", *options],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        source = PROJECT_ROOT / name
        if source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    return folder


def edit_yaml(path: Path, changes: dict[str, object]) -> None:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(values | changes), encoding="utf-8")


def environment_of(root: Path) -> dict[str, str]:
    """Variables of a command at work in a copy of the project."""
    return {
        "PYTHONPATH": str(root / "src"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        # Nobody listens there: the public mirrors are out of reach, wherever this runs.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "MNIST_MIRROR": "",
        "CONVCHOICE_FALLBACK": "digits",
    }


class Project:
    """A copy of the project, and DVC at work in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def dvc(self, *arguments: str) -> str:
        """Run DVC; returns all that it printed."""
        environment = os.environ | environment_of(self.root)
        environment.pop("MLFLOW_TRACKING_URI", None)
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    def repro(self) -> list[str]:
        """`dvc repro`; returns the stages that ran."""
        return re.findall(r"Running stage '([^']+)'", self.dvc("repro"))


def small_project(root: Path, arms: list[str], studies: list[str], **scale: object) -> Path:
    """A copy of the project in which nothing was done yet, and as little as can be is to do.

    Args:
        root: folder of the copy.
        arms: that are trained.
        studies: that are compared.
        scale: what is other than in `TINY_SCALE`.
    """
    copy_of_the_project(root)
    for leftover in ("dvc.lock", ".dvc/config.local"):
        (root / leftover).unlink(missing_ok=True)
    shutil.rmtree(root / "reports", ignore_errors=True)
    edit_yaml(root / "conf/scale/quick.yaml", TINY_SCALE | scale)
    edit_yaml(root / "conf/model/lecture.yaml", TINY_MODEL)
    edit_yaml(root / "params.yaml", {"arms": arms, "studies": studies})
    return root


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The pipeline, run once."""
    root = small_project(tmp_path_factory.mktemp("an archive") / "the project", ARMS, STUDIES)
    made = Project(root)
    (root / ".dvc" / "config.local").write_text("[core]\n    no_scm = True\n", encoding="utf-8")
    ran = made.repro()
    assert [name for name in ran if name.startswith("train@")] == [f"train@{arm}" for arm in ARMS]
    assert ran[-1] == "report"
    return made


def test_every_arm_and_seed_leaves_a_whole_run_folder(project: Project) -> None:
    for arm in ARMS:
        seeds = range(1 if arm == "lecture" else 2)
        for seed in seeds:
            run = read_run(project.root / "runs" / arm / f"seed-{seed}")
            assert run.evaluated
            assert run.environment["commit"] == "unknown"
            assert run.environment["dataset"]["name"] == "digits"


def test_the_report_says_that_it_is_not_mnist_and_how_to_try_again(project: Project) -> None:
    for name in ("index.html", "README.md"):
        text = (project.root / "reports" / name).read_text(encoding="utf-8")
        assert "digits" in text
        assert "not of MNIST" in text
        assert "MNIST_MIRROR=" in text.replace("\\", "")  # Markdown escapes the underscore


def test_every_study_has_its_result(project: Project) -> None:
    for study in STUDIES:
        path = project.root / "reports" / study / "comparison.json"
        assert json.loads(path.read_text(encoding="utf-8"))["schema_version"] >= 1


def test_mlflow_holds_finished_runs_of_arms_their_seeds_and_studies(
    project: Project,
) -> None:
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        rows = store.execute("select name, status from runs").fetchall()
        curves = store.execute("select distinct key from metrics").fetchall()
    names = [name for name, _ in rows]
    runs = [f"{arm}/seed-{seed}" for arm in ARMS for seed in range(1 if arm == "lecture" else 2)]
    studies = [f"study/{name}" for name in STUDIES]
    assert sorted(names) == sorted(ARMS + runs + studies)
    assert {status for _, status in rows} == {"FINISHED"}
    assert {"train/loss", "val/accuracy", "test/accuracy", "cost/macs"} <= {
        key for (key,) in curves
    }


def test_doing_it_again_does_nothing_and_dvc_tells_what_there_is(project: Project) -> None:
    assert project.repro() == []
    assert "up to date" in project.dvc("status")
    assert "strides_vs_pooling" in project.dvc("metrics", "show")
    assert "train@max" in project.dvc("dag")
    page = project.dvc("plots", "show")
    assert "index.html" in page


def test_editing_one_arm_retrains_that_arm_alone(project: Project) -> None:
    """A change under `conf/` that alters one arm's composed configuration reaches that arm only."""
    path = project.root / "conf" / "arm" / "strided.yaml"
    untouched = project.root / "trained" / "max" / "seed-0" / "weights.safetensors"
    before = untouched.stat().st_mtime_ns
    with path.open("a", encoding="utf-8") as file:
        file.write("optimizer:\n  learning_rate: 5.0e-3\n")
    ran = project.repro()
    assert ran[:1] == ["compose"]
    assert [name for name in ran if name.startswith(("train@", "evaluate@"))] == [
        "train@strided",
        "evaluate@strided",
    ]
    assert ran[-1] == "report"
    assert untouched.stat().st_mtime_ns == before
    for seed in (0, 1):
        run = read_run(project.root / "runs" / "strided" / f"seed-{seed}")
        assert run.config["optimizer"]["learning_rate"] == 5.0e-3


def test_a_comment_in_conf_retrains_nothing(project: Project) -> None:
    path = project.root / "conf" / "optimizer" / "rmsprop.yaml"
    with path.open("a", encoding="utf-8") as file:
        file.write("# no number was harmed\n")
    assert project.repro() == ["compose"]
