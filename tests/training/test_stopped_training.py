"""A real training, told to a real store, stopped by SIGTERM and started again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from convchoice.config.validation import PROJECT_ROOT
from convchoice.execution.tracking import open_mlflow
from convchoice.runs.run import read_run
from mlflows_warnings import MLFLOWS_WARNINGS
from small_data import store_digits

pytestmark = MLFLOWS_WARNINGS
EPOCHS = 240  # longer than the opening of a store takes


def train(folder: Path) -> "subprocess.Popen[str]":
    settings = [
        "arm=max", "model.filters=[4,4]", "model.hidden_units=8", "data.train_size=100",
        f"trainer.max_epochs={EPOCHS}", "trainer.accelerator=cpu", f"data.root={folder}/raw",
        f"tracking.uri='sqlite:///{folder}/mlflow.db'",
    ]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "convchoice.train", *settings],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_sigterm_gives_143_and_a_killed_run_that_goes_on_when_it_is_started_again(
    tmp_path: Path,
) -> None:
    store_digits(tmp_path / "raw")
    store = open_mlflow(f"sqlite:///{tmp_path}/mlflow.db", "convchoice", tmp_path).store

    def told() -> list[int]:
        found = store.search("")
        return (
            sorted(step for step, _ in store.known_points(found[0].info.run_id, "train/loss"))
            if found
            else []
        )

    training = train(tmp_path)
    while len(told()) < 2:
        assert training.poll() is None, training.communicate()
        time.sleep(0.05)
    training.send_signal(signal.SIGTERM)
    training.communicate()
    assert training.returncode == 143
    [killed] = store.search("")
    assert killed.info.status == "KILLED"
    assert killed.data.tags["reason"] == "stopped before its end"
    assert 2 <= len(told()) < EPOCHS

    again = train(tmp_path)
    said, warned = again.communicate()
    assert again.returncode == 0, warned
    assert "max seed 0: test accuracy" in said
    [run] = store.search("")
    assert (run.info.run_id, run.info.status) == (killed.info.run_id, "FINISHED")
    history = store.client.get_metric_history(run.info.run_id, "train/loss")
    rows = read_run(tmp_path / "runs" / "max" / "seed-0").history
    assert sorted((point.step, point.value) for point in history) == [
        (row["epoch"], row["train/loss"]) for row in rows
    ]
    assert len(rows) == EPOCHS
