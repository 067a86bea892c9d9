"""The run folder: written whole or not at all, read with suspicion."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from convchoice.errors import RunFolderError
from convchoice.runs import run_folder
from convchoice.runs.run import read_run, runs_of_arm
from making import altered, curve_points, make_run


def test_what_is_written_is_read(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, "max", 3, errors=7, epochs=2))
    assert (run.arm, run.seed, run.evaluated) == ("max", 3, True)
    assert [row["epoch"] for row in run.history] == [1, 2]
    logits, labels = run.predictions()
    assert logits.shape == (len(labels), 10)
    assert int((logits.argmax(1) != labels).sum()) == 7


def test_curves_are_read_back(tmp_path: Path) -> None:
    points = curve_points()
    assert read_run(make_run(tmp_path, "max", 0, curves=points)).curves() == points
    assert read_run(make_run(tmp_path, "max", 1)).curves() == []


def test_curves_that_are_missing_or_foreign_are_refused(tmp_path: Path) -> None:
    curved = make_run(tmp_path, "max", 0, curves=curve_points())
    plain = make_run(tmp_path, "max", 1)
    other = make_run(tmp_path, "max", 2, curves=curve_points(0.8))
    fix = r"Evaluate the run again: convchoice evaluate\."
    with altered(plain):
        shutil.copy(curved / "curves.csv", plain)
    with pytest.raises(RunFolderError, match=rf"seed-1/curves\.csv: holds .*names none\. {fix}"):
        read_run(plain).curves()
    with altered(curved):
        shutil.copy(other / "curves.csv", curved)
    with pytest.raises(RunFolderError, match=rf"shift_accuracy = .*one evaluation\. {fix}"):
        read_run(curved).curves()
    with altered(curved):
        (curved / "curves.csv").unlink()
    with pytest.raises(RunFolderError, match=rf"curves\.csv: cannot be read as curves .* {fix}"):
        read_run(curved).curves()
    with altered(curved):
        (curved / "curves.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(RunFolderError, match=r"cannot be read as curves"):
        read_run(curved).curves()
    lines = (other / "curves.csv").read_text(encoding="utf-8").splitlines()
    with altered(other):
        (other / "curves.csv").write_text("\n".join(lines[:-3]), encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"config\.yaml names .*input_size"):
        read_run(other).curves()


def test_seeds_are_read_in_the_order_of_numbers(tmp_path: Path) -> None:
    for seed in (10, 2, 0):
        make_run(tmp_path, "max", seed)
    assert [run.seed for run in runs_of_arm(tmp_path, "max")] == [0, 2, 10]
    with pytest.raises(RunFolderError, match="no run folders"):
        runs_of_arm(tmp_path, "average")


@pytest.mark.parametrize("name", run_folder.TRAINED_FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = make_run(tmp_path, "max", 0)
    (folder / name).unlink()
    with pytest.raises(RunFolderError, match=rf"seed-0: not a complete run folder: {name} missing"):
        read_run(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.yaml", "a: [", "config.yaml: cannot be read"),
        ("metrics.json", "{", "metrics.json: cannot be read"),
        ("metrics.json", "[]", "must hold a mapping"),
        ("metrics.json", '{"test/accuracy": NaN}', "test/accuracy = nan is not a finite number"),
        ("metrics.json", '{"test/accuracy": "good"}', "= 'good' is not a finite number"),
        ("history.csv", "epoch,train/loss\n1,much\n", "cannot be read as a table of numbers"),
        ("history.csv", "epoch,train/loss\n1\n", "cannot be read as a table of numbers"),
        ("environment.json", "", "environment.json: cannot be read"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    with altered(make_run(tmp_path, "max", 0)) as folder:
        (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(RunFolderError, match=message):
        read_run(folder)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path, "max", 0).rename(tmp_path / "max" / "seed-1")
    with pytest.raises(RunFolderError, match="which is not what the name of its folder says"):
        read_run(tmp_path / "max" / "seed-1")


def test_predictions_never_execute_anything(tmp_path: Path) -> None:
    class Planted:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    array = np.empty(1, dtype=object)
    array[0] = Planted()
    with altered(make_run(tmp_path, "max", 0)) as folder:
        np.savez(folder / "predictions.npz", logits=array, labels=array)
    with pytest.raises(RunFolderError, match="cannot be read as predictions"):
        read_run(folder).predictions()
    with altered(folder):
        (folder / "predictions.npz").write_bytes(pickle.dumps(Planted()))
    with pytest.raises(RunFolderError, match="cannot be read as predictions"):
        read_run(folder).predictions()
    assert not (tmp_path / "executed").exists()


def test_json_refuses_what_json_cannot_say(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        run_folder.write_json(tmp_path / "metrics.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []
    run_folder.write_json(tmp_path / "metrics.json", {"loss": 0.5})
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8")) == {"loss": 0.5}
