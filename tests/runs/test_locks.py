"""Processes at once: they take turns, nothing is trained twice, nothing is lost."""

import signal
from collections import Counter
from pathlib import Path

from convchoice.runs.locks import lock_runs
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path
from stages import TINY, Stage, composed_arm, training

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
    said = Counter(line.strip() for stage in both for line in stage.lines)
    assert said["arm tiny: 1 seeds, 0 kept, 1 to train"] == 1
    assert said["arm tiny: 1 seeds, 1 kept, 0 to train"] == 1
    assert said["training tiny seed 0: done (1 of 1)"] == 1
    assert read_run(run_path(tmp_path / "trained", "tiny", 0)).environment["seeds_together"] == 1


def test_a_run_of_the_pipeline_that_is_wanted_by_itself_too_is_trained_once(
    tmp_path: Path, data_root: Path
) -> None:
    """The stage and the command are begun at once, then the command in another order of things."""
    composed = composed_arm(tmp_path / "configs", data_root, name="max", seeds=2)
    tiny = {key: value for key, value in TINY.items() if key != "tracking"}
    settings = [
        f"{group}.{key}={str(value).replace(' ', '')}"
        for group, values in tiny.items()
        for key, value in values.items()
    ]

    def by_itself(seed: int, *more: str) -> Stage:
        return Stage(
            "-m", "convchoice.train", "arm=max", f"seed={seed}", *settings, *more,
            f"data.root={data_root}", f"run_root={tmp_path}/runs", "tracking=none",
            folder=tmp_path,
        )  # fmt: skip

    first = by_itself(1)  # before the pipeline has come to it
    assert first.end() == 0, first.output
    both = [training(composed, tmp_path / "trained"), by_itself(0)]
    assert [stage.end() for stage in both] == [0, 0], [stage.output for stage in both]
    said = Counter(line.strip() for stage in (first, *both) for line in stage.lines)
    for seed in (0, 1):
        done = [line for line in said.elements() if f"training max seed {seed}: done" in line]
        assert len(done) == 1, said
        assert read_run(run_path(tmp_path / "runs", "max", seed)).evaluated
        assert not read_run(run_path(tmp_path / "trained", "max", seed)).evaluated
    other = by_itself(5)
    assert other.end() == 0, other.output
    assert not (tmp_path / "trained" / "max" / "seed-5").exists()
    assert not (tmp_path / "runs" / ".trained" / "max" / "seed-5").exists()
    foreign = by_itself(6, "conv.padding=same")
    assert foreign.end() == 2
    assert (
        "runs/max is the pipeline's own, whose arm differs in conv.padding (valid there, same"
        in (foreign.output)
    )
