"""The same bits: alone or in a sweep, in one process or several, whatever ran before."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from convchoice import PROJECT_ROOT
from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.evaluation.evaluate import evaluate_run
from convchoice.runs.events import Event
from convchoice.runs.ownership import finalise
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import PREDICTIONS, WEIGHTS, run_path
from convchoice.runs.specification import RunSpecification
from convchoice.training.train import train


def ignore(event: Event) -> None:
    """Ignore an event."""


def alone(config: Config, root: Path) -> Run:
    """Train and evaluate one run in this process."""
    trained, folder = (run_path(root / name, "max", config.seed) for name in ("trained", "runs"))
    data_root = Path(config.data.root)
    train([RunSpecification(config, data_root, trained, "f")], ignore)
    finalise(trained)
    evaluate_run(RunSpecification(config, data_root, folder, trained=trained))
    return read_run(folder)


def bits(run: Run) -> tuple[object, ...]:
    """Weights, predictions and all numbers except times and memory."""
    logits, _ = run.predictions()
    history = [{key: row[key] for key in row if key != "seconds"} for row in run.history]
    metrics = {key: value for key, value in run.metrics.items() if not key.startswith("cost/")}
    return (run.path / WEIGHTS).read_bytes(), logits.tobytes(), history, metrics


def test_a_run_of_a_sweep_has_the_bits_of_the_run_alone(tmp_path: Path, data_root: Path) -> None:
    overrides = [
        "arm=max", "seed=0,1", "model.filters=[4,4]", "model.hidden_units=8",
        "data.train_size=100", "trainer.max_epochs=2", "trainer.accelerator=cpu", "tracking=none",
        f"data.root={data_root}",
    ]  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "convchoice.train", "-m", *overrides],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT / "src")},
        capture_output=True, check=True,
    )  # fmt: skip
    swept = [read_run(run_path(tmp_path / "runs", "max", seed)) for seed in (0, 1)]
    # Another precision, another number of threads, a used-up random state.
    other = {**swept[0].config, "seed": 7}
    other["trainer"] = {**other["trainer"], "precision": "64-true", "threads": 2}
    alone(config_from_mapping(other), tmp_path / "before")
    torch.rand(3)
    for run in swept:
        again = alone(config_from_mapping(run.config), tmp_path / "alone")
        assert bits(again) == bits(run)
        assert (again.path / PREDICTIONS).stat().st_size > 0
    assert bits(swept[0]) != bits(swept[1])
