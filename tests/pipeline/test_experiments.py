"""DVC's experiments: in the working tree, queued, shown, compared and applied."""

import csv
import subprocess
from io import StringIO
from pathlib import Path

import pytest
import yaml

from convchoice.runs.run import read_run
from project_copy import SMALL_SCALE, ProjectCopy

pytestmark = pytest.mark.soak


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a test", "-c", "user.email=test@localhost"]
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    """A git repository with a study of two arms, each of one seed, whose results are committed."""
    root = tmp_path_factory.mktemp("clone") / "project"
    made = ProjectCopy(root, {"small": ["average"], "other": ["strided"]}, seeds=1)
    made.edit("conf/scale/reduced.yaml", SMALL_SCALE | {"seeds": 1, "epochs": 2})
    made.choose("small")
    (root / ".dvc/config.local").unlink()
    git(root, "init", "--quiet", "--initial-branch=main")
    made.repro()
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=run")
    return made


def shown(project: ProjectCopy) -> dict[str, dict[str, str]]:
    """Columns of `dvc exp show`, for each experiment and the branch."""
    text = project.run("dvc", "exp", "show", "--csv")
    rows = csv.DictReader(StringIO(text[text.index("Experiment,") :]))
    # A metric that several files have is named with its file.
    return {
        row["Experiment"] or row["rev"]: {
            name.rpartition(":")[2]: value for name, value in row.items() if value
        }
        for row in rows
    }


def test_experiments_are_run_queued_shown_compared_and_applied(project):
    committed = git(project.root, "rev-parse", "HEAD")
    project.run("dvc", "exp", "run", "--name", "two-epochs", "--set-param", "scale=reduced")
    git(project.root, "checkout", "--quiet", ".")
    for name, *changed in (
        ("later", "scale=reduced", "arms=[average,max]"),
        ("other", "studies=[other]", "arms=[strided,max]"),
    ):
        parameters = [f"--set-param={each}" for each in changed]
        project.run("dvc", "exp", "run", "--queue", "--name", name, *parameters)
    project.run("dvc", "exp", "run", "--run-all")
    assert git(project.root, "rev-parse", "HEAD") == committed
    assert git(project.root, "diff", "--name-only", "HEAD") == ""

    table = shown(project)
    assert {"two-epochs", "later", "other"} <= set(table)
    scales = [table[name]["scale"] for name in ("main", "two-epochs", "later")]
    assert scales == ["quick", "reduced", "reduced"]
    # The same configuration has the same result in both places.
    assert table["later"]["baseline"] == table["two-epochs"]["baseline"]
    assert table["later"]["baseline"] != table["main"]["baseline"]
    assert table["other"]["difference"]
    assert "scale" in project.run("dvc", "exp", "diff", "HEAD", "two-epochs")

    project.run("dvc", "exp", "apply", "two-epochs")
    parameters = yaml.safe_load((project.root / "params.yaml").read_text())
    assert parameters["scale"] == "reduced"
    assert len(read_run(project.root / "runs" / "max" / "seed-0").history) == 2
    assert project.repro() == []
