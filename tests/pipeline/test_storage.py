"""A full or read-only disk, a missing permission: the error names it, and results are kept.

Tested on real file systems, which need the permission to mount.
"""

import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from convchoice.commands import choose, compare, compose, report
from convchoice.config.schema import Dataset, Fallback
from convchoice.data import download
from convchoice.errors import StorageError, UserError, exit_codes
from convchoice.execution.job import Job
from convchoice.runs.events import Event, RunEnded, RunStarted
from convchoice.runs.output_files import replace_files
from convchoice.runs.run_folder import WEIGHTS, partial_path
from convchoice.training import train as training
from made_up_runs import make_run, study_values
from small_runs import small_run

FULL = "No space left on device. Free space there ("
READ_ONLY = "Read-only file system. Use a writable file system"
NOBODY = 65534
BALLAST = "ballast"

Step = Callable[[], object]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A mounted file system of 2 MiB."""
    place = tmp_path / "small disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def small_parameters(tmp_path: Path) -> Path:
    """The parameters of a pipeline with one arm."""
    path = Path(shutil.copy("params.yaml", tmp_path))
    choose.main(["--study", "lecture", "--params", str(path)])
    return path


def fill(disk: Path, leave: int = 0) -> None:
    """Fill a file system, except for some bytes."""
    status = os.statvfs(disk)
    free = status.f_bavail * status.f_frsize
    (disk / BALLAST).write_bytes(b"x" * max(0, free - leave))


@contextmanager
def full(disk: Path) -> Iterator[None]:
    fill(disk)
    yield
    (disk / BALLAST).unlink()


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


def run(job: Job) -> list[Event]:
    """Run a job; returns its events.

    Raises:
        UserError: if it fails.
    """
    events: list[Event] = []
    job.work(events.append)
    [ended] = [event for event in events if isinstance(event, RunEnded)]
    assert ended.details == ""
    if ended.failure:
        raise UserError(ended.failure)
    return events


def error_of(step: Step, capsys: pytest.CaptureFixture[str]) -> str:
    """The message of a step that ends with exit status 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"), exit_codes():
        step()
    return capsys.readouterr().err


def snapshot(folder: Path) -> dict[Path, bytes]:
    """The contents of all files, except those of partial folders."""
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and path.name != BALLAST
        and not re.search(r"\.(work|partial)/", str(path))
    }


def act_before(
    patch: pytest.MonkeyPatch, function: str, call: int, action: Callable[[], None]
) -> None:
    """Perform an action before a certain call of a function that writes files of a training."""
    original, calls = getattr(training, function), iter(range(1, 100))

    def changed(*arguments: Any, **options: Any) -> None:
        if next(calls) == call:
            action()
        original(*arguments, **options)

    patch.setattr(training, function, changed)


@pytest.mark.parametrize(
    ("function", "call", "epochs_done"),
    [("replace_files", 2, 1), ("save_file", 1, 3)],  # a checkpoint; weights, by safetensors
)
def test_a_training_whose_disk_becomes_full_continues_when_there_is_space(
    function, call, epochs_done, disk, tmp_path, data_root
):
    item = small_run(disk, data_root)
    job = Job((item,), evaluates=False)
    with pytest.MonkeyPatch.context() as patch:
        act_before(patch, function, call, lambda: fill(disk))
        with pytest.raises(UserError) as error:
            run(job)
    assert str(error.value).startswith(f"{partial_path(item.folder)}: {FULL}")
    assert not item.folder.exists()
    (disk / BALLAST).unlink()
    assert run(job)[0] == RunStarted("tiny", 0, epochs=3, epochs_done=epochs_done)
    undisturbed = small_run(tmp_path / "elsewhere", data_root)
    run(Job((undisturbed,), evaluates=False))
    assert (item.folder / WEIGHTS).read_bytes() == (undisturbed.folder / WEIGHTS).read_bytes()


@pytest.mark.parametrize(("fault", "message"), [(full, FULL), (read_only, READ_ONLY)])
def test_each_step_on_an_unwritable_disk_fails_and_keeps_its_previous_results(
    fault, message, disk, tmp_path, data_root, small_parameters, monkeypatch, capsys
):
    monkeypatch.setattr(download, "mirrors", lambda _spec: iter(()))
    monkeypatch.chdir(tmp_path)  # definitions are recorded under the reports of this folder
    reports, params = disk / "reports", disk / "params.yaml"
    for arm, errors in (("max", 10), ("average", 14)):
        for seed in range(2):
            make_run(tmp_path / "runs", arm, seed, errors + seed)
    (tmp_path / "pooling.yaml").write_text(yaml.safe_dump(study_values()))
    shutil.copy(small_parameters, params)
    study = ["--study", str(tmp_path / "pooling.yaml"), "--runs", str(tmp_path / "runs")]
    raw, trained = disk / "raw", disk / "trained"
    item = small_run(trained, data_root)
    elsewhere = small_run(tmp_path / "trained", data_root)
    run(Job((elsewhere,), evaluates=False))
    evaluated = replace(small_run(disk / "runs", data_root), trained=elsewhere.folder)
    steps: dict[Path, Step] = {
        raw: lambda: download.ensure(raw, Dataset.mnist, Fallback.digits),
        trained: lambda: run(Job((item,), evaluates=False)),
        disk / "runs": lambda: run(Job((evaluated,), trains=False)),
        reports / "pooling": lambda: compare.main([*study, "--output", str(reports / "pooling")]),
        reports: lambda: report.main(["--studies", "pooling", "--reports", str(reports)]),
        disk / "configs": lambda: compose.main(
            ["--params", str(small_parameters), "--output", str(disk / "configs")]
        ),
        disk: lambda: choose.main(["--study", "padding", "--params", str(params)]),
    }
    for step in steps.values():
        step()
    for folder in (raw, trained):  # a complete download is kept; a new training frees space
        shutil.rmtree(folder)
    before = snapshot(disk)
    make_run(tmp_path / "runs", "max", 0, 90)  # changes the results
    with fault(disk):
        for place, step in steps.items():
            error = error_of(step, capsys)
            assert f"error: {place}" in error
            assert message in error
            assert snapshot(disk) == before
    for step in steps.values():
        step()
    after = snapshot(disk)
    assert before.keys() < after.keys()
    assert before[reports / "index.html"] != after[reports / "index.html"]


def test_an_almost_full_disk_gets_all_files_or_none(disk, monkeypatch):
    monkeypatch.setattr(download, "mirrors", lambda _spec: iter(()))
    fill(disk, leave=100_000)
    with pytest.raises(UserError, match=r"raw.*No space left"):
        download.ensure(disk / "raw", Dataset.mnist, Fallback.digits)
    assert snapshot(disk / "raw") == {}
    folder = disk / "files"
    replace_files(folder, {"a": "old", "b": "old"})
    with pytest.raises(StorageError):
        replace_files(folder, {"a": "new", "b": "n" * 200_000})
    assert snapshot(folder) == {folder / "a": b"old", folder / "b": b"old"}


@contextmanager
def without_privileges() -> Iterator[None]:
    """If this process is root, whom no permission stops, be another user for a while."""
    root = os.geteuid() == 0
    gc.collect()  # what other tests left may be root's to remove
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_missing_permission_is_named(small_parameters, monkeypatch, capsys):
    with tempfile.TemporaryDirectory() as name:  # pytest's folders are closed to other users
        Path(name).chmod(0o755)
        monkeypatch.chdir(name)  # definitions are recorded under the reports of this folder
        configs = Path(name) / "configs"
        parameters = shutil.copy(small_parameters, name)
        command = ["--params", parameters, "--output", str(configs)]
        compose.main(command)
        (configs / "arms/lecture.yaml").chmod(0o600)
        with without_privileges():
            error = error_of(lambda: compose.main(command), capsys)
        assert error.startswith(f"error: {configs}")
        assert "Permission denied. Change its permissions" in error


def test_a_traceback_is_shown_on_request(tmp_path):
    arguments = ["compose", "--params", "gone.yaml", "--output", "x"]
    command = [sys.executable, "-m", "convchoice", *arguments]
    for requested in ("", "1"):
        variables = os.environ | {"CONVCHOICE_TRACEBACK": requested}
        done = subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )
        assert "gone.yaml: there is no such file" in done.stderr
        assert ("Traceback" in done.stderr) == bool(requested)
