"""The run folder: written whole or not at all, read with suspicion."""

import json
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from convchoice.errors import RunFolderError
from convchoice.runs import run_folder
from convchoice.runs.atomic_write import replaced
from convchoice.runs.checksums import sealed
from convchoice.runs.run import read_run, runs_of_arm
from convchoice.runs.run_folder import partial_path
from making import curve_points, make_run, unsealed


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


def test_a_folder_from_before_there_were_curves_is_whole(tmp_path: Path) -> None:
    folder = unsealed(make_run(tmp_path, "max", 0))
    values = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    del values["evaluation"]
    run_folder.write_config(folder, values)
    run = read_run(folder)
    assert run.evaluated
    assert run.curves() == []


def test_curves_that_are_missing_or_foreign_are_refused(tmp_path: Path) -> None:
    curved = unsealed(make_run(tmp_path, "max", 0, curves=curve_points()))
    plain = unsealed(make_run(tmp_path, "max", 1))
    other = unsealed(make_run(tmp_path, "max", 2, curves=curve_points(0.8)))
    mend = r"Measure the run again: python -m convchoice\.evaluate\."
    shutil.copy(curved / "curves.csv", plain)
    with pytest.raises(RunFolderError, match=rf"seed-1/curves\.csv: holds .*says none\. {mend}"):
        read_run(plain).curves()
    shutil.copy(other / "curves.csv", curved)
    with pytest.raises(RunFolderError, match=rf"shift_accuracy = .*one evaluation\. {mend}"):
        read_run(curved).curves()
    (curved / "curves.csv").unlink()
    with pytest.raises(RunFolderError, match=rf"curves\.csv: cannot be read as curves: .* {mend}"):
        read_run(curved).curves()
    (curved / "curves.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(RunFolderError, match=r"cannot be read as curves"):
        read_run(curved).curves()
    lines = (other / "curves.csv").read_text(encoding="utf-8").splitlines()
    (other / "curves.csv").write_text("\n".join(lines[:-3]), encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"config\.yaml says .*input_size"):
        read_run(other).curves()


def test_seeds_are_read_in_the_order_of_numbers(tmp_path: Path) -> None:
    for seed in (10, 2, 0):
        make_run(tmp_path, "max", seed)
    assert [run.seed for run in runs_of_arm(tmp_path, "max")] == [0, 2, 10]
    with pytest.raises(RunFolderError, match="no run folders"):
        runs_of_arm(tmp_path, "average")


def test_what_is_replaced_is_never_deleted_under_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed while it deletes would leave half a folder there."""
    deleted, delete = [], shutil.rmtree

    def noted(path: Path, **options: bool) -> None:
        deleted.extend([path.name] if path.exists() else [])
        delete(path, **options)

    monkeypatch.setattr("convchoice.runs.atomic_write.shutil.rmtree", noted)
    for content in ("old", "new"):
        with replaced(tmp_path / "folder") as partial:
            (partial / "file").write_text(content, encoding="utf-8")
    assert (tmp_path / "folder" / "file").read_text(encoding="utf-8") == "new"
    assert deleted == ["folder.replaced"]


def test_an_exception_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "max" / "seed-0"
    with sealed(folder) as partial:
        (partial / "kept").touch()

    def fail_half_way() -> None:
        with sealed(folder) as partial:
            (partial / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert sorted(path.name for path in folder.iterdir()) == ["SHA256SUMS", "kept"]
    assert not partial_path(folder).exists()


@pytest.mark.parametrize("name", run_folder.TRAINED_FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = make_run(tmp_path, "max", 0)
    (folder / name).unlink()
    with pytest.raises(RunFolderError, match=rf"seed-0: not a complete run folder, without {name}"):
        read_run(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.yaml", "a: [", "is not valid YAML"),
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
    folder = unsealed(make_run(tmp_path, "max", 0))
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(RunFolderError, match=message):
        read_run(folder)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path, "max", 0).rename(tmp_path / "max" / "seed-1")
    with pytest.raises(RunFolderError, match="which is not what its folder's name says"):
        read_run(tmp_path / "max" / "seed-1")


def test_predictions_never_execute_anything(tmp_path: Path) -> None:
    class Planted:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    folder = unsealed(make_run(tmp_path, "max", 0))
    array = np.empty(1, dtype=object)
    array[0] = Planted()
    np.savez(folder / "predictions.npz", logits=array, labels=array)
    with pytest.raises(RunFolderError, match="cannot be read as predictions"):
        read_run(folder).predictions()
    (folder / "predictions.npz").write_bytes(pickle.dumps(Planted()))
    with pytest.raises(RunFolderError, match="cannot be read as predictions"):
        read_run(folder).predictions()
    assert not (tmp_path / "executed").exists()


def test_truncated_predictions_are_named(tmp_path: Path) -> None:
    folder = unsealed(make_run(tmp_path, "max", 0))
    path = folder / "predictions.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RunFolderError, match=r"predictions\.npz: cannot be read"):
        read_run(folder).predictions()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.npy", b"")
    with pytest.raises(RunFolderError, match=r"predictions\.npz: cannot be read"):
        read_run(folder).predictions()


def test_json_refuses_what_json_cannot_say(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        run_folder.write_json(tmp_path / "metrics.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []
    run_folder.write_json(tmp_path / "metrics.json", {"loss": 0.5})
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8")) == {"loss": 0.5}
