"""One MLflow server on PostgreSQL for many writers, and away in the middle of a training."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from convchoice import publish
from convchoice.config.validation import PROJECT_ROOT
from convchoice.execution.tracking import MlflowTracking, open_mlflow
from convchoice.runs.run import read_run
from convchoice.tracking import groups
from making import make_run
from servers import Server
from small_data import store_digits

POSTGRES = Path(__file__).parents[1] / "engines" / "postgres.sh"
WRITERS = 8
pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(find_spec("psycopg2") is None, reason="psycopg2 is not installed"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """`mlflow server` on a PostgreSQL that nothing else uses."""
    folder = Path(tempfile.mkdtemp(prefix="convchoice-server-"))
    folder.chmod(0o755)  # the account that runs PostgreSQL must get at its folder
    started = subprocess.run(
        [POSTGRES, "start", folder / "postgres"], capture_output=True, text=True, check=False
    )
    try:
        if started.returncode == 3:
            pytest.skip(started.stderr.strip())
        assert started.returncode == 0, started.stderr
        command = ["server", "--backend-store-uri", started.stdout.strip(), "--workers", "2"]
        command += ["--artifacts-destination", str(folder / "artifacts")]
        mlflow = Server(command, "/health", folder / "mlflow.log")
        try:
            yield mlflow.start()
        finally:
            mlflow.stop()
    finally:
        subprocess.run([POSTGRES, "stop", folder / "postgres"], check=True)
        shutil.rmtree(folder)


WRITE = """
import sys
from pathlib import Path
from convchoice.execution.tracking import open_mlflow
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import note_tracking
from convchoice.config.validation import config_from_mapping
from convchoice.tracking.labels import arm_group

uri, folder = sys.argv[1], Path(sys.argv[2])
run = read_run(folder)
config = config_from_mapping(run.config)
sys.stdin.readline()  # all begin at once
tracking = open_mlflow(uri, "shared", folder)
parent = tracking.open_group(arm_group(config, "one arm", []))
known = tracking.begin(config, [], None, parent)
for row in run.history:
    tracking.epoch(known, row)
tracking.trained(known)
note_tracking(folder, known)
tracking.evaluated(read_run(folder))
"""


def metrics_of(tracking: MlflowTracking, run_id: str, key: str) -> list[tuple[int, float]]:
    history = tracking.store.client.get_metric_history(run_id, key)
    return sorted((point.step, point.value) for point in history)


def test_eight_writers_at_once_lose_nothing_and_make_one_arm(
    server: Server, tmp_path: Path
) -> None:
    folders = [make_run(tmp_path, "max", seed, epochs=20) for seed in range(WRITERS)]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, server.uri, str(folder)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("begin\n")
        writer.stdin.flush()
    for writer in writers:
        _, said = writer.communicate()
        assert writer.returncode == 0, said
        assert "warning: MLflow" not in said
    tracking = open_mlflow(server.uri, "shared", tmp_path)
    [arm] = tracking.store.search("tags.`convchoice.kind` = 'arm'")
    runs = groups.children(tracking.store, arm.info.run_id)
    assert sorted(run.info.run_name for run in runs) == [f"max/seed-{n}" for n in range(WRITERS)]
    for run in runs:
        folder = read_run(tmp_path / run.info.run_name)
        wanted = [(row["epoch"], row["val/loss"]) for row in folder.history]
        assert metrics_of(tracking, run.info.run_id, "val/loss") == wanted
        assert len(tracking.store.client.list_artifacts(run.info.run_id)) == 5
    tracking.end_arm(arm.info.run_id)
    means = tracking.store.run(arm.info.run_id)
    assert means is not None
    assert means.data.metrics["seeds"] == WRITERS


def train(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "convchoice.train", *arguments, f"data.root={folder}/raw"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def epochs_told(tracking: MlflowTracking) -> int:
    found = tracking.store.search("attributes.run_name = 'max/seed-0'")
    return len(metrics_of(tracking, found[0].info.run_id, "train/loss")) if found else 0


def test_a_server_that_is_away_in_mid_training_loses_no_training_and_learns_of_it_afterwards(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store_digits(tmp_path / "raw")
    tracking = open_mlflow(server.uri, "away", tmp_path)
    training = train(
        tmp_path, "arm=max", "model.filters=[4,4]", "model.hidden_units=8", "data.train_size=100",
        "trainer.max_epochs=150", "trainer.accelerator=cpu", f"tracking.uri={server.uri}",
        "tracking.experiment=away",
    )  # fmt: skip
    while epochs_told(tracking) < 2:
        assert training.poll() is None, training.communicate()[1]
        time.sleep(0.1)
    server.stop()
    said, warned = training.communicate()
    assert training.returncode == 0, warned
    assert "max seed 0: test accuracy" in said
    assert warned.count("warning: MLflow was not told everything") == 1
    run = read_run(tmp_path / "runs" / "max" / "seed-0")
    assert len(run.history) == 150
    server.start()
    assert epochs_told(tracking) < 150
    arguments = [str(tmp_path / "runs"), "--uri", server.uri, "--experiment", "away"]
    publish.main(arguments)
    assert "0 new, 1 brought up to date, 0 known already" in capsys.readouterr().out
    [told] = tracking.store.search("attributes.run_name = 'max/seed-0'")
    assert told.info.status == "FINISHED"
    assert told.data.metrics["test/accuracy"] == run.metrics["test/accuracy"]
    wanted = [(row["epoch"], row["train/loss"]) for row in run.history]
    assert metrics_of(tracking, told.info.run_id, "train/loss") == wanted
    publish.main(arguments)
    assert "0 new, 0 brought up to date, 1 known already" in capsys.readouterr().out


def test_folders_from_another_machine_are_published_over_http(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    for seed in range(2):
        make_run(tmp_path / "runs", "average", seed)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    publish.main([str(tmp_path / "runs"), "--experiment", "another"])
    assert "2 new" in capsys.readouterr().out
    publish.main([str(tmp_path / "runs"), "--experiment", "another"])
    assert "0 new, 0 brought up to date, 2 known already" in capsys.readouterr().out
