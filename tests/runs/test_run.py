"""Reading run folders: what is written is read, and everything else is refused by one exception."""

import pickle
import random
import shutil
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convchoice.config.validation import config_from_mapping
from convchoice.errors import RunFolderError
from convchoice.execution.job import is_evaluated, is_trained
from convchoice.runs.run import Run, RunSpecification, read_run, run_folders
from convchoice.runs.run_folder import (
    CONTENT,
    MEASURED_FILES,
    METRICS,
    PREDICTIONS,
    SUMS,
    TRAINED_FILES,
    write_checksums,
)
from made_up_reports import introspected
from made_up_runs import altered, curve_points, make_run


def complete_run(root: Path) -> Path:
    """A run folder with every possible file."""
    return make_run(
        root, "max", 0, curves=curve_points(), picture_shape=(4, 4), inside=introspected()
    )


def read_all(folder: Path) -> Run:
    """Read everything that `compare` and `evaluate` read."""
    run = read_run(folder)
    for read in (run.predictions, run.curves, run.pictures, run.inside):
        read()
    return run


@pytest.mark.parametrize("name", ["1e-3", "1.5", "on", "0o7", "1_000"])
def test_an_arm_may_be_named_like_a_number(tmp_path, name):
    assert read_run(make_run(tmp_path, name, 0)).arm == name


def alter(path: Path) -> None:
    """Change a file so that it can still be read."""
    content = path.read_bytes()
    if path.suffix == ".npz":  # bytes 10 to 13: the time of the first member
        content = content[:10] + b"\x01" + content[11:]
    else:
        content = content.replace(b"0.1", b"0.2", 1) if b"0.1" in content else content + b"\n"
    assert content != path.read_bytes()
    path.write_bytes(content)


def specification(folder: Path) -> RunSpecification:
    return RunSpecification(config_from_mapping({"arm": "max"}), Path(), folder, "f" * 64)


def test_what_is_written_is_read(tmp_path):
    run = read_all(make_run(tmp_path, "max", 3, errors=7, epochs=2, curves=curve_points()))
    assert (run.arm, run.seed, run.evaluated) == ("max", 3, True)
    assert [row["epoch"] for row in run.history] == [1, 2]
    logits, labels = run.predictions()
    assert logits.shape == (len(labels), 10)
    assert int((logits.argmax(1) != labels).sum()) == 7
    assert run.curves() == curve_points()
    plain = read_run(make_run(tmp_path, "max", 4))
    assert (plain.curves(), plain.pictures(), plain.inside()) == ([], {}, None)


@pytest.mark.parametrize("name", CONTENT)
def test_a_changed_file_is_named_and_the_run_is_made_again(tmp_path, name):
    folder = complete_run(tmp_path)
    assert is_evaluated(specification(folder))
    assert not is_trained(replace(specification(folder), fingerprint="another"))
    alter(folder / name)
    with pytest.raises(RunFolderError, match=rf"seed-0/{name}: was changed after the run"):
        read_all(folder)
    assert is_trained(specification(folder)) == (name in MEASURED_FILES)
    of_other_code = replace(specification(folder), evaluation_code="other")
    for item in (specification(folder), of_other_code):
        assert name in TRAINED_FILES or not is_evaluated(item)


@pytest.mark.parametrize("name", CONTENT)
def test_a_damaged_file_with_its_own_checksum_raises_the_same_exception(tmp_path, name):
    chance, folder = random.Random(name), complete_run(tmp_path)
    original = (folder / name).read_bytes()
    for _ in range(12):
        content = bytearray(original)
        for _ in range(chance.choice((1, 1, 8))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        cut = chance.choice((len(content), chance.randrange(len(content))))
        (folder / name).write_bytes(content[:cut])
        write_checksums(folder)
        with suppress(RunFolderError):
            read_all(folder)


DAMAGES = [
    *((name, None, f"not a complete run folder: {name} missing") for name in TRAINED_FILES),
    *((name, None, f"seed-0/{name}: is missing, but {SUMS} lists it") for name in MEASURED_FILES),
    (SUMS, None, f"seed-0/{SUMS}: is missing"),
    (SUMS, b"", f"seed-0/{SUMS}: must hold"),
    (SUMS, b"\xff", f"seed-0/{SUMS}: cannot be"),
    (SUMS, b"no digest  config.yaml\n", f"seed-0/{SUMS}: must hold"),
]
ILLEGAL = [
    ("config.yaml", b"a: [", "config.yaml: cannot be read as a configuration"),
    ("config.yaml", b"a: 1", "config.yaml: cannot be read as a configuration"),
    ("metrics.json", b"{", "metrics.json: cannot be read"),
    ("metrics.json", b"[]", "must hold a mapping"),
    ("metrics.json", b'{"test/accuracy": NaN}', "test/accuracy = nan is not a finite number"),
    ("metrics.json", b'{"test/accuracy": "good"}', "= 'good' is not a finite number"),
    ("history.csv", b"epoch,train/loss\n1,much\n", "cannot be read as a table of numbers"),
    ("history.csv", b"epoch,train/loss\n1\n", "cannot be read as a table of numbers"),
    ("environment.json", b"", "environment.json: cannot be read"),
    ("curves.csv", b"curve,value\nshift,1\n", "cannot be read as curves .* Evaluate the run"),
    ("inside.npz", b"text", "cannot be read as filters and maps .* Evaluate the run"),
    ("pictures.npz", b"text", "cannot be read as pictures .* Evaluate the run"),
    ("predictions.npz", b"text", "cannot be read as predictions .* Evaluate the run"),
]
"""Files whose checksums are right."""


@pytest.mark.parametrize(
    ("name", "content", "message", "sums"),
    [*((*each, False) for each in DAMAGES), *((*each, True) for each in ILLEGAL)],
)
def test_missing_and_illegal_files_are_named(tmp_path, name, content, message, sums):
    folder = complete_run(tmp_path)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    if sums:
        write_checksums(folder)
    assert run_folders(tmp_path) == run_folders(folder) == [folder]
    with pytest.raises(RunFolderError, match=message):
        read_all(folder)


def test_an_added_file_and_the_run_of_another_name_are_refused(tmp_path):
    folder = make_run(tmp_path, "max", 0)
    (folder / PREDICTIONS).rename(tmp_path / PREDICTIONS)
    write_checksums(folder)
    (tmp_path / PREDICTIONS).rename(folder / PREDICTIONS)
    with pytest.raises(RunFolderError, match=rf"seed-0/{PREDICTIONS}: is not part of this run"):
        read_all(folder)
    write_checksums(folder)
    with pytest.raises(RunFolderError, match="which is not what the name of its folder says"):
        read_run(folder.rename(tmp_path / "max" / "seed-1"))


def test_predictions_never_execute_anything(tmp_path):
    class Planted:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    array = np.empty(1, dtype=object)
    array[0] = Planted()
    path = make_run(tmp_path, "max", 0) / PREDICTIONS
    for write in (
        lambda: np.savez(path, logits=array, labels=array),
        lambda: path.write_bytes(pickle.dumps(Planted())),
    ):
        with altered(path.parent):
            write()
        with pytest.raises(RunFolderError, match="cannot be read as predictions"):
            read_run(path.parent).predictions()
    assert not (tmp_path / "executed").exists()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
def test_a_copy_is_intact_and_its_checksums_have_the_format_of_sha256sum(tmp_path):
    folder = tmp_path / "copy" / "max" / "seed-0"
    shutil.copytree(complete_run(tmp_path), folder, copy_function=shutil.copyfile)
    read_all(folder)
    check = ["sha256sum", "--check", "--strict", "--quiet", SUMS]
    assert subprocess.run(check, cwd=folder, check=False).returncode == 0
    alter(folder / METRICS)
    assert subprocess.run(check, cwd=folder, check=False, capture_output=True).returncode == 1
