"""Processes at once: they take turns, nothing is trained twice, nothing is lost."""

import signal
from pathlib import Path

from convchoice.runs.locks import lock_runs
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path
from stages import Stage, composed_arm, training

HOLDING = """
import sys, time
from pathlib import Path
from convchoice.runs.locks import lock_runs
with lock_runs(Path(sys.argv[1]), sys.argv[2:], "training"):
    print("has its turn", flush=True)
    time.sleep(float(sys.stdin.readline() or 600))
"""


def test_a_turn_ends_with_the_process_that_has_it(tmp_path: Path) -> None:
    first = Stage("-c", HOLDING, str(tmp_path), "max/seed-0", "max/seed-1", folder=tmp_path)
    first.wait_for("has its turn")
    second = Stage("-c", HOLDING, str(tmp_path), "max/seed-1", folder=tmp_path)
    second.wait_for(f"waiting for another process that is training {tmp_path}/max/seed-1")
    assert "has its turn" not in second.output
    with lock_runs(tmp_path, ["max/seed-2", "average/seed-1"], "training"):
        pass  # another run need not wait
    first.send(signal.SIGKILL, group=False)
    second.wait_for("has its turn")


def test_a_second_command_in_a_folder_waits_for_the_first(tmp_path: Path) -> None:
    """As `make repro` runs it; a signal and the exit status are passed on."""
    wait = ["-c", "import time; print('first', flush=True); time.sleep(600)"]
    locks = ["-m", "convchoice.runs.locks"]
    first = Stage(*locks, "python", *wait, folder=tmp_path)
    first.wait_for("first")
    second = Stage(*locks, "python", "-c", "print('second'); exit(3)", folder=tmp_path)
    second.wait_for("waiting for another python")
    first.send(signal.SIGTERM, group=False)
    assert first.end() == 128 + signal.SIGTERM
    second.wait_for("second")
    assert second.end() == 3


def test_two_stages_at_once_train_each_run_once(tmp_path: Path, data_root: Path) -> None:
    composed = composed_arm(tmp_path, data_root, trainer={"max_epochs": 1, "accelerator": "cpu"})
    both = [training(composed, tmp_path / "trained") for _ in range(2)]
    assert [stage.end() for stage in both] == [0, 0]
    lines = [line for stage in both for line in stage.lines]
    assert sum("tiny seed 0: epoch 1/1" in line for line in lines) == 1, lines
    assert read_run(run_path(tmp_path / "trained", "tiny", 0)).environment["seeds_together"] == 1
