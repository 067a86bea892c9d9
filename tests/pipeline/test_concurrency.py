"""Two commands at the same time train each run once."""

from pathlib import Path

from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path
from stages import composed_arm, training


def test_two_stages_at_once_train_each_run_once(tmp_path: Path, data_root: Path) -> None:
    composed = composed_arm(tmp_path, data_root, trainer={"max_epochs": 1, "accelerator": "cpu"})
    both = [training(composed, tmp_path / "trained") for _ in range(2)]
    assert [stage.end() for stage in both] == [0, 0]
    lines = [line for stage in both for line in stage.lines]
    assert sum("tiny seed 0: epoch 1/1" in line for line in lines) == 1, lines
    assert read_run(run_path(tmp_path / "trained", "tiny", 0)).environment["seeds_together"] == 1
