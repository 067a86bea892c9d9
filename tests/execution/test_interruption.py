"""Real processes, really killed: nothing half under a final name, and on from where it was."""

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
from safetensors.numpy import load_file

from convchoice.config.arm import read_arm
from convchoice.config.validation import config_from_mapping
from convchoice.execution.jobs import TRAINING_MODULE, TrainingJobs
from convchoice.execution.seeds import Missing, sealed_late, train_missing
from convchoice.execution.workers import run_jobs
from convchoice.runs import run_folder
from convchoice.runs.checksums import SUMS
from convchoice.runs.events import Ended, EpochEnded, Event, Started
from convchoice.runs.ownership import check_replaceable, finalise
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import CHECKPOINT, partial_path, run_path
from convchoice.runs.specification import RunSpecification
from convchoice.training.train import train
from making import make_run
from stages import TINY, Stage, composed_arm, training

EXIT_STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}


def numbers(run: Run) -> tuple[object, ...]:
    """All of a run that must be the same to the last bit."""
    weights = load_file(run.path / run_folder.WEIGHTS)
    history = [{key: row[key] for key in row if key != "seconds"} for row in run.history]
    metrics = {key: run.metrics[key] for key in run.metrics if not key.startswith("cost/")}
    return {name: weight.tobytes() for name, weight in weights.items()}, history, metrics


def undisturbed(composed: Path, root: Path) -> Run:
    """The run that nothing happened to, trained in this process."""
    config = read_arm(composed).runs()[0]
    folder = run_path(root, str(config.arm), config.seed)
    train(
        [RunSpecification(config, Path(config.data.root), folder, "fingerprint")],
        lambda event: None,
    )
    finalise(folder)
    return read_run(folder)


def test_a_stage_killed_by_each_signal_goes_on_to_the_last_bit(
    tmp_path: Path, data_root: Path
) -> None:
    """Stopped by SIGTERM, then SIGINT, then SIGKILL."""
    epochs = 60
    trainer = TINY["trainer"] | {"max_epochs": epochs}
    composed = composed_arm(tmp_path, data_root, trainer=trainer)
    folder = run_path(tmp_path / "trained", "tiny", 0)
    for number, exit_status in EXIT_STATUS.items():
        stage = training(composed, tmp_path / "trained")
        stage.wait_for(f"/{epochs}  loss")
        stage.send(number, group=number is signal.SIGINT)
        assert stage.end() == exit_status, stage.output
        assert "Traceback" not in stage.output
        assert not folder.exists()
    stage = training(composed, tmp_path / "trained")
    assert stage.end() == 0, stage.output
    assert "goes on after epoch" in stage.output
    assert numbers(read_run(folder)) == numbers(undisturbed(composed, tmp_path / "alone"))
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*run_folder.TRAINED_FILES, SUMS]
    )


@pytest.mark.parametrize("seconds", [0.2, 0.6, 1.2])
def test_ctrl_c_while_the_workers_are_made_ready_says_one_word(
    tmp_path: Path, data_root: Path, seconds: float
) -> None:
    composed = composed_arm(tmp_path, data_root)
    stage = training(composed, tmp_path / "trained")
    stage.wait_for("1 to train")
    time.sleep(seconds)  # importing torch takes longer than that
    stage.send(signal.SIGINT, group=True)
    assert stage.end() == 130
    assert stage.lines == ["arm tiny: 1 seeds, 0 kept, 1 to train\n", "interrupted\n"]


def killed_at_random(work: RunSpecification, kills: int, chance: random.Random) -> list[int]:
    """Train a run in a worker that is killed at a random point, again and again, until it is whole.

    Args:
        work: the run.
        kills: at most so many.
        chance: when.

    Returns:
        The epoch after which each start went on; the last start is the one that was not killed.
    """
    began: list[int] = []
    epoch_seconds = [0.05]
    for attempt in range(kills + 1):
        heard: list[Event] = []
        under_way = threading.Event()

        def hear(
            event: Event, heard: list[Event] = heard, under_way: threading.Event = under_way
        ) -> None:
            heard.append(event)
            if isinstance(event, EpochEnded):
                epoch_seconds.append(event.row["seconds"])
            under_way.set()

        def kill(under_way: threading.Event = under_way, early: bool = False) -> None:
            if not early:
                under_way.wait(300)
            time.sleep(chance.uniform(0, 3 * epoch_seconds[-1]))
            for child in multiprocessing.active_children():
                if isinstance(child, ForkServerProcess):  # not what other tests left, of joblib's
                    child.kill()

        killer = threading.Thread(target=kill, args=(under_way, chance.random() < 0.2))
        run_jobs(
            [TrainingJobs((work,))],
            1,
            hear,
            [TRAINING_MODULE],
            killer.start if attempt < kills else lambda: None,
        )
        if attempt < kills:
            killer.join()
        assert not work.folder.exists()
        began += [event.epochs_done for event in heard if isinstance(event, Started)]
        (ended,) = [event for event in heard if isinstance(event, Ended)]
        if not ended.failure:
            break
        assert ended.failure == "its process ended with exit status -9"
    return began


@pytest.mark.parametrize(
    "kills", [4, pytest.param(100, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_a_training_killed_at_random_points_ends_the_same_to_the_last_bit(
    tmp_path: Path, data_root: Path, kills: int
) -> None:
    chance = random.Random(kills)
    survived = 0
    for repetition in range(kills):  # a run may be whole before all of its kills have come
        folder = tmp_path / str(repetition)
        epochs = {"max_epochs": 3 * min(kills, 10)}
        trainer = TINY["trainer"] | epochs
        config = read_arm(composed_arm(folder, data_root, trainer=trainer)).runs()[0]
        config = replace(config, seed=repetition)
        work = RunSpecification(
            config, data_root, run_path(folder / "trained", "tiny", repetition), "f"
        )
        began = killed_at_random(work, min(kills - survived, 20), chance)
        assert began == sorted(began), "an epoch that was whole was trained again"
        finalise(work.folder)
        alone = replace(work, folder=run_path(folder / "alone", "tiny", repetition))
        train([alone], lambda event: None)
        finalise(alone.folder)
        assert numbers(read_run(work.folder)) == numbers(read_run(alone.folder))
        survived += len(began) - 1
        if survived >= kills:
            break
    print(f"{survived} kills of a worker survived in {repetition + 1} runs")
    assert survived >= kills


@pytest.mark.soak
def test_whole_stages_killed_at_random_times_end_the_same_to_the_last_bit(
    tmp_path: Path, data_root: Path
) -> None:
    """Parent and workers, from the first import to the last rename, by any of the signals."""
    chance = random.Random(0)
    trainer = TINY["trainer"] | {"max_epochs": 40}
    composed = composed_arm(tmp_path, data_root, trainer=trainer)
    folder = run_path(tmp_path / "trained", "tiny", 0)
    kills = 0
    while kills < 15:
        shutil.rmtree(tmp_path / "trained", ignore_errors=True)
        for _ in range(5):
            stage = training(composed, tmp_path / "trained")
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
        first = undisturbed(composed, tmp_path / f"alone-{kills}")
        assert numbers(read_run(folder)) == numbers(first)
    print(f"{kills} kills of a stage survived")


SEALING = """
import itertools, sys
from pathlib import Path
from convchoice.runs.ownership import written
from convchoice.runs.run_folder import CONTENT
folder = Path(sys.argv[1])
for turn in itertools.count():
    with written(folder) as partial:
        for name in CONTENT:
            (partial / name).write_text(f"{turn}" * 1000)
    print(turn, flush=True)
"""


@pytest.mark.parametrize(
    "kills", [5, pytest.param(100, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_a_kill_while_a_folder_is_replaced_leaves_a_whole_one_or_none(
    tmp_path: Path, kills: int
) -> None:
    chance = random.Random(1)
    folder = tmp_path / "seed-0"
    for _ in range(kills):
        stage = Stage("-c", SEALING, str(folder), folder=tmp_path)
        stage.wait_for("2\n")
        time.sleep(chance.uniform(0, 0.3))
        stage.send(signal.SIGKILL, group=False)
        stage.end()
        if folder.exists():
            contents = {(folder / name).read_text(encoding="utf-8") for name in run_folder.CONTENT}
            assert len(contents) == 1
            check_replaceable(folder)


def whole_but_for_its_name(root: Path) -> Missing:
    """What a kill between the end of a training and its seal leaves."""
    folder = make_run(root, "max", 0, evaluated=False)
    folder.rename(partial_path(folder))
    (partial_path(folder) / CHECKPOINT).write_bytes(b"nobody reads it")
    config = config_from_mapping({"arm": "max"})
    return Missing(config, folder, "f" * 64, "a" * 64)


def test_a_run_that_was_whole_but_for_its_name_is_not_trained_again(tmp_path: Path) -> None:
    item = whole_but_for_its_name(tmp_path)
    assert train_missing([item], workers=1) == []
    assert sorted(path.name for path in read_run(item.folder).path.iterdir()) == sorted(
        [*run_folder.TRAINED_FILES, SUMS]
    )


def test_what_is_not_whole_or_of_another_fingerprint_gets_no_name(tmp_path: Path) -> None:
    item = whole_but_for_its_name(tmp_path)
    assert not sealed_late(replace(item, fingerprint="another"))
    (partial_path(item.folder) / run_folder.METRICS).unlink()
    assert not sealed_late(item)
    assert not item.folder.exists()
