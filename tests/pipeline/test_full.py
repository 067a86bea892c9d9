"""`convchoice full`: what is packed and brought back, or continued elsewhere, is as computed."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from convchoice.commands.full import continue_from, main
from convchoice.config.validation import read_arm, runs_of
from convchoice.execution.runner import specify
from convchoice.runs.archive import ARCHIVE, MOST_PARTS, PART_BYTES
from convchoice.runs.events import RunStarted
from convchoice.runs.run import RunSpecification
from convchoice.runs.run_folder import CHECKPOINT, WEIGHTS, partial_path
from project_copy import ProjectCopy
from small_data import store_digits
from small_runs import events_of, train_until

pytestmark = pytest.mark.pipeline

BOTH = ("--studies", "first,second")
NO_TIME = ("--minutes", "0.51")
"""Enough to pack, and for nothing else."""
OF_A_START = ("first_started", "last_finished", "train_seconds_total")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    """A project whose studies `first` and `second`, which share the arm `max`, are complete."""
    made = ProjectCopy(
        tmp_path_factory.mktemp("full") / "project", {"first": ["strided"], "second": ["average"]}
    )
    made.edit("conf/scale/demo.yaml", {"seeds": 2, "epochs": 2, "train_size": 150})
    store_digits(made.root / "data/raw")
    full(made, *BOTH, "--output", "whole")
    return made


def full(project: ProjectCopy, *arguments: str) -> str:
    return project.run("convchoice", "full", "--dry-run", *arguments)


def result(folder: Path) -> dict[str, Any]:
    """The content of a result, without what differs from one start to the next."""
    content = json.loads((folder / "comparison.json").read_text())
    del content["sha256"]
    for key in OF_A_START:
        del content["provenance"][key]
    return dict(content)


def test_what_is_brought_back_is_what_the_run_folders_give(project):
    root = project.root
    parts = sorted((root / "whole/packed").iterdir())
    assert [part.name for part in parts] == [f"{ARCHIVE}.0"]
    project.run("convchoice", "full", "--bring", "whole/packed", "--reports", "reports/full")
    for study in ("first", "second"):
        files = {path.name: path.read_bytes() for path in (root / "reports/full" / study).iterdir()}
        for name, content in files.items():
            assert content == (root / "whole/reports" / study / name).read_bytes()
        configs = ("--configs", "whole/configs", "--runs", "whole/runs", "--output", "direct")
        definition = ("--definition", f"whole/configs/definitions/{study}.json")
        of_study = ("--study", f"whole/configs/studies/{study}.yaml")
        project.run("convchoice", "compare", *of_study, *definition, *configs)
        assert (root / "direct/comparison.json").read_bytes() == files["comparison.json"]
        project.run("convchoice", "compare", f"reports/full/{study}", "--output", "again")
        again = result(root / "again")
        assert again["provenance"].pop("taken_over")
        expected = result(root / "reports/full" / study)
        del expected["provenance"]["taken_over"]
        assert again == expected


def test_another_machine_goes_on_with_what_is_packed(project, monkeypatch):
    """`max` is complete, a training of `average` was cut off; no other file comes along."""
    root = project.root
    shutil.copytree(root / "whole", root / "one")
    for gone in ("runs/average", "reports/second", "packed"):
        shutil.rmtree(root / "one" / gone)

    def average(output: str) -> list[RunSpecification]:
        arm = read_arm(root / "whole/configs/average.yaml")
        return specify(runs_of(arm), root / output / "runs")

    monkeypatch.chdir(root)
    train_until(average("one"), 2)
    said = full(project, *BOTH, *NO_TIME, "--output", "one")
    assert "studies: 2, with a result: 1;" in said
    assert "arms to do: 1, runs: 2, about" in said
    assert "no time was left for average" in said

    continue_from(Path("one/packed"), Path("resumed"))
    assert (partial_path(average("resumed")[0].folder) / CHECKPOINT).is_file()
    assert events_of(average("resumed"))[0] == RunStarted("average", 0, epochs=2, epochs_done=1)

    full(project, *BOTH, "--continue-from", "one/packed", "--output", "two")
    assert result(root / "two/reports/second") == result(root / "whole/reports/second")
    for name in ("networks.json", "predictions.csv", "run_curves.csv", "test_labels.txt"):
        whole = (root / "whole/reports/second" / name).read_bytes()
        assert (root / "two/reports/second" / name).read_bytes() == whole
    sizes = [(root / "two/runs/max" / f"seed-{n}" / WEIGHTS).stat().st_size for n in range(2)]
    assert sizes[1] < 100 < sizes[0]  # the page shows the network of the lowest seed
    continue_from(Path("one/packed"), Path("two"))  # there is more in it already
    assert (root / "two/runs/average/seed-1").is_dir()


def test_the_plan_names_arms_files_and_what_fits(project):
    said = full(project, *BOTH, "--output", "planned", "--plan")
    assert "studies: 2, with a result: 0;" in said
    assert "arms to do: 3, runs: 6, about" in said
    assert f"at most {MOST_PARTS} files of {PART_BYTES >> 20} MiB" in said
    assert not (project.root / "planned/runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--minutes", "0"], "error: --minutes = 0.0: must be above 0."),
        (["--bring", "nothing"], "error: nothing: cannot be read as the parts full.tar.gz.0,"),
        (["--minutes", "nan"], "error: --minutes = nan: must be above 0."),
    ],
)
def test_wrong_input_is_refused_before_any_work(tmp_path, monkeypatch, refused, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert refused(main, arguments).startswith(message)
    assert not any(tmp_path.iterdir())
