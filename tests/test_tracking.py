"""A real MLflow store on SQLite: what it is told, and the life of a run in it."""

from pathlib import Path
from typing import Any

import pytest

from convchoice.execution.tracking import MlflowTracking, NoTracking, open_tracking, parameters_of
from convchoice.records.run_folder import Run, note_tracking, read_run
from convchoice.settings.configuration import config_from_mapping
from convchoice.settings.schema import Config, Store, TrackingConfig
from making import curve_points, make_run

pytestmark = [
    # MLflow's and SQLAlchemy's own, none of them ours to mend.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


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
    return tracking._client.get_run(run_id)


def config(seed: int = 0) -> Config:
    return config_from_mapping({"arm": "max", "seed": seed})


def evaluated_run(folder: Path, run_id: str | None) -> Run:
    path = make_run(folder, "max", 0, errors=10, curves=curve_points())
    note_tracking(path, run_id)
    return read_run(path)


def test_the_life_of_a_run(tracking: MlflowTracking, tmp_path: Path) -> None:
    run_id = tracking.begin(config(), ["pooling"], None)
    assert status(tracking, run_id) == "RUNNING"
    tracking.epoch(run_id, {"epoch": 1.0, "train/loss": 0.5, "val/accuracy": 0.9, "seconds": 1.0})
    tracking.epoch(run_id, {"epoch": 2.0, "train/loss": 0.3, "val/accuracy": 0.95, "seconds": 1.0})
    tracking.trained(run_id)
    assert status(tracking, run_id) == "SCHEDULED"
    tracking.evaluated(evaluated_run(tmp_path, run_id))
    assert status(tracking, run_id) == "FINISHED"
    run = stored(tracking, run_id)
    assert run.info.run_name == "max/seed-0"
    assert run.data.params["downsample"] == "max"
    assert run.data.params["seed"] == "0"
    for tag, value in {"arm": "max", "seed": "0", "study": "pooling", "stage": "evaluate"}.items():
        assert run.data.tags[tag] == value
    assert "mlflow.source.git.commit" in run.data.tags
    assert run.data.metrics["train/loss"] == 0.3
    assert run.data.metrics["test/accuracy"] == pytest.approx(0.99)
    assert run.data.metrics["test/shift_consistency"] == pytest.approx(0.91)
    assert "cost/parameters" in run.data.metrics
    assert "seconds" not in run.data.metrics
    curve = tracking._client.get_metric_history(run_id, "train/loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.3)]
    assert run.inputs.dataset_inputs[0].dataset.name == "mnist"
    names = {item.path for item in tracking._client.list_artifacts(run_id)}
    assert names >= {
        "config.yaml", "curves.csv", "history.csv", "metrics.json", "environment.json",
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
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(tracking._client, "log_artifact", fail)
        tracking.evaluated(evaluated_run(tmp_path, run_id))
    assert status(tracking, run_id) == "FAILED"
    with monkeypatch.context() as patched:
        patched.setattr(tracking._client, "log_batch", fail)
        assert tracking.begin(config(seed=77), [], None) is None
    found = tracking._client.search_runs([tracking._experiment], filter_string="tags.seed = '77'")
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


def test_a_study_has_a_run_with_its_figures(tracking: MlflowTracking, tmp_path: Path) -> None:
    figure, result = tmp_path / "pooling-differences.svg", tmp_path / "comparison.json"
    figure.write_text("<svg/>", encoding="utf-8")
    result.write_text("{}", encoding="utf-8")
    tracking.study(
        "pooling", "MNIST (70,000 handwritten digits)", {"max/accuracy": 0.99}, [figure, result]
    )
    found = tracking._client.search_runs(
        [tracking._experiment], filter_string="tags.`convchoice.kind` = 'study'"
    )
    assert [run.info.run_name for run in found] == ["study/pooling"]
    assert found[0].data.tags["dataset"] == "MNIST (70,000 handwritten digits)"
    run_id = found[0].info.run_id
    assert {item.path for item in tracking._client.list_artifacts(run_id)} == {
        "comparison.json",
        "figures",
    }


def test_a_store_that_fails_never_stops_a_run(
    tracking: MlflowTracking, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise ConnectionError("no route to the server")

    monkeypatch.setattr(tracking._client, "create_run", fail)
    monkeypatch.setattr(tracking._client, "log_batch", fail)
    assert tracking.begin(config(), [], None) is None
    tracking.epoch("abc", {"epoch": 1.0, "train/loss": 0.5})
    told = capsys.readouterr().err
    assert told == "warning: MLflow was not told everything: no route to the server\n"


def test_no_tracking_leaves_no_trace(tmp_path: Path) -> None:
    opened = open_tracking(TrackingConfig(store=Store.none), tmp_path)
    assert isinstance(opened, NoTracking)
    assert opened.begin(config(), [], None) is None
    assert list(tmp_path.iterdir()) == []


def test_parameters_are_short_and_flat() -> None:
    parameters = parameters_of(config())
    assert parameters["filters"] == "32-64-64"
    assert parameters["train_size"] == "all"
    assert (parameters["data"], parameters["canvas"], parameters["rotated"]) == (
        "mnist",
        "none",
        False,
    )
    assert all(len(str(value)) < 20 for value in parameters.values())
