"""One MLflow server for many writers, and one that is down for a while."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from convchoice import PROJECT_ROOT
from convchoice.commands import publish as command
from convchoice.config.schema import TrackingConfig
from convchoice.runs.run import read_run
from convchoice.tracking import publish as module
from convchoice.tracking.mlflow_store import MlflowStore
from convchoice.tracking.publish import publish
from made_up_runs import make_run
from mlflows_warnings import MLFLOWS_WARNINGS
from servers import Server

POSTGRES = Path(__file__).parents[1] / "engines" / "postgres.sh"
WRITERS = 8
WRITE = """
import sys
from pathlib import Path
from convchoice.config.schema import TrackingConfig
from convchoice.tracking.publish import publish
import mlflow
sys.stdin.readline()  # all begin at once
assert publish(Path(sys.argv[2]), TrackingConfig(uri=sys.argv[1], experiment="shared"))
"""
pytestmark = [pytest.mark.server, *MLFLOWS_WARNINGS]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """`mlflow server` on a PostgreSQL of its own; on SQLite where there is none."""
    folder = Path(tempfile.mkdtemp(prefix="convchoice-server-"))
    folder.chmod(0o755)  # the account that runs PostgreSQL must reach its folder
    database = f"sqlite:///{folder}/mlflow.db"
    if find_spec("psycopg2") is not None:
        started = subprocess.run(
            [POSTGRES, "start", folder / "postgres"], capture_output=True, text=True, check=False
        )
        database = started.stdout.strip() or database
    arguments = ["server", "--backend-store-uri", database, "--workers", "2"]
    arguments += ["--artifacts-destination", str(folder / "artifacts")]
    mlflow = Server(arguments, folder / "mlflow.log")
    try:
        yield mlflow.start()
    finally:
        mlflow.stop()
        if (folder / "postgres").exists():
            subprocess.run([POSTGRES, "stop", folder / "postgres"], check=True)
        shutil.rmtree(folder)


def test_many_writers_at_once_lose_nothing_and_agree_on_one_arm(server, tmp_path):
    folders = [make_run(tmp_path, "max", seed, epochs=20) for seed in range(WRITERS)]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, server.uri, str(folder)], cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
        )
        for folder in folders
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("begin\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate()
        assert writer.returncode == 0, errors
    store = MlflowStore(TrackingConfig(uri=server.uri, experiment="shared"))
    found = {run.info.run_name: run for run in store.search("")}
    assert len(store.search("")) == WRITERS + 1
    assert found["max"].data.metrics["seeds"] == WRITERS
    for folder in folders:
        run = found[f"max/{folder.name}"]
        assert run.data.tags["mlflow.parentRunId"] == found["max"].info.run_id
        history = store.client.get_metric_history(run.info.run_id, "val/loss")
        wanted = [(row["epoch"], row["val/loss"]) for row in read_run(folder).history]
        assert [(point.step, point.value) for point in history] == wanted
        assert len(store.client.list_artifacts(run.info.run_id)) == 5


def test_what_a_server_missed_is_logged_afterwards(server, tmp_path, capsys):
    settings = TrackingConfig(uri=server.uri, experiment="down")
    assert publish(make_run(tmp_path, "max", 0), settings)
    server.stop()
    folders = [make_run(tmp_path, "max", seed) for seed in (1, 2)]
    assert [publish(folder, settings) for folder in folders] == [None, None]
    assert capsys.readouterr().err.count("warning: MLflow logging failed") == 1
    module._unavailable.clear()
    server.start()
    arguments = [str(tmp_path), "--uri", server.uri, "--experiment", "down"]
    command.main(arguments)
    assert "2 runs logged, 1 known already; 1 arm updated" in capsys.readouterr().out
    command.main(arguments)
    assert "0 runs logged, 3 known already; 0 arms updated" in capsys.readouterr().out
