"""Folders told of afterwards: as if tracked live, once, wherever they lie. A real SQLite store."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convchoice import publish
from convchoice.config.validation import config_from_mapping
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import METRICS, note_tracking
from convchoice.tracking.labels import Group, Kind, arm_group
from convchoice.tracking.life import MlflowTracking
from convchoice.tracking.opening import open_mlflow
from making import curve_points, make_run
from mlflows_warnings import MLFLOWS_WARNINGS

pytestmark = MLFLOWS_WARNINGS
Publish = Callable[..., str]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture
def tracking(uri: str, tmp_path: Path) -> MlflowTracking:
    """An experiment of this test's own."""
    return open_mlflow(uri, tmp_path.name, tmp_path)


@pytest.fixture
def published(
    uri: str, tracking: MlflowTracking, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Publish:
    """Publishes paths to this test's experiment; returns what was said."""

    def call(*paths: Path) -> str:
        publish.main([*map(str, paths), "--uri", uri, "--experiment", tmp_path.name])
        return capsys.readouterr().out

    return call


def everything(tracking: MlflowTracking) -> list[Any]:
    """All that the store holds of the runs, so that two states of it can be compared."""
    seen = []
    for run in tracking.store.search(""):
        keys = sorted(run.data.metrics)
        client, run_id = tracking.store.client, run.info.run_id
        histories = {key: sorted(tracking.store.known_points(run_id, key)) for key in keys}
        counts = {key: len(client.get_metric_history(run_id, key)) for key in keys}
        files = sorted(item.path for item in client.list_artifacts(run_id))
        seen.append((run_id, run.info.status, run.data.tags, histories, counts, files))
    return sorted(seen, key=lambda item: str(item[0]))


def live(tracking: MlflowTracking, folder: Path) -> str:
    """Tell of a run as its training would."""
    run = read_run(folder)
    config = config_from_mapping(run.config)
    run_id = tracking.begin(config, [], None)
    assert run_id is not None
    note_tracking(folder, run_id)
    for row in run.history:
        tracking.epoch(run_id, row)
    tracking.trained(run_id)
    tracking.evaluating(run_id)
    tracking.evaluated(read_run(folder))
    return run_id


def test_what_is_published_is_what_would_have_been_tracked_live(
    tracking: MlflowTracking, published: Publish, tmp_path: Path
) -> None:
    points = curve_points()
    live(tracking, make_run(tmp_path / "live", "max", 0, epochs=3, curves=points))
    make_run(tmp_path / "runs", "max", 1, epochs=3, curves=points)
    assert "1 new, 0 brought up to date, 0 known already" in published(tmp_path / "runs")
    told, late = tracking.store.search("tags.`convchoice.kind` = 'run'")
    if told.info.run_name == "max/seed-1":
        told, late = late, told
    assert (late.info.run_name, late.info.status) == ("max/seed-1", "FINISHED")
    assert late.data.params == told.data.params | {"seed": "1"}
    machine = {key for key in told.data.metrics if key.startswith("system/")}
    assert set(late.data.metrics) == set(told.data.metrics) - machine  # nobody watched it
    run = read_run(tmp_path / "runs" / "max" / "seed-1")
    for key in ("train/loss", "val/accuracy"):
        wanted = {(int(row["epoch"]), row[key]) for row in run.history}
        assert tracking.store.known_points(late.info.run_id, key) == wanted
    for key, value in run.metrics.items():
        assert late.data.metrics[key] == value
    assert late.inputs.dataset_inputs[0].dataset == told.inputs.dataset_inputs[0].dataset
    files = [
        sorted(item.path for item in tracking.store.client.list_artifacts(each.info.run_id))
        for each in (told, late)
    ]
    assert files[0] == files[1]
    assert (late.info.start_time, late.info.end_time) == (1767225660000, 1767225690000)


def test_a_second_call_adds_nothing_wherever_the_folders_lie(
    tracking: MlflowTracking, published: Publish, tmp_path: Path
) -> None:
    for seed in range(2):
        make_run(tmp_path / "runs", "max", seed)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")}
    said = published(tmp_path / "runs")
    assert "2 new" in said
    assert "the means of 1 arms were told" in said
    first = everything(tracking)
    shutil.copytree(tmp_path / "runs", tmp_path / "elsewhere" / "deep" / "runs")
    for again in (tmp_path / "runs", tmp_path / "elsewhere", tmp_path / "runs/max/seed-1"):
        said = published(again)
        assert "0 new, 0 brought up to date" in said
        assert "the means of 0 arms" in said
        assert everything(tracking) == first
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")}
    assert after == before  # DVC would take a folder that was written to for a changed one


def test_an_arm_takes_in_seeds_that_come_later(
    tracking: MlflowTracking, published: Publish, tmp_path: Path
) -> None:
    make_run(tmp_path / "runs", "max", 0, errors=10)
    published(tmp_path / "runs")
    make_run(tmp_path / "more", "max", 1, errors=30)
    published(tmp_path / "more")
    [arm] = tracking.store.search("tags.`convchoice.kind` = 'arm'")
    assert arm.data.metrics["test/accuracy"] == pytest.approx(0.98)
    assert arm.data.metrics["seeds"] == 2


def test_a_run_that_was_trained_only_waits_and_is_finished_when_it_was_evaluated(
    tracking: MlflowTracking, published: Publish, tmp_path: Path
) -> None:
    make_run(tmp_path / "trained", "max", 0, evaluated=False)
    published(tmp_path / "trained")
    [run] = tracking.store.search("tags.`convchoice.kind` = 'run'")
    assert run.info.status == "SCHEDULED"
    make_run(tmp_path / "runs", "max", 0)
    # Both folders are of one training: the evaluated one counts.
    said = published(tmp_path / "trained", tmp_path / "runs")
    assert "0 new, 1 brought up to date" in said
    [run] = tracking.store.search("tags.`convchoice.kind` = 'run'")
    assert run.info.status == "FINISHED"
    assert len(tracking.store.client.get_metric_history(run.info.run_id, "train/loss")) == 1


def test_a_run_under_way_is_left_alone(
    tracking: MlflowTracking, published: Publish, tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "runs", "max", 0)
    run_id = tracking.begin(config_from_mapping(read_run(folder).config), [], None)
    note_tracking(folder, run_id)
    assert "0 new, 0 brought up to date, 0 known already, 1 still under way" in published(
        tmp_path / "runs"
    )
    assert tracking.store.run(run_id).info.status == "RUNNING"  # type: ignore[union-attr]


def test_a_run_of_a_sweep_stays_below_its_sweep(
    tracking: MlflowTracking, published: Publish, tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "runs", "max", 0)
    sweep = tracking.open_group(Group(Kind.sweep, "paddings", "a sweep of paddings"))
    tracking.evaluated(read_run(folder), sweep)
    assert "1 known already" in published(tmp_path / "runs")
    assert not tracking.store.search("tags.`convchoice.kind` = 'arm'")


def test_two_that_publish_at_once_keep_one_run(tracking: MlflowTracking, tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, "max", 0))
    config = config_from_mapping(run.config)
    store, first = tracking.store, []
    real = store.identified

    def after_the_other(identity: str) -> Any:
        """The other one, which looked when there was no run either, is done in between."""
        if not first:
            first.append(store.client.create_run(store.experiment_id, start_time=1, tags={
                "convchoice.identity": identity}).info.run_id)  # fmt: skip
        return real(identity)

    store.identified = after_the_other  # type: ignore[method-assign]
    group = arm_group(config, "f", [])
    run_id, new = store.create_once(group.identity, "max", Kind.arm, {}, {})
    assert (run_id, new) == (first[0], False)
    assert len(store.search("")) == 1


def test_what_cannot_be_read_is_named_and_the_rest_is_told(
    tracking: MlflowTracking, published: Publish, tmp_path: Path, capsys: Any
) -> None:
    make_run(tmp_path / "runs", "max", 0)
    damaged = make_run(tmp_path / "runs", "average", 0)
    (damaged / METRICS).write_text("{", encoding="utf-8")
    (tmp_path / "runs" / "max" / "seed-1.partial").mkdir()
    with pytest.raises(SystemExit) as ended:
        published(tmp_path / "runs")
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert "1 new" in said.out
    assert "1 folders were left out" in said.err
    assert "average/seed-0/metrics.json: was changed after the run" in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: there is no such folder"),
        (["."], "no run folders"),
        ([".", "--reports", "nowhere"], "no study's comparison.json here"),
    ],
)
def test_what_is_not_there_is_said_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        publish.main([*arguments, "--uri", "sqlite:///never.db"])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "never.db").exists()


def test_a_server_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    make_run(tmp_path / "runs", "max", 0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(SystemExit) as ended:
        publish.main([str(tmp_path / "runs"), "--uri", "http://127.0.0.1:9"])
    assert ended.value.code == 2
    assert "http://127.0.0.1:9: MLflow could not be told everything" in capsys.readouterr().err


def test_the_store_is_the_one_named_then_the_variables_then_the_runs_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    own = {"tracking": {"uri": "http://own"}}
    runs = [read_run(make_run(tmp_path, "max", 0, config=own))]
    assert publish.address_of(runs, None) == "http://own"
    other = read_run(make_run(tmp_path, "max", 1, config={"tracking": {"uri": "http://other"}}))
    with pytest.raises(Exception, match=r"--uri: the runs' own .* http://other, http://own"):
        publish.address_of([*runs, other], None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://variable")
    assert publish.address_of(runs, None) == "http://variable"
    assert publish.address_of(runs, "http://given") == "http://given"
    plain = [read_run(make_run(tmp_path, "max", 2))]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert publish.address_of(plain, None).endswith("/mlflow.db")
