"""The seal of a run folder: what was altered after the run is named, whichever file it is."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from convchoice.compare import main
from convchoice.config.validation import config_from_mapping
from convchoice.errors import RunFolderError
from convchoice.execution.completeness import is_evaluated, is_trained
from convchoice.runs import run_folder
from convchoice.runs.checksums import SUMS, write_checksums
from convchoice.runs.run import Run, read_run
from convchoice.runs.specification import RunSpecification
from made_up_inside import made_up_inside
from making import curve_points, make_run


def specification(folder: Path) -> RunSpecification:
    return RunSpecification(config_from_mapping({"arm": "max"}), folder, folder, "f" * 64)


def whole_run(root: Path) -> Path:
    """A run folder with every file that there can be."""
    return make_run(
        root, "max", 0, curves=curve_points(), picture_shape=(4, 4), inside=made_up_inside()
    )


def read_all(folder: Path) -> Run:
    """Read everything that `compare` and `evaluate` read."""
    run = read_run(folder)
    for read in (run.weights_file, run.predictions, run.curves, run.pictures, run.inside):
        assert read() is not None
    return run


def alter(path: Path) -> None:
    """Another file that still reads well: a number, a space, or the time in an archive's head."""
    content = path.read_bytes()
    if path.suffix == ".npz":  # bytes 10 to 13: when the first member was written
        altered = content[:10] + b"\x01" + content[11:]
    else:
        altered = content.replace(b"0.1", b"0.2", 1) if b"0.1" in content else content + b"\n"
    assert altered != content
    path.write_bytes(altered)


@pytest.mark.parametrize("name", run_folder.CONTENT)
def test_a_file_that_was_altered_is_named(tmp_path: Path, name: str) -> None:
    folder = whole_run(tmp_path)
    read_all(folder)
    alter(folder / name)
    with pytest.raises(RunFolderError, match=rf"seed-0/{name}: was changed after the run"):
        read_all(folder)


@pytest.mark.parametrize("name", run_folder.MEASURED_FILES)
def test_a_file_that_was_taken_away_or_put_there_is_named(tmp_path: Path, name: str) -> None:
    folder = whole_run(tmp_path)
    read = {
        run_folder.PREDICTIONS: Run.predictions,
        run_folder.CURVES: Run.curves,
        run_folder.PICTURES: Run.pictures,
        run_folder.INSIDE: Run.inside,
    }[name]
    (folder / name).rename(tmp_path / name)
    with pytest.raises(RunFolderError, match=rf"seed-0/{name}: is missing, but {SUMS} lists it"):
        read(read_run(folder))
    write_checksums(folder)
    (tmp_path / name).rename(folder / name)
    with pytest.raises(RunFolderError, match=rf"seed-0/{name}: is not part of this run"):
        read(read_run(folder))


def test_a_copy_keeps_its_seal(tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "max" / "seed-0"
    shutil.copytree(whole_run(tmp_path), copy, copy_function=shutil.copyfile)
    read_all(copy)


@pytest.mark.parametrize("content", [b"", b"\xff", b"no digest  config.yaml\n", b"0" * 64 + b"\n"])
def test_a_damaged_seal_is_named(tmp_path: Path, content: bytes) -> None:
    folder = whole_run(tmp_path)
    (folder / SUMS).write_bytes(content)
    with pytest.raises(RunFolderError, match=rf"seed-0/{SUMS}: (must hold|cannot be read)"):
        read_run(folder)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
def test_the_usual_command_checks_it(tmp_path: Path) -> None:
    folder = whole_run(tmp_path)
    check = ["sha256sum", "--check", "--strict", "--quiet", SUMS]
    assert subprocess.run(check, cwd=folder, check=False).returncode == 0
    alter(folder / run_folder.METRICS)
    assert subprocess.run(check, cwd=folder, check=False, capture_output=True).returncode == 1


@pytest.mark.parametrize("name", run_folder.TRAINED_FILES)
def test_a_run_that_was_altered_does_not_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """It is trained again; so it is even if the time of writing is long before the seal's."""
    folder = make_run(tmp_path, "max", 0)
    assert is_trained(specification(folder))
    path = folder / name
    long_before = path.stat().st_mtime - 10
    alter(path)
    os.utime(path, (long_before, long_before))
    assert not is_trained(specification(folder))
    assert f"not kept: {path}: was changed after the run" in capsys.readouterr().out


@pytest.mark.parametrize("name", run_folder.MEASURED_FILES)
def test_a_measurement_that_was_altered_is_made_again(tmp_path: Path, name: str) -> None:
    folder = whole_run(tmp_path)
    assert is_evaluated(specification(folder))
    alter(folder / name)
    assert is_trained(specification(folder))
    assert not is_evaluated(specification(folder))


@pytest.mark.parametrize("name", [run_folder.WEIGHTS, run_folder.PREDICTIONS, run_folder.METRICS])
def test_compare_names_what_was_altered_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    for arm in ("max", "average"):
        make_run(tmp_path / "runs", arm, 0)
    alter(tmp_path / "runs" / "average" / "seed-0" / name)
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "runs"), "--output", str(tmp_path / "reports")])
    told = capsys.readouterr().err
    assert f"average/seed-0/{name}: was changed after the run" in told
    assert "Traceback" not in told
    assert not (tmp_path / "reports").exists()
