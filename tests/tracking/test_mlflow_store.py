"""Opening a store: created once, refused at once, and every way out is named."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import mlflow
import pytest
from filelock import Timeout

from convchoice import PROJECT_ROOT
from convchoice.config.schema import TrackingConfig
from convchoice.runs import locks
from convchoice.tracking.mlflow_entry import Entry, Point
from convchoice.tracking.mlflow_store import MlflowStore, TrackingError
from convchoice.tracking.publish import one_line
from made_up_runs import make_run
from mlflows_warnings import MLFLOWS_WARNINGS

pytestmark = MLFLOWS_WARNINGS
OPEN = """
import sys
from pathlib import Path
from convchoice.config.schema import TrackingConfig
from convchoice.tracking.publish import publish
print(publish(Path(sys.argv[1]), TrackingConfig(uri=sys.argv[2])))
"""


def entry(identity: str = "id", **changes: object) -> Entry:
    values = {"kind": "run", "id": identity, "name": "max/seed-0", "start": 1_000, "end": 3_000}
    return Entry(**{**values, **changes})  # type: ignore[arg-type]


def test_processes_that_open_a_new_database_at_once_lose_nothing(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    folders = [make_run(tmp_path / "runs", "max", seed) for seed in range(3)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(folder), uri], cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for folder in folders
    ]  # fmt: skip
    outputs = [process.communicate() for process in processes]
    said = {line for _, error in outputs for line in error.splitlines()}
    # MLflow's own messages neither
    assert said <= {f"waiting for another process that writes to {tmp_path / 'mlflow.db'}"}
    client = mlflow.MlflowClient(uri)
    found = {run.info.run_name: run for run in client.search_runs(["1"])}
    assert set(found) == {"max", *(f"max/seed-{seed}" for seed in range(3))}
    assert found["max"].data.metrics["seeds"] == 3
    assert not list(tmp_path.glob("*.partial*"))


def test_an_sqlite_file_that_cannot_be_opened_is_refused_at_once(tmp_path):
    (tmp_path / "text.db").write_text("no database at all, but long enough\n" * 9)
    with pytest.raises(TrackingError, match=r"text\.db: cannot be opened as an SQLite database"):
        MlflowStore(TrackingConfig(uri=f"sqlite:///{tmp_path}/text.db"))
    with pytest.raises(TrackingError, match=r"nowhere/mlflow\.db: cannot be written: No such"):
        MlflowStore(TrackingConfig(uri=f"sqlite:///{tmp_path}/nowhere/mlflow.db"))
    for name in ("mlflow.db.partial", "mlflow.db.partial-journal"):  # of a killed creation
        (tmp_path / name).write_bytes(b"half a database")
    assert MlflowStore(TrackingConfig(uri=f"sqlite:///{tmp_path}/mlflow.db")).search("") == []


@pytest.mark.parametrize(
    ("scheme", "driver", "fix"),
    [
        ("postgresql", "psycopg", r"install .*\[server\].*postgresql\+psycopg2://"),
        ("mysql+pymysql", "pymysql", "Install it, or use a server"),
    ],
)
def test_a_missing_driver_is_named_with_its_package(monkeypatch, scheme, driver, fix):
    monkeypatch.setitem(sys.modules, driver, None)
    uri = f"{scheme}://me:secret@127.0.0.1:1/runs"
    with pytest.raises(TrackingError, match=f"package {driver}, the driver .*{fix}") as refused:
        MlflowStore(TrackingConfig(uri=uri))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("version", "advice"),
    [("0123456789ab", "made by a newer MLflow than"), ("451aebb31d03", "mlflow db upgrade")],
)
def test_a_database_of_another_mlflow_is_named_rightly(tmp_path, version, advice):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    MlflowStore(TrackingConfig(uri=uri))
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [version])
    code = (
        "import sys; from convchoice.config.schema import TrackingConfig;"
        "from convchoice.tracking.mlflow_store import MlflowStore;"
        "MlflowStore(TrackingConfig(uri=sys.argv[1]))"
    )  # another process: MLflow remembers which databases it has checked
    done = subprocess.run(
        [sys.executable, "-c", code, uri], capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert advice in last
    assert "out-of-date" not in last


def test_a_deleted_experiment_names_the_ways_out(settings, store):
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(TrackingError, match=r"was deleted\. Restore it .* tracking\.experiment="):
        MlflowStore(settings)


def test_a_lock_that_is_held_is_said_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.01)
    with locks.WaitingLock(tmp_path / "mlflow.db.lock") as lock, lock:  # the same one, twice
        other = locks.WaitingLock(tmp_path / "mlflow.db.lock", timeout=0.1)
        with pytest.raises(Timeout):
            other.acquire()
    waiting = f"waiting for another process that writes to {tmp_path / 'mlflow.db'}\n"
    assert capsys.readouterr().err == waiting


def test_the_environment_names_store_and_experiment_unless_the_configuration_does(
    settings, monkeypatch
):
    assert settings.uri is not None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", settings.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    opened = MlflowStore(TrackingConfig())
    assert opened.uri == settings.uri
    assert opened.client.get_experiment(opened.experiment_id).name == "mine"
    named = MlflowStore(TrackingConfig(experiment="yours"))
    assert named.client.get_experiment(named.experiment_id).name == "yours"


def test_logging_twice_is_once_and_an_interrupted_run_is_completed(store, monkeypatch):
    points = [Point("train/loss", 1 / epoch, epoch, epoch) for epoch in range(1, 2501)]
    wanted = entry(points=points, parameters={"arm": "max"}, texts={"table.csv": "1,2"})

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(store.client, "log_text", fail)
        with pytest.raises(OSError, match="full"):
            store.log(wanted)
    (half,) = store.search("")
    assert (half.info.status, half.info.end_time) == ("FINISHED", 3_000)  # never RUNNING
    assert store.log(wanted) == (half.info.run_id, True)
    assert store.log(wanted) == (half.info.run_id, False)
    history = store.client.get_metric_history(half.info.run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [p[2:0:-1] for p in points]
    assert [item.path for item in store.client.list_artifacts(half.info.run_id)] == ["table.csv"]


def test_of_two_writers_without_a_common_lock_one_leaves_its_run_to_the_other(
    settings, store, monkeypatch
):
    """The second looked before the first had created its run, and created one of its own."""
    first, _ = store.log(entry())
    second = MlflowStore(settings)
    answers = iter([None])
    find = second.find
    monkeypatch.setattr(second, "find", lambda identity: next(answers, find(identity)))
    assert second.log(entry())[0] == first
    assert [run.info.run_id for run in store.search("")] == [first]


def test_an_error_is_one_line_without_credentials():
    error = RuntimeError("no answer from http://user:secret@host/api.\nTraceback and more")
    assert one_line(error) == "no answer from http://***@host/api"
    assert one_line(ValueError()) == "ValueError"
