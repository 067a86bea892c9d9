"""A full or read-only disk, a missing permission, a missing file: named, and work continues after.

On real file systems of a megabyte, and with real permissions.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
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
from convchoice.runs.events import EpochEnded, Event, RunEnded, RunStarted
from convchoice.runs.output_files import replace_files
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import WEIGHTS, partial_path, run_path
from convchoice.runs.specification import RunSpecification
from convchoice.training import train as training
from disks import fill, make_read_only, make_writable, mounted, without_privileges
from made_up_runs import make_run, study_values

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
    """A folder that every user may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def job(root: Path, data_root: Path) -> RunSpecification:
    config, folder = config_from_mapping(SMALL), run_path(root, "tiny", 0)
    return RunSpecification(config, data_root, folder, "f", {"commit": "unknown"})


def failure_of(work: Job, at_epoch_2: Callable[[], object] = lambda: None) -> str:
    """The failure of a job, empty if it succeeds.

    Args:
        work: the job.
        at_epoch_2: is called when the second epoch ends, before its checkpoint is written.
    """
    events: list[Event] = []

    def listen(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.row["epoch"] == 2:
            at_epoch_2()
        events.append(event)

    work.work(listen)
    [ended] = [event for event in events if isinstance(event, RunEnded)]
    assert ended.details == ""
    return ended.failure


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "ballast" and ".work" not in path.parts
    }


def trained_alone(root: Path, data_root: Path) -> Path:
    work = job(root, data_root)
    assert failure_of(Job((work,), evaluates=False)) == ""
    return work.folder


def assert_same_weights(folder: Path, other: Path) -> None:
    assert (folder / WEIGHTS).read_bytes() == (other / WEIGHTS).read_bytes()


def test_a_training_on_a_full_disk_fails_and_continues_when_there_is_room(
    disk: Path, tmp_path: Path, data_root: Path
) -> None:
    run = job(disk / "trained", data_root)
    work = Job((run,), evaluates=False)
    failure = failure_of(work, at_epoch_2=lambda: fill(disk))
    assert failure.startswith(f"{partial_path(run.folder)}: {FULL}")
    assert not run.folder.exists()
    (disk / "ballast").unlink()
    events: list[Event] = []
    work.work(events.append)
    assert events[0] == RunStarted("tiny", 0, epochs=3, epochs_done=1)
    assert_same_weights(run.folder, trained_alone(tmp_path / "elsewhere", data_root))


def test_weights_on_a_full_disk_fail_with_the_same_message(
    disk: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Safetensors wraps the operating system's error in its own."""
    run = job(disk / "trained", data_root)
    work, write = Job((run,), evaluates=False), training._write

    def write_to_full_disk(*arguments: Any) -> None:
        fill(disk)
        write(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(training, "_write", write_to_full_disk)
        assert failure_of(work).startswith(f"{partial_path(run.folder)}: {FULL}")
    (disk / "ballast").unlink()
    assert failure_of(work) == ""


def test_a_partial_folder_that_is_deleted_during_the_training_costs_nothing(
    tmp_path: Path, data_root: Path
) -> None:
    run = job(tmp_path / "trained", data_root)
    partial = partial_path(run.folder)
    work = Job((run,), evaluates=False)
    assert failure_of(work, at_epoch_2=lambda: shutil.rmtree(partial)) == ""
    assert_same_weights(run.folder, trained_alone(tmp_path / "elsewhere", data_root))


def test_an_evaluation_on_a_full_disk_keeps_the_previous_run(
    disk: Path, tmp_path: Path, data_root: Path
) -> None:
    trained = trained_alone(tmp_path / "trained", data_root)
    folder = run_path(disk / "runs", "tiny", 0)
    item = RunSpecification(config_from_mapping(SMALL), data_root, folder, trained=trained)
    work = Job((item,), trains=False)
    assert failure_of(work) == ""
    before = snapshot(folder)
    ballast = fill(disk, leave=20_000)
    failure = failure_of(work)
    assert failure.startswith(f"{partial_path(folder)}")
    assert FULL in failure
    assert snapshot(folder) == before
    assert not partial_path(folder).exists()
    ballast.unlink()
    assert failure_of(work) == ""
    assert read_run(folder).evaluated


def test_a_download_to_a_full_disk_leaves_no_file(
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


def refused(step: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> str:
    """The error message of a step that ends with exit status 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"):
        step()
    return capsys.readouterr().err


def test_results_and_reports_on_a_full_disk_keep_the_previous_ones(
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
    make_run(studied / "runs", "max", 0, 90)  # something new to write
    ballast = fill(disk)
    for place, step in steps.items():
        error = refused(step, capsys)
        assert error.startswith(f"error: {place}"), error
        assert FULL in error
        assert snapshot(disk) == before
    ballast.unlink()
    for step in steps.values():
        step()
    assert snapshot(disk).keys() == before.keys()
    assert snapshot(disk) != before


def test_a_read_only_disk_is_named_and_used_when_it_is_writable(
    disk: Path, studied: Path, data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = disk / "reports" / "pooling"
    compared(studied, reports)
    before = snapshot(disk)
    make_read_only(disk)
    for step in (lambda: compared(studied, reports), lambda: composed(disk / "configs")):
        error = refused(step, capsys)
        assert error.startswith(f"error: {disk}")
        assert "Read-only file system. Use a writable file system" in error
    work = Job((job(disk / "trained", data_root),), evaluates=False)
    assert "Read-only file system" in failure_of(work)
    with pytest.raises(UserError, match=r"raw: .*Read-only file system"):
        download.ensure(disk / "raw", Dataset.mnist, Fallback.digits)
    assert snapshot(disk) == before
    make_writable(disk)
    composed(disk / "configs")
    assert failure_of(work) == ""


def test_a_missing_permission_is_named(
    open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = open_folder / "configs"
    composed(closed)
    (closed / "max.yaml").chmod(0o600)

    def read() -> None:
        with exit_codes():
            read_yaml(closed / "max.yaml")

    with without_privileges():
        for step in (lambda: composed(closed), read):
            error = refused(step, capsys)
            assert error.startswith(f"error: {closed}")
            assert "Permission denied. Change its permissions" in error
    composed(closed)


def test_a_missing_file_is_named(studied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = studied / "reports" / "pooling"
    (studied / "runs" / "max" / "seed-0" / "predictions.npz").unlink()
    error = refused(lambda: compared(studied, output), capsys)
    assert "arm max: seeds 0 have no test results. Evaluate them" in error
    (studied / "pooling.yaml").unlink()
    error = refused(lambda: compared(studied, output), capsys)
    assert "pooling.yaml: there is no such file" in error


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


@pytest.mark.parametrize(("requested", "lines"), [("", 1), ("1", 5)])
def test_a_traceback_is_shown_on_request(requested: str, lines: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "convchoice.compose", "--params", "gone.yaml", "--output", "x"]
    variables = os.environ | {"CONVCHOICE_TRACEBACK": requested}
    done = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert "gone.yaml: there is no such file" in done.stderr
    assert ("Traceback" in done.stderr) == bool(requested)
    assert len(done.stderr.splitlines()) >= lines
