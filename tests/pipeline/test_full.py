"""`convchoice full`: what is packed and brought back, or continued elsewhere, is as computed."""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from convchoice.commands.full import continue_from, main
from convchoice.commands.full_studies import REPORTS, Work
from convchoice.config.validation import read_arm, runs_of
from convchoice.execution.specification import specify
from convchoice.runs.archive import ARCHIVE, MOST_PARTS, PART_BYTES, extract_archive, write_archive
from convchoice.runs.events import RunStarted
from convchoice.runs.ownership import write_failure
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


# A test trains in this process, whose instructions are those of the other tests.
SMALL = {"seeds": 2, "epochs": 2, "train_size": 150, "instructions": "avx2"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    """A project whose studies `first` and `second`, which share the arm `max`, are complete."""
    made = ProjectCopy(
        tmp_path_factory.mktemp("full") / "project", {"first": ["strided"], "second": ["average"]}
    )
    made.edit("conf/scale/demo.yaml", SMALL)
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


def runs_in(root: Path, output: str, arm: str) -> list[RunSpecification]:
    return specify(
        runs_of(read_arm(root / f"whole/configs/arms/{arm}.yaml")), root / output / "runs"
    )


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


def test_another_machine_resumes_with_what_is_packed(project, monkeypatch):
    """`max` is complete, a training of `average` is unfinished; no other file comes along."""
    root = project.root
    shutil.copytree(root / "whole", root / "one")
    for gone in ("runs/average", "reports/second", "packed"):
        shutil.rmtree(root / "one" / gone)

    def average(output: str) -> list[RunSpecification]:
        return runs_in(root, output, "average")

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


def test_a_result_of_another_study_or_arm_is_made_again(project):
    root, folder = project.root, "outdated"
    shutil.copytree(root / "whole", root / folder)
    study, scale = root / "conf/study/first.yaml", root / "conf/scale/demo.yaml"
    before = study.read_text(), scale.read_text()
    try:
        project.edit("conf/study/first.yaml", {"question": "Another question?"})
        said = full(project, *BOTH, "--output", folder)
        assert "first: its result is not of the present study, arms, data and code;" in said
        assert "second: its result" not in said
        assert "studies: 2, with a result: 1;" in said
        assert "arms to do: 0" in said
        assert result(root / folder / "reports/first")["study"]["question"] == "Another question?"
        assert "studies: 2, with a result: 2;" in full(project, *BOTH, "--output", folder, "--plan")
        project.edit("conf/scale/demo.yaml", {"epochs": 1})
        said = full(project, *BOTH, "--output", folder, *NO_TIME)
        assert "studies: 2, with a result: 0;" in said
        assert "arms to do: 3, runs: 6," in said
        extract_archive(root / folder / "packed", root / "of_outdated")
        assert not any((root / "of_outdated/reports").iterdir())
    finally:
        study.write_text(before[0])
        scale.write_text(before[1])


def test_a_dry_run_begins_anew_and_deletes_nothing_of_a_user(project):
    own = project.root / "outputs/full-dry-run"
    shutil.copytree(project.root / "whole", own)
    (own / "notes.txt").touch()
    assert "with a result: 0;" in full(project, *BOTH, *NO_TIME)
    assert (own / "notes.txt").is_file()
    shutil.rmtree(own / "configs")
    (own / "runs/mine").mkdir(parents=True)
    full(project, *BOTH, *NO_TIME)
    assert (own / "runs/mine").is_dir()


def test_a_comparison_that_does_not_end_is_ended_and_not_packed(project, monkeypatch):
    root = project.root
    shutil.copytree(root / "whole", root / "hangs")
    shutil.rmtree(root / "hangs/reports/first")
    (root / "hang").write_text("#!/bin/sh\nexec sleep 600\n")
    (root / "hang").chmod(0o755)
    monkeypatch.chdir(root)
    work = Work(Path("hangs"), ["first", "second"])
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(root / "hang"))
        work.compare(work.studies)
    assert work.finish(time.monotonic() + 0.1) == 1
    assert list(work.open_arms().values()) == [["first"], ["first"]]


def test_of_an_arm_whose_lowest_seed_failed_the_next_network_is_packed(project, monkeypatch):
    root = project.root
    shutil.copytree(root / "whole", root / "failed")
    shutil.rmtree(root / "failed/reports")
    shutil.rmtree(root / "failed/runs/average")
    monkeypatch.chdir(root)
    first = runs_in(root, "failed", "max")[0]
    shutil.rmtree(first.folder)
    write_failure(first.folder, {"reason": "diverged", "fingerprint": first.fingerprint})
    full(project, "--studies", "second", *NO_TIME, "--output", "failed")
    extract_archive(root / "failed/packed", root / "of_failed")
    assert (root / "of_failed/runs/max/seed-1" / WEIGHTS).stat().st_size > 100


@pytest.mark.parametrize("damage", ["changed", "missing", "no manifest"])
def test_a_packed_result_that_was_changed_is_refused(project, tmp_path, refused, damage):
    extract_archive(project.root / "whole/packed", tmp_path / "content")
    folder = tmp_path / "content" / REPORTS / "second"
    if damage == "changed":
        text = (folder / "runs.csv").read_text()
        (folder / "runs.csv").write_text(text.replace("0.", "1.", 1))
    else:
        (folder / ("runs.csv" if damage == "missing" else ".convchoice.json")).unlink()
    write_archive(tmp_path / "content", tmp_path / "packed")
    arguments = ["--bring", str(tmp_path / "packed"), "--reports", str(tmp_path / "reports")]
    file = "reports/second" + ("" if damage == "no manifest" else "/runs.csv")
    assert f"{tmp_path / 'packed'}: {file} is damaged or missing" in refused(main, arguments)
    assert not (tmp_path / "reports").exists()


def test_the_plan_names_arms_files_and_what_fits(project):
    said = full(project, *BOTH, "--output", "planned", "--plan")
    assert "studies: 2, with a result: 0;" in said
    assert "arms to do: 3, runs: 6, about" in said
    assert f"at most {MOST_PARTS} files of {PART_BYTES >> 20} MiB" in said
    assert not (project.root / "planned/runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--minutes", "0"], "error: --minutes = 0.0: must be a finite number above 0."),
        (["--minutes", "inf"], "error: --minutes = inf: must be a finite number above 0."),
        (["--bring", "nothing"], "error: nothing: cannot be read as the parts full.tar.gz.0,"),
        (["--minutes", "nan"], "error: --minutes = nan: must be a finite number above 0."),
    ],
)
def test_wrong_input_is_refused_before_any_work(tmp_path, monkeypatch, refused, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert refused(main, arguments).startswith(message)
    assert not any(tmp_path.iterdir())
