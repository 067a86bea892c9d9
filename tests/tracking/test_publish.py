"""Run folders in MLflow: once, complete or failed, below their arm, and never in the way."""

import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convchoice import PROJECT_ROOT
from convchoice.commands import publish as command
from convchoice.config.schema import Store, TrackingConfig
from convchoice.errors import exit_codes
from convchoice.runs.ownership import write_failure
from convchoice.runs.run_folder import METRICS, run_path
from convchoice.tracking.mlflow_entry import entry_of
from convchoice.tracking.mlflow_store import MlflowStore
from convchoice.tracking.publish import publish
from made_up_runs import MNIST, curve_points, make_run
from mlflows_warnings import MLFLOWS_WARNINGS
from small_data import store_digits
from small_runs import OVERRIDES

pytestmark = MLFLOWS_WARNINGS


def runs(store: MlflowStore) -> dict[str, Any]:
    """Every run, by name; there must be only one of each name."""
    found = store.search("")
    named = {run.info.run_name: run for run in found}
    assert len(named) == len(found)
    return named


def everything(store: MlflowStore) -> list[Any]:
    """All that the experiment holds, so that two states of it can be compared."""
    seen = []
    for run in store.search(""):
        run_id = run.info.run_id
        histories = {
            key: store.client.get_metric_history(run_id, key) for key in sorted(run.data.metrics)
        }
        files = sorted(item.path for item in store.client.list_artifacts(run_id))
        seen.append((run.info.__dict__, run.data.tags, histories, files))
    return seen


def call(settings: TrackingConfig, *arguments: object) -> None:
    """`convchoice publish`, to this test's experiment."""
    where = ["--uri", str(settings.uri), "--experiment", str(settings.experiment)]
    command.main([*map(str, arguments), *where])


def test_a_complete_run_enters_once_with_its_arm_above_it(settings, store, tmp_path):
    folder = make_run(tmp_path, "max", 0, epochs=2)
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.iterdir())
    run_id = publish(folder, settings)
    first = everything(store)
    assert publish(folder, settings) == run_id
    assert everything(store) == first
    assert before == sorted((path, path.stat().st_mtime_ns) for path in folder.iterdir())
    found = runs(store)
    assert set(found) == {"max", "max/seed-0"}
    run = found["max/seed-0"]
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    assert run.info.end_time - run.info.start_time == 16_000
    assert run.data.tags["mlflow.parentRunId"] == found["max"].info.run_id
    assert (run.data.params["arm"], run.data.params["seed"]) == ("max", "0")
    assert run.inputs.dataset_inputs[0].dataset.name == "mnist"
    history = store.client.get_metric_history(run_id, "val/accuracy")
    assert [point.step for point in history] == [1, 2]
    files = {item.path for item in store.client.list_artifacts(run_id)}
    assert {"config.yaml", "history.csv", "confusion_matrix.csv"} <= files


def test_the_confusions_of_many_classes_are_not_kept(tmp_path):
    for classes, texts in ((50, {"confusion_matrix.csv"}), (51, set())):
        dataset = MNIST | {"class_names": [f"class {n}" for n in range(classes)]}
        entry, _ = entry_of(make_run(tmp_path / f"{classes}", "max", 0, dataset=dataset))
        assert set(entry.texts) == texts


def test_an_arm_has_means_and_spread_of_the_seeds_that_are_there(settings, store, tmp_path):
    for seed, errors in enumerate((10, 14, 30)):
        publish(make_run(tmp_path, "max", seed, errors=errors), settings)
        arm = runs(store)["max"]
        wrong = (10, 14, 30)[: seed + 1]
        accuracies = [1 - errors / 1000 for errors in wrong]
        assert arm.data.metrics["seeds"] == seed + 1
        assert arm.data.metrics["test/accuracy"] == pytest.approx(statistics.fmean(accuracies))
        spread = arm.data.metrics.get("test/accuracy_sd")
        assert spread == (pytest.approx(statistics.stdev(accuracies)) if seed else None)
    assert arm.info.end_time - arm.info.start_time == 128_000  # 0:00:22 to 0:02:30
    assert not {"arm", "seed"} & arm.data.params.keys()  # "group by arm" counts each seed once
    assert arm.data.params["downsample"] == "max"


def test_runs_that_are_not_evaluated_or_not_tracked_enter_later_and_completely(
    settings, store, tmp_path
):
    assert publish(make_run(tmp_path / "first", "max", 0, evaluated=False), settings) is None
    off = TrackingConfig(store=Store.none, uri="sqlite:////nowhere/at/all.db")
    folder = make_run(tmp_path / "second", "max", 0)
    assert publish(folder, off) is None
    assert runs(store) == {}
    first = publish(folder, settings)
    again = publish(make_run(tmp_path / "third", "max", 0, curves=curve_points()), settings)
    assert first == again  # what a second evaluation adds is added to the same run
    assert any(key.startswith("test/shift") for key in runs(store)["max/seed-0"].data.metrics)
    assert len(store.client.get_metric_history(first, "test/accuracy")) == 1
    assert "curves.csv" in {item.path for item in store.client.list_artifacts(first)}


def sweep(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """A small sweep in a process of its own."""
    store_digits(folder / "raw")
    tiny = [*OVERRIDES, "trainer.max_epochs=3", f"data.root={folder}/raw"]
    return subprocess.run(
        [sys.executable, "-m", "convchoice.train", "-m", *arguments, *tiny], cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT / "src"), **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_password_of_the_environment_is_neither_printed_nor_stored(tmp_path):
    variables = {
        "MLFLOW_TRACKING_URI": "http://user:secretpw@127.0.0.1:9",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    done = sweep(tmp_path, "seed=0,1", **variables)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: MLflow logging failed: ") == 1
    assert "Run `convchoice publish` to log the missing runs." in done.stderr
    assert "secretpw" not in done.stdout + done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "multirun.yaml" for path in written)
    assert not [path for path in written if b"secretpw" in path.read_bytes()]


def test_a_sweep_logs_its_complete_and_failed_runs_and_its_comparison(settings, store, tmp_path):
    diverging = ["optimizer.name=sgd", "optimizer.weight_decay=1.0"]
    where = [f"tracking.uri={settings.uri}", f"tracking.experiment={settings.experiment}"]
    done = sweep(tmp_path, "optimizer.learning_rate=0.001,0.01,1000", *where, *diverging)
    assert done.returncode == 1, done.stderr
    found = runs(store)
    status = {name: run.info.status for name, run in found.items() if "/seed-" in name}
    assert sorted(status.values()) == ["FAILED", "FINISHED", "FINISHED"]
    (failed,) = [run for name, run in found.items() if status.get(name) == "FAILED"]
    assert "loss" in failed.data.tags["convchoice.reason"]
    assert float(failed.data.params["learning_rate"]) == 1000
    (study,) = [name for name in found if name.startswith("study/")]
    assert any(key.startswith("verdict/") for key in found[study].data.metrics)
    assert len(found) == 3 + 3 + 1  # runs, their arms, the comparison


def test_the_command_logs_what_is_missing_and_a_second_call_nothing(
    settings, store, tmp_path, capsys
):
    root, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    made = {"arm_fingerprint": "a"}
    publish(make_run(root, "max", 0, environment=made), settings)
    make_run(elsewhere / "deep", "max", 1, environment=made)
    make_run(root, "average", 0, evaluated=False)
    make_run(root / ".trained", "hidden", 0)
    write_failure(
        run_path(root, "max", 2), {"reason": "nan", "fingerprint": "f", "environment": made}
    )
    call(settings, root, elsewhere)
    assert capsys.readouterr().out.endswith(
        "mlflow.db: 2 runs logged, 1 known already, 1 not evaluated yet; 1 arm updated\n"
    )
    found = runs(store)
    assert set(found) == {"max", "max/seed-0", "max/seed-1", "max/seed-2"}
    arm, failed = found["max"], found["max/seed-2"]
    assert (failed.info.status, failed.data.tags["convchoice.reason"]) == ("FAILED", "nan")
    assert (arm.data.metrics["seeds"], arm.data.metrics["seeds_failed"]) == (2, 1)
    assert failed.data.tags["mlflow.parentRunId"] == arm.info.run_id
    before = everything(store)
    call(settings, root, elsewhere)
    assert ": 0 runs logged, 3 known already" in capsys.readouterr().out
    assert everything(store) == before


def test_a_damaged_folder_is_named_at_the_end_and_the_others_are_logged(
    settings, store, tmp_path, capsys
):
    make_run(tmp_path, "max", 0)
    (make_run(tmp_path, "max", 1) / METRICS).write_text("{")
    (make_run(tmp_path, "max", 2) / METRICS).unlink()
    for path, message in ((tmp_path, "error: left out 2 folders:\n"),
                          (tmp_path / "gone", "no such folder")):  # fmt: skip
        with pytest.raises(SystemExit, match="2"), exit_codes():
            call(settings, path)
        assert message in capsys.readouterr().err
    assert "max/seed-0" in runs(store)


def test_without_an_option_the_store_is_the_environments_or_the_one_that_all_runs_name(
    settings, tmp_path, monkeypatch
):
    own = {"tracking": {"uri": settings.uri, "experiment": "own"}}
    _, found, _ = command.read_folders([make_run(tmp_path, "max", 0, config=own)])
    assert command.settings_of(found, None, None) == TrackingConfig(
        uri=settings.uri, experiment="own"
    )
    assert command.settings_of(found, "sqlite:///x.db", None).uri == "sqlite:///x.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert command.settings_of(found, None, None).uri is None  # the store reads the environment
