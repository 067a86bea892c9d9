"""DVC's own experiments, for real: in the working tree, queued, shown, compared, taken over."""

import csv
import subprocess
from io import StringIO
from pathlib import Path

import pytest
import yaml

from convchoice.runs.run import read_run
from made_up_runs import study_values
from test_pipeline import TINY_SCALE, Project, edit_yaml, small_project

pytestmark = pytest.mark.soak


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a test", "-c", "user.email=test@localhost"]
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone with a study of two arms, each of one seed, that was run and committed."""
    folder = tmp_path_factory.mktemp("clone") / "project"
    root = small_project(folder, ["max", "average"], ["tiny"], seeds=1)
    edit_yaml(root / "conf/scale/reduced.yaml", TINY_SCALE | {"name": "reduced", "epochs": 2})
    for name, arm in (("tiny", "average"), ("other", "strided")):
        study = study_values(name=name, arms=[arm])
        (root / f"conf/study/{name}.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=tiny")
    made = Project(root)
    made.repro()
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=run")
    return made


def shown(project: Project) -> dict[str, dict[str, str]]:
    """The table of `dvc exp show`: for each experiment, and the branch, its columns."""
    text = project.dvc("exp", "show", "--csv")
    rows = csv.DictReader(StringIO(text[text.index("Experiment,") :]))
    # A metric that several files have is named with its file.
    return {
        row["Experiment"] or row["rev"]: {
            name.rpartition(":")[2]: value for name, value in row.items() if value
        }
        for row in rows
    }


def test_experiments_run_here_and_queued_are_shown_compared_and_taken_over(
    project: Project,
) -> None:
    committed = git(project.root, "rev-parse", "HEAD")
    project.dvc("exp", "run", "--name", "two-epochs", "--set-param", "scale=reduced")
    git(project.root, "checkout", "--quiet", ".")
    for name, *changed in (
        ("later", "scale=reduced", "arms=[average,max]"),
        ("other", "studies=[other]", "arms=[strided,max]"),
    ):
        project.dvc("exp", "run", "--queue", "--name", name, *(f"-S{one}" for one in changed))
    project.dvc("exp", "run", "--run-all")
    assert git(project.root, "rev-parse", "HEAD") == committed
    assert git(project.root, "diff", "--name-only", "HEAD") == ""

    table = shown(project)
    assert {"two-epochs", "later", "other"} <= set(table)
    assert [table[name]["scale"] for name in ("main", "two-epochs", "later")] == [
        "quick", "reduced", "reduced",
    ]  # fmt: skip
    # The same configuration has the same number, wherever it was run.
    assert table["later"]["max/accuracy"] == table["two-epochs"]["max/accuracy"]
    assert table["later"]["max/accuracy"] != table["main"]["max/accuracy"]
    assert table["other"]["strided/accuracy"]
    assert "strided/accuracy" not in table["main"]
    assert "scale" in project.dvc("exp", "diff", "HEAD", "two-epochs")

    project.dvc("exp", "apply", "two-epochs")
    parameters = yaml.safe_load((project.root / "params.yaml").read_text(encoding="utf-8"))
    assert parameters["scale"] == "reduced"
    assert len(read_run(project.root / "runs" / "max" / "seed-0").history) == 2
    assert project.repro() == []
