"""A full disk, a read-only one, a missing permission, a file that is gone: said, and gone on from.

Each stage meets the real thing: a file system of a megabyte, rights that are not there.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from convchoice import choose, compare, compose, report
from convchoice.config.schema import Dataset, Fallback
from convchoice.config.validation import config_from_mapping
from convchoice.config.yaml_files import read_yaml
from convchoice.data import download
from convchoice.errors import StorageError, UserError, exit_codes, storing_in
from convchoice.execution.job import Job
from convchoice.runs.atomic_write import replace_files
from convchoice.runs.events import EpochEnded, Event, RunEnded, RunStarted
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import partial_path, run_path
from convchoice.runs.specification import RunSpecification
from convchoice.training import train as training
from disks import fill, make_read_only, make_writable, mounted, without_privileges
from making import make_run, study_values

SMALL: dict[str, Any] = {
    "arm": "tiny",
    "model": {"filters": [4, 4], "hidden_units": 8},
    "data": {"train_size": 200},
    "trainer": {"max_epochs": 3, "accelerator": "cpu"},
}
FULL = "No space left on device. Free space there ("


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "small disk", 1024) as place:
        yield place


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def job(root: Path, data_root: Path) -> RunSpecification:
    folder = run_path(root, "tiny", 0)
    return RunSpecification(
        config_from_mapping(SMALL), data_root, folder, "f", {"commit": "unknown"}
    )


def ending(work: Job) -> str:
    """How a job ends; the failure is the text that a person reads."""
    heard: list[Event] = []
    work.work(heard.append)
    (ended,) = [event for event in heard if isinstance(event, RunEnded)]
    assert ended.details == "", "a traceback, for what a person can mend"
    return ended.failure


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "ballast" and ".work" not in path.parts
    }


def trained_alone(root: Path, data_root: Path) -> Path:
    work = job(root, data_root)
    assert ending(Job((work,), evaluates=False)) == ""
    return work.folder


def test_a_training_on_a_full_disk_says_so_and_goes_on_when_there_is_room(
    disk: Path, tmp_path: Path, data_root: Path
) -> None:
    work = job(disk / "trained", data_root)
    ballast: list[Path] = []

    class FilledInMidTraining(Job):
        def work(self, listener: Any) -> None:
            def tell(event: Event) -> None:
                # The first epoch's checkpoint is written; the second one's finds no room.
                if isinstance(event, EpochEnded) and event.row["epoch"] == 2:
                    ballast.append(fill(disk))
                listener(event)

            super().work(tell)

    failure = ending(FilledInMidTraining((work,), evaluates=False))
    assert failure.startswith(f"{partial_path(work.folder)}: {FULL}")
    assert not work.folder.exists()
    ballast[0].unlink()
    heard: list[Event] = []
    Job((work,), evaluates=False).work(heard.append)
    assert heard[0] == RunStarted("tiny", 0, epochs=3, epochs_done=1)
    whole = trained_alone(tmp_path / "elsewhere", data_root)
    name = "weights.safetensors"
    assert (work.folder / name).read_bytes() == (whole / name).read_bytes()


def test_weights_that_find_no_room_are_said_to(disk: Path, data_root: Path) -> None:
    """The library that writes them wraps the operating system's error up as its own."""
    work = job(disk / "trained", data_root)
    filled: list[Path] = []

    class FilledAtTheEnd(Job):
        def work(self, listener: Any) -> None:
            with pytest.MonkeyPatch.context() as patch:
                write = training._write

                def full(*arguments: Any) -> None:
                    filled.append(fill(disk))
                    write(*arguments)

                patch.setattr(training, "_write", full)
                super().work(listener)

    failure = ending(FilledAtTheEnd((work,), evaluates=False))
    assert failure.startswith(f"{partial_path(work.folder)}: {FULL}")
    filled[0].unlink()
    assert ending(Job((work,), evaluates=False)) == ""


def test_an_evaluation_on_a_full_disk_leaves_the_run_that_is_there(
    disk: Path, tmp_path: Path, data_root: Path
) -> None:
    trained = trained_alone(tmp_path / "trained", data_root)
    folder = run_path(disk / "runs", "tiny", 0)
    item = RunSpecification(config_from_mapping(SMALL), data_root, folder, trained=trained)
    work = Job((item,), trains=False)
    assert ending(work) == ""
    before = snapshot(folder)
    ballast = fill(disk, leave=20_000)
    failure = ending(work)
    assert failure.startswith(f"{partial_path(folder)}")
    assert FULL in failure
    assert snapshot(folder) == before
    assert not partial_path(folder).exists()
    ballast.unlink()
    assert ending(work) == ""
    assert read_run(folder).evaluated


def test_a_download_onto_a_full_disk_leaves_nothing_half(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "mirrors", lambda _spec: iter(()))
    root = disk / "raw"
    ballast = fill(disk, leave=100_000)
    with pytest.raises(UserError, match=r"raw.*No space left"):
        download.ensure(root, Dataset.mnist, Fallback.digits)
    assert not [path for path in root.rglob("*") if path.is_file()]
    ballast.unlink()
    download.ensure(root, Dataset.mnist, Fallback.digits).verify()


@pytest.fixture
def studied(tmp_path: Path) -> Path:
    """Runs of two arms, and the study of them."""
    for arm, base in (("max", 10), ("average", 14)):
        for seed in range(2):
            make_run(tmp_path / "runs", arm, seed, base + seed)
    (tmp_path / "pooling.yaml").write_text(yaml.safe_dump(study_values()), encoding="utf-8")
    return tmp_path


def compared(studied: Path, output: Path) -> None:
    study = ["--study", str(studied / "pooling.yaml")]
    compare.main([*study, "--runs", str(studied / "runs"), "--output", str(output)])


def reported(reports: Path) -> None:
    report.main(["--studies", "pooling", "--reports", str(reports)])


def composed(output: Path) -> None:
    with exit_codes():
        compose.main(["--params", "params.yaml", "--output", str(output)])


def chosen(params: Path) -> None:
    with exit_codes():
        choose.main(["--study", "padding", "--params", str(params)])


def test_results_and_reports_on_a_full_disk_leave_those_that_are_there(
    disk: Path, studied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """compare, report, compose, choose: each is refused, changes nothing, and works afterwards."""
    reports, configs, params = disk / "reports", disk / "configs", disk / "params.yaml"
    shutil.copy("params.yaml", params)
    steps = {
        reports / "pooling": lambda: compared(studied, reports / "pooling"),
        reports: lambda: reported(reports),
        configs: lambda: composed(configs),
        disk: lambda: chosen(params),
    }
    for step in steps.values():
        step()
    before = snapshot(disk)
    make_run(studied / "runs", "max", 0, 90)  # so that there is something new to write
    ballast = fill(disk)
    capsys.readouterr()
    for place, step in steps.items():
        with pytest.raises(SystemExit, match="2"):
            step()
        told = capsys.readouterr().err
        assert told.startswith(f"error: {place}"), told
        assert FULL in told
        assert snapshot(disk) == before
    ballast.unlink()
    for step in steps.values():
        step()
    assert snapshot(disk).keys() == before.keys()
    assert snapshot(disk) != before


def test_a_read_only_disk_is_named_and_gone_on_with_when_it_is_writable(
    disk: Path, studied: Path, data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = disk / "reports" / "pooling"
    compared(studied, reports)
    before = snapshot(disk)
    make_read_only(disk)
    capsys.readouterr()
    for step in (lambda: compared(studied, reports), lambda: composed(disk / "configs")):
        with pytest.raises(SystemExit, match="2"):
            step()
        told = capsys.readouterr().err
        assert told.startswith(f"error: {disk}")
        assert "Read-only file system. Use a writable file system" in told
    work = Job((job(disk / "trained", data_root),), evaluates=False)
    assert "Read-only file system" in ending(work)
    with pytest.raises(UserError, match=r"raw: .*Read-only file system"):
        download.ensure(disk / "raw", Dataset.mnist, Fallback.digits)
    assert snapshot(disk) == before
    make_writable(disk)
    composed(disk / "configs")
    assert ending(work) == ""


def test_a_missing_permission_is_named(
    open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = open_folder / "configs"
    composed(closed)
    (closed / "max.yaml").chmod(0o600)
    with without_privileges():
        for step in (lambda: composed(closed), lambda: with_exit_codes(closed / "max.yaml")):
            with pytest.raises(SystemExit, match="2"):
                step()
            told = capsys.readouterr().err
            assert told.startswith(f"error: {closed}")
            assert "Permission denied. Change its permissions" in told
    composed(closed)


def with_exit_codes(path: Path) -> None:
    with exit_codes():
        read_yaml(path)


def test_a_working_folder_that_is_deleted_in_mid_training_costs_nothing(
    tmp_path: Path, data_root: Path
) -> None:
    work = job(tmp_path / "trained", data_root)
    partial = partial_path(work.folder)

    class DeletedInMidTraining(Job):
        def work(self, listener: Any) -> None:
            def tell(event: Event) -> None:
                if isinstance(event, EpochEnded) and event.row["epoch"] == 2:
                    shutil.rmtree(partial)
                listener(event)

            super().work(tell)

    assert ending(DeletedInMidTraining((work,), evaluates=False)) == ""
    whole = trained_alone(tmp_path / "elsewhere", data_root)
    for name in ("weights.safetensors", "config.yaml"):
        assert (work.folder / name).read_bytes() == (whole / name).read_bytes()


def test_a_file_that_vanishes_between_its_stages_is_named(
    studied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = studied / "runs" / "max" / "seed-0" / "predictions.npz"
    gone.unlink()
    with pytest.raises(SystemExit, match="2"):
        compared(studied, studied / "reports" / "pooling")
    assert "arm max: seeds 0 have no test results. Evaluate them" in capsys.readouterr().err
    (studied / "pooling.yaml").unlink()
    with pytest.raises(SystemExit, match="2"):
        compared(studied, studied / "reports" / "pooling")
    assert "pooling.yaml: there is no such file" in capsys.readouterr().err


def test_files_are_replaced_together_or_not_at_all(disk: Path) -> None:
    replace_files(disk, {"a": "old", "b": "old"})
    fill(disk, leave=8192)
    with pytest.raises(StorageError):
        replace_files(disk, {"a": "new", "b": "n" * 100_000})
    assert {path.name for path in disk.iterdir()} == {"a", "b", "ballast"}
    assert (disk / "a").read_text(encoding="utf-8") == "old"


def test_errors_of_another_kind_keep_their_traceback(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), storing_in(tmp_path):
        raise ConnectionResetError(104, "Connection reset by peer")
    with pytest.raises(ZeroDivisionError), exit_codes():
        raise ZeroDivisionError


@pytest.mark.parametrize(("asked", "lines"), [("", 1), ("1", 5)])
def test_a_traceback_is_shown_when_it_is_asked_for(asked: str, lines: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "convchoice.compose", "--params", "gone.yaml", "--output", "x"],
        cwd=tmp_path,
        env=os.environ | {"CONVCHOICE_TRACEBACK": asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "gone.yaml: there is no such file" in done.stderr
    assert ("Traceback" in done.stderr) == bool(asked)
    assert len(done.stderr.splitlines()) >= lines
