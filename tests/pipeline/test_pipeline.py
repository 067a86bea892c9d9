"""The pipeline as a user runs it: DVC and MLflow in a copy of the project without git.

The copy's path contains a space. Its tests run in order: the later ones edit the copy.
"""

import json
import sqlite3
from contextlib import closing

import pytest

from convchoice.runs.run import read_run
from project_copy import ProjectCopy

pytestmark = pytest.mark.pipeline

SEEDS = {"max": 2, "strided": 2, "lecture": 1}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    """Two studies; the pipeline has run once, in a stage of each kind."""
    root = tmp_path_factory.mktemp("an archive") / "the project"
    made = ProjectCopy(root, {"small": ["strided"]}, shipped=["lecture"])
    compared = ["compare@small", "compare@lecture"]
    stages = ["download@data0", "compose", "train", "evaluate", *compared, "report"]
    assert made.repro() == stages
    return made


def test_every_run_and_every_study_has_a_result(project):
    for arm, seeds in SEEDS.items():
        for seed in range(seeds):
            run = read_run(project.root / "runs" / arm / f"seed-{seed}")
            assert run.evaluated
            assert run.environment["commit"] == "unknown"
            assert run.environment["dataset"]["name"] == "digits"
    for study in ("small", "lecture"):
        path = project.root / "reports" / study / "comparison.json"
        assert json.loads(path.read_text())["schema_version"] >= 1


def test_reports_name_the_fallback_and_how_to_download_mnist(project):
    for name in ("index.html", "README.md"):
        text = (project.root / "reports" / name).read_text()
        assert "digits" in text
        assert "not of MNIST" in text
        assert "MNIST_MIRROR=" in text.replace("\\", "")  # Markdown escapes the underscore


def test_mlflow_has_finished_runs_of_arms_seeds_and_studies(project):
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        rows = store.execute("select name, status from runs").fetchall()
        metrics = {key for (key,) in store.execute("select distinct key from metrics")}
    seeds = [f"{arm}/seed-{seed}" for arm, count in SEEDS.items() for seed in range(count)]
    expected = [*SEEDS, *seeds, "study/small", "study/lecture"]
    assert sorted(rows) == sorted((name, "FINISHED") for name in expected)
    assert {"train/loss", "val/accuracy", "test/accuracy", "cost/macs"} <= metrics


def test_dvc_shows_that_all_is_up_to_date_and_the_results(project):
    assert "up to date" in project.run("dvc", "status")
    assert "small" in project.run("dvc", "metrics", "show")
    assert "index.html" in project.run("dvc", "plots", "show")


def test_a_comment_in_conf_retrains_nothing(project):
    project.append("conf/optimizer/rmsprop.yaml", "# a comment\n")
    assert project.repro() == ["compose"]


def test_a_change_of_one_arm_retrains_that_arm_alone(project):
    unchanged = [
        project.root / folder / "max/seed-0/weights.safetensors"
        for folder in ("trained/quick", "runs")
    ]
    before = [path.stat().st_mtime_ns for path in unchanged]
    project.append("conf/arm/strided.yaml", "optimizer:\n  learning_rate: 5.0e-3\n")
    compared = ["compare@small", "compare@lecture"]  # both depend on all of `runs`
    assert project.repro() == ["compose", "train", "evaluate", *compared, "report"]
    assert [path.stat().st_mtime_ns for path in unchanged] == before
    for seed in (0, 1):
        run = read_run(project.root / "runs" / "strided" / f"seed-{seed}")
        assert run.config["optimizer"]["learning_rate"] == 5.0e-3
