"""Trainings that are really killed, and resume to the same bits; nothing half-written is final."""

import random
import shutil
import signal
import time
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path

import psutil
import pytest

from convchoice.config.validation import read_arm, runs_of
from convchoice.execution.job import Job
from convchoice.runs.run import Run, RunSpecification, read_run
from convchoice.runs.run_folder import SUMS, TRAINED_FILES, run_path
from stages import EXIT_STATUS, TINY, Stage, composed_arm, numbers, training


def undisturbed(composed: Path, root: Path) -> Run:
    """The run that was not interrupted, trained in this process."""
    config, folder = runs_of(read_arm(composed))[0], run_path(root, "tiny", 0)
    described = {"commit": "unknown"}
    item = RunSpecification(config, Path(config.data.root), folder, "fingerprint", described)
    Job((item,), evaluates=False).work(lambda event: None)
    return read_run(folder)


def kill_worker(stage: Stage) -> None:
    """Kill the processes that the fork server of a stage started."""
    for process in psutil.Process(stage.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.ppid() != stage.process.pid:
                process.kill()


@pytest.mark.parametrize(
    ("kills", "epochs", "launch"),
    [
        (4, 60, ""),
        pytest.param(60, 60, "", marks=pytest.mark.soak),
        pytest.param(24, 60, "joblib hydra.launcher.n_jobs=2", marks=pytest.mark.soak),
    ],
)
def test_a_training_that_is_killed_again_and_again_ends_with_the_same_bits(
    tmp_path, data_root, kills, epochs, launch
):
    """By each signal to the stage, and by SIGKILL to its worker alone."""
    chance = random.Random(kills)
    composed = composed_arm(tmp_path, data_root, trainer=TINY["trainer"] | {"max_epochs": epochs})
    alone = numbers(undisturbed(composed, tmp_path / "alone"))
    root = tmp_path / "trained"
    folder = run_path(root, "tiny", 0)
    whole = kills <= len(EXIT_STATUS) + 1  # otherwise some kills come before the first epoch
    victims = [*EXIT_STATUS, *([] if launch else [None])]
    for victim in islice(cycle(victims), kills):
        stage = training(composed, root, CONVCHOICE_LAUNCH=launch)
        if whole or chance.random() < 0.8:
            stage.wait_for("epoch ", or_end=True)
        time.sleep(chance.uniform(0, 0.1 if whole else 2))
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if victim is None:
                kill_worker(stage)
            else:
                stage.send(victim, group=victim is signal.SIGINT)
        status = stage.end()
        assert status in {0, 1 if victim is None else EXIT_STATUS[victim]}, stage.output
        assert "Traceback" not in stage.output
        if status:
            assert not folder.exists()
            assert victim or "To continue: convchoice train --composed " in stage.output
        else:
            assert not whole, "the training ended before it was killed"
            assert numbers(read_run(folder)) == alone
            shutil.rmtree(root)
    stage = training(composed, root)
    assert stage.end() == 0, stage.output
    assert not whole or "resumed after epoch" in stage.output
    assert numbers(read_run(folder)) == alone
    assert {path.name for path in folder.iterdir()} == {*TRAINED_FILES, SUMS}


def test_ctrl_c_while_the_workers_start_prints_one_word(tmp_path, data_root):
    stage = training(composed_arm(tmp_path, data_root), tmp_path / "trained")
    stage.wait_for("1 to train")
    time.sleep(0.6)  # importing torch takes longer
    stage.send(signal.SIGINT, group=True)
    assert stage.end() == 130
    assert stage.lines == ["1 arm, 1 run: 0 kept, 1 to train\n", "interrupted\n"]


def test_two_stages_at_once_train_each_run_once(tmp_path, data_root):
    composed = composed_arm(tmp_path, data_root, trainer={"max_epochs": 1, "accelerator": "cpu"})
    both = [training(composed, tmp_path / "trained") for _ in range(2)]
    assert [stage.end() for stage in both] == [0, 0]
    lines = [line for stage in both for line in stage.lines]
    assert sum("tiny seed 0: epoch 1/1" in line for line in lines) == 1, lines
    assert read_run(run_path(tmp_path / "trained", "tiny", 0)).environment["seeds_together"] == 1


FINALISING = """
import itertools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from made_up_runs import make_run
for turn in itertools.count():
    make_run(Path(sys.argv[1]), "max", 0, turn % 900)
    print(turn, flush=True)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.soak)])
def test_a_kill_while_a_run_is_replaced_leaves_a_complete_one_or_none(tmp_path, kills):
    chance, folder = random.Random(1), run_path(tmp_path / "runs", "max", 0)
    for _ in range(kills):
        tests = str(Path(__file__).parents[1])
        stage = Stage("-c", FINALISING, str(tmp_path / "runs"), tests, folder=tmp_path)
        stage.wait_for("2\n")
        time.sleep(chance.uniform(0, 0.3))
        stage.send(signal.SIGKILL, group=False)
        stage.end()
        if folder.exists():
            run = read_run(folder)
            wrong = int((run.predictions()[0].argmax(1) != run.predictions()[1]).sum())
            assert run.metrics["test/accuracy"] == (1000 - wrong) / 1000
