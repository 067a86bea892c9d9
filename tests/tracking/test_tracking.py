"""A real MLflow store on SQLite: what it is told, and the life of a run in it."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convchoice.config.schema import Config, Store, TrackingConfig
from convchoice.config.validation import config_from_mapping
from convchoice.execution.tracking import MlflowTracking, NoTracking, open_tracking
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import note_tracking
from convchoice.tracking import groups
from convchoice.tracking.labels import Group, Kind, arm_group
from making import curve_points, make_run
from mlflows_warnings import MLFLOWS_WARNINGS

pytestmark = MLFLOWS_WARNINGS


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's root, with a space in its path; the store is migrated once."""
    folder = tmp_path_factory.mktemp("tracking") / "a project"
    folder.mkdir()
    return folder


@pytest.fixture
def tracking(root: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowTracking:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    opened = open_tracking(TrackingConfig(), root)
    assert isinstance(opened, MlflowTracking)
    return opened


def status(tracking: MlflowTracking, run_id: str | None) -> str:
    return str(stored(tracking, run_id).info.status)


def stored(tracking: MlflowTracking, run_id: str | None) -> Any:
    return tracking.store.client.get_run(run_id)


def config(seed: int = 0) -> Config:
    return config_from_mapping({"arm": "max", "seed": seed})


def evaluated_run(folder: Path, run_id: str | None) -> Run:
    path = make_run(folder, "max", 0, errors=10, epochs=2, curves=curve_points())
    note_tracking(path, run_id)
    return read_run(path)


def test_the_life_of_a_run(tracking: MlflowTracking, tmp_path: Path) -> None:
    run_id = tracking.begin(config(), ["pooling"], None)
    folder = evaluated_run(tmp_path, run_id)
    assert status(tracking, run_id) == "RUNNING"
    for row in folder.history:
        tracking.epoch(run_id, row)
    tracking.trained(run_id)
    assert status(tracking, run_id) == "SCHEDULED"
    tracking.evaluating(run_id)
    assert status(tracking, run_id) == "RUNNING"
    tracking.evaluated(folder)
    assert status(tracking, run_id) == "FINISHED"
    run = stored(tracking, run_id)
    assert run.info.run_name == "max/seed-0"
    assert run.data.params["downsample"] == "max"
    assert run.data.params["seed"] == "0"
    for tag, value in {"arm": "max", "seed": "0", "study": "pooling", "stage": "evaluate"}.items():
        assert run.data.tags[tag] == value
    assert "mlflow.source.git.commit" in run.data.tags
    assert run.data.metrics["train/loss"] == folder.history[1]["train/loss"]
    assert run.data.metrics["system/system_memory_usage_megabytes"] > 1
    assert run.data.metrics["test/accuracy"] == pytest.approx(0.99)
    assert run.data.metrics["test/shift_consistency"] == pytest.approx(0.91)
    assert "cost/parameters" in run.data.metrics
    assert "seconds" not in run.data.metrics
    curve = tracking.store.client.get_metric_history(run_id, "train/loss")
    losses = [row["train/loss"] for row in folder.history]
    assert [(point.step, point.value) for point in curve] == [(1, losses[0]), (2, losses[1])]
    assert run.inputs.dataset_inputs[0].dataset.name == "mnist"
    names = {item.path for item in tracking.store.client.list_artifacts(run_id)}
    assert names >= {
        "config.yaml", "curves.csv", "history.csv", "metrics.json", "environment.json",
        "confusion_matrix.csv",
    }  # fmt: skip


def test_an_interrupted_run_goes_on_in_the_same_mlflow_run(tracking: MlflowTracking) -> None:
    first = tracking.begin(config(), [], None)
    tracking.ended_badly(first, "stopped before its end", killed=True)
    assert status(tracking, first) == "KILLED"
    assert tracking.begin(config(), [], first) == first
    assert status(tracking, first) == "RUNNING"
    unknown = tracking.begin(config(), [], "0" * 32)
    assert unknown not in {None, first, "0" * 32}


def test_telling_that_breaks_off_never_leaves_a_run_running(
    tracking: MlflowTracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = tracking.begin(config(), [], None)
    tracking.trained(run_id)
    tracking.evaluating(run_id)
    assert status(tracking, run_id) == "RUNNING"

    def fail(*_arguments: object, **_options: object) -> None:
        raise ValueError

    with monkeypatch.context() as patched:
        patched.setattr(tracking.store.client, "log_artifacts", fail)
        tracking.evaluated(evaluated_run(tmp_path, run_id))
    assert status(tracking, run_id) == "FAILED"
    with monkeypatch.context() as patched:
        patched.setattr(tracking.store.client, "log_batch", fail)
        assert tracking.begin(config(seed=77), [], None) is None
    found = tracking.store.client.search_runs(
        [tracking.store.experiment_id], filter_string="tags.seed = '77'"
    )
    assert [run.info.status for run in found] == ["FAILED"]


def test_a_store_that_cannot_be_opened_is_said_and_the_runs_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    opened = open_tracking(TrackingConfig(), tmp_path)
    assert isinstance(opened, NoTracking)
    assert "warning: MLflow at http://127.0.0.1:9 is not told" in capsys.readouterr().err


def test_a_failure_has_its_reason(tracking: MlflowTracking) -> None:
    run_id = tracking.begin(config(), [], None)
    tracking.ended_badly(run_id, "the loss is nan at step 7", killed=False)
    assert status(tracking, run_id) == "FAILED"
    assert stored(tracking, run_id).data.tags["reason"] == "the loss is nan at step 7"


def test_a_run_that_goes_on_has_no_reason_of_its_earlier_end(tracking: MlflowTracking) -> None:
    run_id = tracking.begin(config(), [], None)
    tracking.ended_badly(run_id, "stopped by SIGTERM", killed=True)
    assert tracking.begin(config(), [], run_id) == run_id
    assert status(tracking, run_id) == "RUNNING"
    assert "reason" not in stored(tracking, run_id).data.tags


def test_a_study_has_a_run_with_its_figures(tracking: MlflowTracking, tmp_path: Path) -> None:
    figure, result = tmp_path / "pooling-differences.svg", tmp_path / "comparison.json"
    figure.write_text("<svg/>", encoding="utf-8")
    result.write_text("{}", encoding="utf-8")
    tracking.study(
        "pooling", "MNIST (70,000 handwritten digits)", {"max-size=3/accuracy": 0.99},
        [figure, result],
    )  # fmt: skip
    found = tracking.store.client.search_runs(
        [tracking.store.experiment_id], filter_string="tags.`convchoice.kind` = 'study'"
    )
    assert [run.info.run_name for run in found] == ["study/pooling"]
    assert found[0].data.tags["dataset"] == "MNIST (70,000 handwritten digits)"
    assert found[0].data.metrics == {"verdict/max-size_3/accuracy": 0.99}
    run_id = found[0].info.run_id
    assert {item.path for item in tracking.store.client.list_artifacts(run_id)} == {
        "comparison.json",
        "figures",
    }


def test_a_store_that_fails_never_stops_a_run(
    tracking: MlflowTracking, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise ConnectionError("no route to the server")

    monkeypatch.setattr(tracking.store.client, "create_run", fail)
    monkeypatch.setattr(tracking.store.client, "log_batch", fail)
    assert tracking.begin(config(), [], None) is None
    tracking.epoch("abc", {"epoch": 1.0, "train/loss": 0.5})
    told = capsys.readouterr().err
    assert told == (
        "warning: MLflow was not told everything: no route to the server."
        " Tell it afterwards: python -m convchoice.publish FOLDER\n"
    )


def test_no_tracking_leaves_no_trace(tmp_path: Path) -> None:
    opened = open_tracking(TrackingConfig(store=Store.none), tmp_path)
    assert isinstance(opened, NoTracking)
    assert opened.begin(config(), [], None) is None
    assert list(tmp_path.iterdir()) == []


def test_what_a_server_missed_is_told_at_the_end_and_nothing_twice(
    tracking: MlflowTracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_run(tmp_path, "max", 5, epochs=3)
    run_id = tracking.begin(config(5), [], None)
    note_tracking(path, run_id)
    run = read_run(path)

    def fail(*_arguments: object, **_options: object) -> None:
        raise ConnectionError("no route to the server")

    tracking.epoch(run_id, run.history[0])
    with monkeypatch.context() as patched:
        patched.setattr(tracking.store.client, "log_batch", fail)
        tracking.epoch(run_id, run.history[1])
    tracking.epoch(run_id, run.history[2])  # not tried: the server was away a moment ago
    tracking.silent_until = float("-inf")
    curve = tracking.store.client.get_metric_history(run_id, "train/loss")
    assert [point.step for point in curve] == [1]
    for _ in range(2):
        tracking.evaluated(run)
        curve = tracking.store.client.get_metric_history(run_id, "train/loss")
        told = sorted((point.step, point.value) for point in curve)
        assert told == [(row["epoch"], row["train/loss"]) for row in run.history]
        assert len(tracking.store.client.get_metric_history(run_id, "test/accuracy")) == 1
    assert status(tracking, run_id) == "FINISHED"


def test_an_epoch_that_is_done_again_is_told_once(tracking: MlflowTracking) -> None:
    run_id = tracking.begin(config(6), [], None)
    first = {"epoch": 1.0, "train/loss": 0.5, "seconds": 1.0}
    tracking.epoch(run_id, first)
    tracking.ended_badly(run_id, "stopped before its end", killed=True)
    before = stored(tracking, run_id).data.metrics
    assert tracking.begin(config(6), [], run_id) == run_id
    tracking.epoch(run_id, first)
    tracking.epoch(run_id, {"epoch": 2.0, "train/loss": 0.25, "seconds": 1.0})
    tracking.trained(run_id)
    history = tracking.store.client.get_metric_history
    assert [point.step for point in history(run_id, "train/loss")] == [1, 2]
    memory = [point.step for point in history(run_id, "system/system_memory_usage_megabytes")]
    assert sorted(memory) == list(range(len(memory)))  # went on where the first start stopped
    assert "system/system_memory_usage_megabytes" in before


def test_a_run_of_a_process_that_was_killed_is_marked_by_the_next_one(
    tracking: MlflowTracking, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alive = tracking.begin(config(8), [], None)
    code = (
        "import os, signal; from pathlib import Path;"
        "from convchoice.execution.tracking import *;"
        "from convchoice.config.validation import config_from_mapping;"
        "from convchoice.config.schema import TrackingConfig;"
        f"t = open_tracking(TrackingConfig(), Path({str(root)!r}));"
        "print(t.begin(config_from_mapping({'arm': 'max', 'seed': 7}), [], None), flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    killed = done.stdout.split()[-1]
    assert status(tracking, killed) == "RUNNING"
    again = open_tracking(TrackingConfig(), root)
    assert isinstance(again, MlflowTracking)
    assert "marked max/seed-7 as KILLED" in capsys.readouterr().err
    assert status(again, killed) == "KILLED"
    assert stored(again, killed).data.tags["reason"] == "its process was gone without a word"
    assert status(again, alive) == "RUNNING"
    tracking.ended_badly(alive, "the test is over", killed=True)
    assert again.begin(config(7), [], killed) == killed
    assert status(again, killed) == "RUNNING"
    again.ended_badly(killed, "the test is over", killed=True)


def test_an_arm_is_the_parent_of_its_runs_and_has_their_means(
    tracking: MlflowTracking, tmp_path: Path
) -> None:
    runs = [
        read_run(make_run(tmp_path, "average", seed, errors, epochs=2))
        for seed, errors in enumerate((10, 20))
    ]
    group = arm_group(config_from_mapping(runs[0].config), "f", ["pooling"])
    parent = tracking.open_group(group)
    assert status(tracking, parent) == "RUNNING"
    composed = tmp_path / "average.yaml"
    composed.write_text("arm: average\n", encoding="utf-8")
    for run in runs:
        tracking.evaluated(run, parent)
    tracking.close_group(parent, [composed])
    means = stored(tracking, parent)
    assert (means.info.run_name, means.info.status) == ("average", "FINISHED")
    assert means.data.metrics["test/accuracy"] == pytest.approx((0.99 + 0.98) / 2)
    assert means.data.metrics["test/accuracy_sd"] == pytest.approx(0.01 / 2**0.5)
    assert means.data.metrics["seeds"] == 2
    assert next(iter(means.data.metrics)) == "test/accuracy"  # what a comparison opens on
    assert means.inputs.dataset_inputs[0].dataset.name == "mnist"
    curve = tracking.store.client.get_metric_history(parent, "val/loss")
    assert {point.step: point.value for point in curve} == pytest.approx(
        {
            epoch: (runs[0].history[epoch - 1]["val/loss"] + runs[1].history[epoch - 1]["val/loss"])
            / 2
            for epoch in (1, 2)
        }
    )
    # Grouping by the parameter counts each seed once.
    assert "arm" not in means.data.params
    assert {item.path for item in tracking.store.client.list_artifacts(parent)} == {"average.yaml"}
    for seed_run in groups.children(tracking.store, str(parent)):
        assert seed_run.data.tags["mlflow.parentRunId"] == parent


def test_an_arm_that_gets_a_seed_more_gets_new_means_and_keeps_its_one_run(
    tracking: MlflowTracking, tmp_path: Path
) -> None:
    runs = [read_run(make_run(tmp_path, "strided", seed, 10 * (seed + 1))) for seed in range(2)]
    group = arm_group(config_from_mapping(runs[0].config), "f", [])
    for count in (1, 2, 2):
        parent = tracking.open_group(group)
        for run in runs[:count]:
            tracking.evaluated(run, parent)
        tracking.close_group(parent)
    found = tracking.store.search(
        "tags.`convchoice.kind` = 'arm' AND attributes.run_name = 'strided'"
    )
    assert len(found) == 1
    assert found[0].data.metrics["test/accuracy"] == pytest.approx(0.985)
    history = tracking.store.client.get_metric_history(found[0].info.run_id, "test/accuracy")
    assert len(history) == 1
    assert len(groups.children(tracking.store, found[0].info.run_id)) == 2


def test_a_group_that_fails_says_why(tracking: MlflowTracking) -> None:
    sweep = Group(kind=Kind.sweep, name="padding", identity="a sweep", note="Two paddings.")
    first = tracking.open_group(sweep)
    tracking.close_group(first, reason="max/seed-1 failed")
    assert status(tracking, first) == "FAILED"
    assert tracking.open_group(sweep) == first
    assert status(tracking, first) == "RUNNING"
    tracking.group_waits(first)
    assert status(tracking, first) == "SCHEDULED"
    tracking.close_group(first)
    assert status(tracking, first) == "FINISHED"


def test_a_study_is_told_once_however_often_its_report_is_made(tracking: MlflowTracking) -> None:
    for _ in range(2):
        tracking.study("padding", "MNIST", {"max/accuracy": 0.98}, [], "The claim holds.")
    found = tracking.store.search("attributes.run_name = 'study/padding'")
    assert len(found) == 1
    assert found[0].data.tags["mlflow.note.content"] == "The claim holds."
