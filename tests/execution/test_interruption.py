"""Trainings that are really killed, and resume to the same bits; nothing half-written is final."""

import multiprocessing
import random
import shutil
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from convchoice.config.schema import Config
from convchoice.config.validation import read_arm, runs_of
from convchoice.execution.executors import LocalExecutor
from convchoice.execution.job import Job
from convchoice.runs.events import EpochEnded, Event, RunEnded, RunStarted
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import SUMS, TRAINED_FILES, run_path
from convchoice.runs.specification import RunSpecification
from stages import EXIT_STATUS, TINY, Stage, composed_arm, numbers, training


def specification(config: Config, root: Path) -> RunSpecification:
    folder = run_path(root, str(config.arm), config.seed)
    described = {"commit": "unknown"}
    return RunSpecification(config, Path(config.data.root), folder, "fingerprint", described)


def undisturbed(config: Config, root: Path) -> Run:
    """The run that was not interrupted, trained in this process."""
    item = specification(config, root)
    Job((item,), evaluates=False).work(lambda event: None)
    return read_run(item.folder)


def first_config(composed: Path) -> Config:
    return runs_of(read_arm(composed))[0]


def test_a_stage_killed_by_each_signal_resumes_to_the_same_bits(
    tmp_path: Path, data_root: Path
) -> None:
    trainer = TINY["trainer"] | {"max_epochs": 60}
    composed = composed_arm(tmp_path, data_root, trainer=trainer)
    folder = run_path(tmp_path / "trained", "tiny", 0)
    for number, exit_status in EXIT_STATUS.items():
        stage = training(composed, tmp_path / "trained")
        stage.wait_for("/60, loss")
        stage.send(number, group=number is signal.SIGINT)
        assert stage.end() == exit_status, stage.output
        assert "Traceback" not in stage.output
        assert not folder.exists()
    stage = training(composed, tmp_path / "trained")
    assert stage.end() == 0, stage.output
    assert "resumed after epoch" in stage.output
    alone = undisturbed(first_config(composed), tmp_path / "alone")
    assert numbers(read_run(folder)) == numbers(alone)
    assert {path.name for path in folder.iterdir()} == {*TRAINED_FILES, SUMS}


def test_ctrl_c_while_the_workers_start_prints_one_word(tmp_path: Path, data_root: Path) -> None:
    composed = composed_arm(tmp_path, data_root)
    stage = training(composed, tmp_path / "trained")
    stage.wait_for("1 to train")
    time.sleep(0.6)  # importing torch takes longer
    stage.send(signal.SIGINT, group=True)
    assert stage.end() == 130
    assert stage.lines == ["arm tiny: 1 seeds, 0 kept, 1 to train\n", "interrupted\n"]


def killed_at_random(item: RunSpecification, kills: int, chance: random.Random) -> list[int]:
    """Train a run in a worker that is killed at a random time, again and again, until it is done.

    Returns:
        The epoch after which each start resumed; the last start is the one that was not killed.
    """
    resumed: list[int] = []
    epoch_seconds = [0.05]
    for attempt in range(kills + 1):
        events: list[Event] = []
        under_way = threading.Event()

        def listen(
            event: Event, events: list[Event] = events, under_way: threading.Event = under_way
        ) -> None:
            events.append(event)
            if isinstance(event, EpochEnded):
                epoch_seconds.append(event.row["seconds"])
            under_way.set()

        def kill(under_way: threading.Event = under_way) -> None:
            under_way.wait(300)
            time.sleep(chance.uniform(0, 3 * epoch_seconds[-1]))
            for child in multiprocessing.active_children():
                if isinstance(child, ForkServerProcess):
                    child.kill()

        killer = threading.Thread(target=kill)
        if attempt < kills:
            killer.start()
        LocalExecutor(1).run([Job((item,), evaluates=False)], listen)
        if attempt < kills:
            killer.join()
        resumed += [event.epochs_done for event in events if isinstance(event, RunStarted)]
        (ended,) = [event for event in events if isinstance(event, RunEnded)]
        if not ended.failure:
            break
        assert ended.failure == "the process ended with exit status -9"
        assert not item.folder.exists()
    return resumed


@pytest.mark.parametrize(
    "kills", [4, pytest.param(100, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_a_training_killed_at_random_times_ends_with_the_same_bits(
    tmp_path: Path, data_root: Path, kills: int
) -> None:
    chance = random.Random(kills)
    survived = 0
    for repetition in range(kills):  # a run may be complete before all of its kills
        folder = tmp_path / str(repetition)
        trainer = TINY["trainer"] | {"max_epochs": 3 * min(kills, 10)}
        config = replace(
            first_config(composed_arm(folder, data_root, trainer=trainer)), seed=repetition
        )
        item = specification(config, folder / "trained")
        resumed = killed_at_random(item, min(kills - survived, 20), chance)
        assert resumed == sorted(resumed), "a complete epoch was trained again"
        assert numbers(read_run(item.folder)) == numbers(undisturbed(config, folder / "alone"))
        survived += len(resumed) - 1
        if survived >= kills:
            break
    print(f"{survived} kills of a worker survived in {repetition + 1} runs")
    assert survived >= kills


@pytest.mark.soak
@pytest.mark.parametrize("launch", ["", "basic", "joblib hydra.launcher.n_jobs=2"])
def test_whole_stages_killed_at_random_times_end_with_the_same_bits(
    tmp_path: Path, data_root: Path, launch: str
) -> None:
    """Parent and workers, from the first import to the last rename, by any of the signals."""
    chance = random.Random(0)
    trainer = TINY["trainer"] | {"max_epochs": 40}
    composed = composed_arm(tmp_path, data_root, trainer=trainer)
    folder = run_path(tmp_path / "trained", "tiny", 0)
    alone = undisturbed(first_config(composed), tmp_path / "alone")
    kills = 0
    while kills < 8:
        shutil.rmtree(tmp_path / "trained", ignore_errors=True)
        for _ in range(5):
            stage = training(composed, tmp_path / "trained", CONVCHOICE_LAUNCH=launch)
            if chance.random() < 0.8:
                stage.wait_for("epoch ")
            time.sleep(chance.uniform(0, 2))
            number = chance.choice(list(EXIT_STATUS))
            running = stage.process.poll() is None
            with suppress(ProcessLookupError):
                stage.send(number, group=number is signal.SIGINT or chance.random() < 0.5)
            status = stage.end()
            kills += running and status != 0
            assert status in {0, -number, EXIT_STATUS[number]}, stage.output
            assert not folder.exists() or read_run(folder)
            if status == 0:
                break
        else:
            assert training(composed, tmp_path / "trained").end() == 0
        assert numbers(read_run(folder)) == numbers(alone)
    print(f"{kills} kills of a stage survived")


FINALISING = """
import itertools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from made_up_runs import make_run
for turn in itertools.count():
    make_run(Path(sys.argv[1]), "max", 0, turn % 900)
    print(turn, flush=True)
"""


@pytest.mark.parametrize(
    "kills", [3, pytest.param(100, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_a_kill_while_a_run_is_replaced_leaves_a_complete_one_or_none(
    tmp_path: Path, kills: int
) -> None:
    chance = random.Random(1)
    for _ in range(kills):
        tests = str(Path(__file__).parents[1])
        stage = Stage("-c", FINALISING, str(tmp_path / "runs"), tests, folder=tmp_path)
        stage.wait_for("2\n")
        time.sleep(chance.uniform(0, 0.3))
        stage.send(signal.SIGKILL, group=False)
        stage.end()
        folder = run_path(tmp_path / "runs", "max", 0)
        if folder.exists():
            run = read_run(folder)
            wrong = int((run.predictions()[0].argmax(1) != run.predictions()[1]).sum())
            assert run.metrics["test/accuracy"] == (1000 - wrong) / 1000
